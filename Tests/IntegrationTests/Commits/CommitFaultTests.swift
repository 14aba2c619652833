// Two-phase commit that is struck at each of its steps: the link breaks, or the proxy dies.
import Testing
import TestSupport

/// A step of the protocol at which a relay strikes, before the frame passes.
enum CommitPoint: String, CaseIterable, Sendable {
    case prepareSent, prepareAnswered, decisionSent, decisionAnswered, finishSent, secondFinishAnswered, finishAnswered

    var isAfterDecision: Bool { self != .prepareSent && self != .prepareAnswered && self != .decisionSent }

    /// Whether a frame is this step. `finished`: participants that have acknowledged COMMIT PREPARED.
    func matches(_ frame: PassingFrame, finished: Int) -> Bool {
        switch self {
        case .prepareSent: frame.isQuery("PREPARE TRANSACTION")
        case .prepareAnswered: frame.isAnswer("PREPARE TRANSACTION")
        case .decisionSent: frame.isQuery("pgbraid.decide")
        case .decisionAnswered: frame.isAnswer("COMMIT", to: "pgbraid.decide")
        case .finishSent: frame.isQuery("COMMIT PREPARED")
        case .secondFinishAnswered: frame.isAnswer("COMMIT PREPARED") && finished == 1
        case .finishAnswered: frame.isAnswer("COMMIT PREPARED")
        }
    }
}

extension IntegrationTests {
    @Suite struct CommitFaultTests {
        /// Does something once at a point, then breaks the link there.
        private func strike(_ commits: CommitCluster, at point: CommitPoint, _ blow: @escaping @Sendable () -> Void = {}) -> Once {
            let struck = Once()
            let finished = Counter()
            commits.relay.follow { frame in
                if frame.isAnswer("COMMIT PREPARED") { finished.increment() }
                guard !struck.isDone, point.matches(frame, finished: finished.value - 1), struck.claim() else { return .pass }
                blow()
                return .cut
            }
            return struck
        }

        @Test(.timeLimit(.minutes(1)), arguments: CommitPoint.allCases)
        func aBrokenLinkLeavesNothingHalf(point: CommitPoint) throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            let struck = strike(commits, at: point)
            let outcome = try client.run("BEGIN; \(commits.transfer); COMMIT")
            #expect(struck.isDone)
            #expect((outcome.error == nil) == point.isAfterDecision, "\(point): \(outcome)")
            #expect(outcome.state != "08007", "the outcome could be looked up: \(outcome)")
            try commits.expectNothingPrepared()
            #expect(try commits.balances() == (point.isAfterDecision ? [-1, -1, 2] : [0, 0, 0]))
            // The session goes on; a shard that was fenced is open again.
            try eventually("the next transaction succeeds") {
                let next = try client.run("BEGIN; \(commits.transfer); COMMIT")
                if next.error != nil { try client.rows("ROLLBACK") }
                return next.error == nil
            }
            try commits.expectNothingPrepared()
            #expect(try commits.balances().reduce(0, +) == 0)
        }

