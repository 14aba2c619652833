// consistent_reads = "strict": what clients see one statement after the other fits one order of all transactions.
import Testing

extension IntegrationTests {
    @Suite struct StrictReadTests {
        private static let settings = CommitCluster.settings.merging(["transactions": ["consistent_reads = \"strict\""]]) { $1 }

        private func balance(_ commits: CommitCluster, _ shard: Int) -> String {
            "SELECT balance FROM account WHERE user_id = \(commits.keys[shard])"
        }

        private func gateWaits(_ commits: CommitCluster) throws -> Int {
            Int(try commits.cluster.console("SHOW STATS").first { $0[0] == "gate_waits" }?[1] ?? "") ?? 0
        }

        /// Does something when a message comes by that is a Query with this text, before the message goes on to its shard.
        /// - Returns: what is done once that is.
        private func when(_ commits: CommitCluster, _ text: String, shard: Int, _ body: @escaping () throws -> Void) -> Once {
            let begun = Once()
            let done = Once()
            let unchecked = UncheckedBody(run: body)
            commits.relay.follow { frame in
                guard frame.shard == shard, frame.isQuery(text), begun.claim() else { return .pass }
                do {
                    try unchecked.run()
                    _ = done.claim()
                } catch {
                    Issue.record(error)
                }
                return .pass
            }
            return done
        }

        /// Runs while the test waits for a client's answer.
        private struct UncheckedBody: @unchecked Sendable { let run: () throws -> Void }

        /// The decider has committed, another shard has not: who reads the decider's part hears of it when both have.
        @Test(.timeLimit(.minutes(1)), arguments: [false, true]) func anAnswerThatMayShowHalfIsHeld(isScript: Bool) throws {
            let commits = try CommitCluster(settings: Self.settings)
            let writer = try commits.client()
            let reader = try commits.client()
            let question = isScript ? "\(balance(commits, 0)); \(balance(commits, 1))" : balance(commits, 0)
            let halfway = when(commits, "COMMIT PREPARED", shard: 1) { [self] in
                let before = try gateWaits(commits)
                try reader.send(FrontendFrame.query(question))
                try eventually("the answer is held") { try gateWaits(commits) > before }
                #expect((try? reader.outcome(deadlineSeconds: 0.05)) == nil, "half of a commit was told")
            }
            #expect(try writer.run("BEGIN; \(commits.transfer); COMMIT").error == nil)
            #expect(try reader.outcome().rows == (isScript ? [["-1"], ["-1"]] : [["-1"]]))
            #expect(halfway.isDone)
            try commits.expectApplied()
        }

        /// What the client asks behind an answer that is held is asked behind the commit.
        @Test(.timeLimit(.minutes(1))) func whatIsAskedBehindAHeldAnswerWaits() throws {
            let commits = try CommitCluster(settings: Self.settings)
            let writer = try commits.client()
            let reader = try commits.client()
            let halfway = when(commits, "COMMIT PREPARED", shard: 1) { [self] in
                let before = try gateWaits(commits)
                try reader.send(FrontendFrame.query(balance(commits, 0)) + FrontendFrame.query(balance(commits, 1)))
                try eventually("the answer is held") { try gateWaits(commits) > before }
            }
            #expect(try writer.run("BEGIN; \(commits.transfer); COMMIT").error == nil)
            #expect(try reader.outcome().rows == [["-1"]])
            #expect(try reader.outcome().rows == [["-1"]])
            #expect(halfway.isDone)
        }

        /// A write outside a block gets a COMMIT of its own, which no snapshot of its shard and another overlaps.
        @Test(.timeLimit(.minutes(1))) func aCommitOnOneShardWaitsForSnapshots() throws {
            let commits = try CommitCluster(settings: Self.settings)
            let writer = try commits.client()
            let reader = try commits.client()
            let committing = when(commits, "COMMIT", shard: 2) { [self] in
                let before = try gateWaits(commits)
                try reader.send(FrontendFrame.query("SELECT sum(balance) FROM account"))
                try eventually("the snapshot waits") { try gateWaits(commits) > before }
            }
            let outcome = try writer.run(commits.update(2, 5))
            #expect(outcome.error == nil && outcome.tags == ["UPDATE 1"], "\(outcome)")
            #expect(try reader.outcome().rows == [["5"]])
            #expect(committing.isDone)
        }

        @Test(.timeLimit(.minutes(1))) func aCommitThatWaitsCanBeCancelled() throws {
            // Longer than a cancel takes to arrive, on any machine.
            let patient = ["transactions": ["consistent_reads = \"strict\"", "snapshot_window = \"10s\""]]
            let commits = try CommitCluster(settings: CommitCluster.settings.merging(patient) { $1 })
            let writer = try commits.client()
            let reader = try commits.client()
            // A snapshot window stays open as long as its Bind is under way.
            let begun = Once()
            let done = Once()
            let other = UncheckedReference(writer)
            let cluster = UncheckedReference(commits)
            commits.relay.follow { [self] frame in
                guard frame.shard == 2, frame.direction == .toShard, frame.frame.letter == "B", begun.claim() else { return .pass }
                do {
                    let before = try gateWaits(cluster.object)
                    try other.object.send(FrontendFrame.query(cluster.object.update(2, 5)))
                    try eventually("the commit waits") { try gateWaits(cluster.object) > before }
                    let canceller = try WireClient(connectingTo: cluster.object.cluster.port)
                    let key = other.object
                    try canceller.send(FrontendFrame.cancel(processID: key.processID, secretKey: key.secretKey))
                    #expect(try other.object.outcome().state == "57014")
                    _ = done.claim()
                } catch { Issue.record(error) }
                return .pass
            }
            #expect(try reader.run("SELECT sum(balance) FROM account").rows == [["0"]])
            #expect(done.isDone)
            try commits.expectUntouched()
            #expect(try writer.run(commits.update(2, 0)).tags == ["UPDATE 1"])
        }

        /// COMMIT must find nothing to wait for: what is deferred is checked before its window opens.
        @Test(.timeLimit(.minutes(1))) func deferredConstraintsAreCheckedBefore() throws {
            let commits = try CommitCluster(settings: Self.settings)
            try commits.cluster.psql("""
                CREATE TABLE numbered (user_id int, n int, UNIQUE (user_id, n) DEFERRABLE INITIALLY DEFERRED)
                """)
            let client = try commits.client()
            _ = commits.relay.takeQueries()
            let outcome = try client.run("INSERT INTO numbered VALUES (\(commits.keys[0]), 1), (\(commits.keys[0]), 1)")
            #expect(outcome.state == "23505", "\(outcome)")
            // The proxy itself may have read the catalog meanwhile, in a transaction of its own.
            let commit = commits.relay.takeQueries().first { $0.text.contains("COMMIT") && !$0.text.hasPrefix("/* pgbraid: catalog") }
            #expect(commit == nil, "\(commit?.text ?? "")")
            #expect(try client.run("SELECT count(*) FROM numbered").rows == [["0"]])
        }
    }
}