        @Test(.timeLimit(.minutes(1)), arguments: CommitPoint.allCases)
        func aProxyThatDiesLeavesNothingHalf(point: CommitPoint) throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            let cluster = UncheckedReference(commits.cluster)
            let struck = strike(commits, at: point) { cluster.object.kill() }
            let outcome = try client.run("BEGIN; \(commits.transfer); COMMIT")
            #expect(struck.isDone && outcome.isCutOff && !outcome.tags.contains("COMMIT"))
            commits.relay.follow { _ in .pass }
            let left = try commits.preparedCount()
            #expect(point == .prepareSent || point == .finishAnswered || point == .secondFinishAnswered || left > 0, "nothing to recover at \(point)")
            try commits.cluster.start()
            try commits.expectNothingPrepared()
            #expect(try commits.balances() == (point.isAfterDecision ? [-1, -1, 2] : [0, 0, 0]))
            let next = try commits.client().run("BEGIN; \(commits.transfer); COMMIT")
            #expect(next.error == nil && next.warnings.isEmpty, "\(next)")
        }

        /// The decider's part is committed and acknowledged to nobody, and another proxy finishes the transaction.
        @Test(.timeLimit(.minutes(1))) func anotherProxyFinishesWhatADeadOneLeft() throws {
            let commits = try CommitCluster()
            let other = try TestCluster(servers: commits.servers, settings: CommitCluster.settings)
            let client = try commits.client()
            let cluster = UncheckedReference(commits.cluster)
            let struck = strike(commits, at: .decisionAnswered) { cluster.object.kill() }
            #expect(try client.run("BEGIN; \(commits.transfer); COMMIT").isCutOff)
            #expect(struck.isDone)
            try commits.expectNothingPrepared()
            #expect(try commits.balances() == [-1, -1, 2])
            #expect(try other.psql("SELECT sum(balance) FROM account") == [["0"]])
        }

        /// The parts that another proxy finishes become visible together to its own clients.
        @Test(.timeLimit(.minutes(1))) func whatRecoveryCommitsIsSeenWhole() throws {
            let commits = try CommitCluster()
            let relay = try FaultRelay(servers: commits.servers)
            defer { relay.stop() }
            let other = try TestCluster(servers: commits.servers, settings: CommitCluster.settings, shardEntries: relay.entries(for: commits.servers))
            let (client, readingClient) = (try commits.client(), try WireClient(port: other.port))
            let reader = UncheckedReference(readingClient)
            let (servers, keys, held) = (commits.servers, commits.keys, Once())
            let console = UncheckedReference(other)
            relay.follow { frame in
                guard frame.shard == 2, frame.isQuery("COMMIT PREPARED"), held.claim() else { return .pass }
                do {
                    try eventually("the first part is committed") {
                        try servers[1].psql("SELECT balance FROM account WHERE user_id = \(keys[1])") == [["-1"]]
                    }
                    func waits() throws -> Int { Int(try console.object.console("SHOW STATS").first { $0[0] == "gate_waits" }?[1] ?? "") ?? 0 }
                    let before = try waits()
                    try reader.object.send(FrontendFrame.query("SELECT sum(balance) FROM account WHERE user_id IN (\(keys[1]), \(keys[2]))"))
                    try eventually("the reader waits at the gate", withinSeconds: 5) { try waits() > before }
                } catch {
                    Issue.record(error)
                }
                return .pass
            }
            let cluster = UncheckedReference(commits.cluster)
            let struck = strike(commits, at: .decisionAnswered) { cluster.object.kill() }
            #expect(try client.run("BEGIN; \(commits.transfer); COMMIT").isCutOff)
            #expect(try readingClient.outcome().rows == [["1"]])
            #expect(struck.isDone && held.isDone)
            try commits.expectNothingPrepared()
        }

        /// A proxy that only slept is fenced: what another one has rolled back cannot be decided any more.
        @Test(.timeLimit(.minutes(1))) func aProxyThatSleptCannotDecide() throws {
            let commits = try CommitCluster()
            let other = try TestCluster(servers: commits.servers, settings: CommitCluster.settings)
            let client = try commits.client()
            let servers = commits.servers
            let waited = Once()
            commits.relay.follow { frame in
                guard frame.isQuery("pgbraid.decide"), waited.claim() else { return .pass }
                // The decision is held back until the other proxy has taken the transaction for abandoned.
                do {
                    try eventually("the other proxy rolls back") {
                        try servers.allSatisfy { try $0.psql("SELECT count(*) FROM pg_prepared_xacts") == [["0"]] }
                    }
                } catch {
                    Issue.record(error)
                }
                return .pass
            }
            let outcome = try client.run("BEGIN; \(commits.transfer); COMMIT")
            #expect(waited.isDone && outcome.error != nil && outcome.state != "08007", "\(outcome)")
            #expect(try commits.balances() == [0, 0, 0])
            #expect(try other.psql("SELECT sum(balance) FROM account") == [["0"]])
        }
    }
}
