// Participants of two-phase commit that are special: readers that wrote, parts that cannot be prepared, gids that others
// touch, shards that die or have no room.
import Foundation
import Testing
import TestSupport

extension IntegrationTests {
    @Suite struct ParticipantTests {
        private func deciders(_ commits: CommitCluster) -> [Int] {
            commits.relay.takeQueries().filter { $0.text.contains("pgbraid.decide") }.map(\.shard)
        }

        // MARK: Readers

        /// A SELECT of a function may have written: PostgreSQL is asked.
        @Test(.timeLimit(.minutes(1)), arguments: [true, false]) func aFunctionMayHaveWritten(writes: Bool) throws {
            let commits = try CommitCluster()
            try commits.cluster.psql("""
                CREATE TABLE visit (n int);
                CREATE FUNCTION visit(user_id int, really bool) RETURNS int LANGUAGE sql VOLATILE AS 'INSERT INTO visit SELECT 1 WHERE really; SELECT 1';
                COMMENT ON FUNCTION visit IS 'pgbraid: key = argument 1'
                """)
            let client = try commits.client()
            _ = commits.relay.takeQueries()
            let select = "SELECT visit(\(commits.keys[1]), \(writes))"
            let outcome = try client.run("BEGIN; \(commits.update(0, 0)); \(select); COMMIT")
            #expect(outcome.error == nil && outcome.tags.last == "COMMIT", "\(outcome)")
            #expect(deciders(commits).count == (writes ? 1 : 0))
            try commits.expectNothingPrepared()
        }

        /// A part that only read can fail at COMMIT, too: the query of its cursor WITH HOLD runs then. Nothing is committed.
        @Test(.timeLimit(.minutes(1)), arguments: [1, 2]) func aReaderThatFailsAtTheEndUndoesAll(writerCount: Int) throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            let cursor = "DECLARE late CURSOR WITH HOLD FOR SELECT 1 / balance FROM account WHERE user_id = \(commits.keys[2])"
            let updates = (0..<writerCount).map { commits.update($0, 1) }.joined(separator: "; ")
            let outcome = try client.run("BEGIN; \(updates); \(cursor); COMMIT")
            #expect(outcome.state == "22012", "\(outcome)")
            try commits.expectUntouched()
        }

        // MARK: Parts that cannot be prepared

        /// What makes PREPARE TRANSACTION impossible on a shard, with a place for its key.
        static let obstacles = [
            "SELECT notify_beside(KEY)",
            "DECLARE held CURSOR WITH HOLD FOR SELECT * FROM account WHERE user_id = KEY",
            "SELECT pg_export_snapshot() FROM account WHERE user_id = KEY",
            "SELECT lock_twice_beside(KEY)",
        ]

        /// The decider is never prepared, so it is the one with the obstacle, although another shard wrote first.
        @Test(.timeLimit(.minutes(1))) func whatCannotBePreparedDecides() throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            _ = commits.relay.takeQueries()
            let statement = Self.obstacles[1].replacing("KEY", with: "\(commits.keys[1])")
            let outcome = try client.run("BEGIN; \(commits.transfer); \(statement); COMMIT")
            #expect(outcome.error == nil && outcome.tags.last == "COMMIT", "\(outcome)")
            #expect(deciders(commits) == [1])
            try commits.expectApplied()
        }

        /// What only a function does is seen by PostgreSQL alone, at PREPARE TRANSACTION.
        @Test(.timeLimit(.minutes(1)), arguments: [obstacles[0], obstacles[2], obstacles[3]])
        func whatAFunctionDoesIsRefused(obstacle: String) throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            let statement = obstacle.replacing("KEY", with: "\(commits.keys[1])")
            let outcome = try client.run("BEGIN; \(commits.transfer); \(statement); COMMIT")
            #expect(outcome.state == "0A000", "\(outcome)")
            try commits.expectUntouched()
        }

        @Test(.timeLimit(.minutes(1)), arguments: obstacles) func twoThatCannotBePreparedAreRefused(obstacle: String) throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            let statements = [0, 1].map { obstacle.replacing("KEY", with: "\(commits.keys[$0])").replacing(" held ", with: " held\($0) ") }
            let outcome = try client.run("BEGIN; \(commits.transfer); \(statements[0]); \(statements[1]); COMMIT")
            #expect(outcome.state == "0A000", "\(outcome)")
            try commits.expectUntouched()
        }

        // MARK: Owners

        /// The role that prepared owns the transaction; it need not be the role that logs in.
        @Test(.timeLimit(.minutes(1)), arguments: ["SET LOCAL ROLE teller", "SET ROLE teller"])
        func anotherRoleMayHavePrepared(setting: String) throws {
            for server in try CommitServers.shared.get().three {
                try server.psql("DROP ROLE IF EXISTS teller; DROP ROLE IF EXISTS clerk; CREATE ROLE teller; CREATE ROLE clerk LOGIN IN ROLE teller")
            }
            let commits = try CommitCluster()
            let client = try commits.client(user: "clerk")
            let outcome = try client.run("BEGIN; \(setting); \(commits.transfer); COMMIT")
            #expect(outcome.error == nil && outcome.warnings.isEmpty, "\(outcome)")
            try commits.expectApplied()
        }

        // MARK: Gids that others touch

        /// The gid was taken already: that transaction is somebody else's, and is left alone.
        @Test(.timeLimit(.minutes(1))) func aTakenGidIsNotOurs() throws {
            let commits = try CommitCluster(settings: ["timeouts": ["recovery_interval = \"1h\"", "in_doubt = \"1h\""]])
            let client = try commits.client()
            let (servers, taken) = (commits.servers, Once())
            commits.relay.follow { frame in
                guard frame.shard == 1, frame.isQuery("PREPARE TRANSACTION"), taken.claim() else { return .pass }
                let gid = String(frame.text.split(separator: "'").dropFirst().first ?? "")
                do {
                    try servers[1].psql("BEGIN; CREATE TABLE precious (n int); PREPARE TRANSACTION '\(gid)'")
                } catch {
                    Issue.record(error)
                }
                return .pass
            }
            let outcome = try client.run("BEGIN; \(commits.transfer); COMMIT")
            #expect(outcome.state == "42710", "\(outcome)")
            let left = try servers[1].psql("SELECT gid FROM pg_prepared_xacts")
            #expect(left.count == 1, "the foreign transaction was ended")
            try servers[1].psql("ROLLBACK PREPARED '\(left.first?[0] ?? "")'")
            try commits.expectUntouched()
        }

        /// Somebody else has finished the participant as decided: that is success.
        @Test(.timeLimit(.minutes(1))) func aParticipantFinishedByAnotherIsFinished() throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            let (servers, isFinished) = (commits.servers, Once())
            commits.relay.follow { frame in
                guard frame.shard == 1, frame.isQuery("COMMIT PREPARED"), isFinished.claim() else { return .pass }
                do { try servers[1].psql(frame.text) } catch { Issue.record(error) }
                return .pass
            }
            let outcome = try client.run("BEGIN; \(commits.transfer); COMMIT")
            #expect(isFinished.isDone && outcome.error == nil && outcome.warnings.isEmpty, "\(outcome)")
            try commits.expectApplied()
        }

        /// Somebody else is finishing it and waits for a standby: 55000 "busy", until he is done.
        @Test(.timeLimit(.minutes(1))) func aBusyParticipantIsWaitedFor() throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            let (shared, other, isBusy, isRefused) = (UncheckedReference(commits), try WireClient(port: commits.servers[1].port), Once(), Once())
            let finisher = UncheckedReference(other)
            defer { try? commits.forgetStandby(1) }
            commits.relay.follow { frame in
                if frame.shard == 1, frame.direction == .fromShard, frame.frame.letter == "E",
                    String(decoding: frame.frame.bytes, as: UTF8.self).contains("55000"), isRefused.claim()
                {
                    try? shared.object.forgetStandby(1)
                }
                guard frame.shard == 1, frame.isQuery("COMMIT PREPARED"), isBusy.claim() else { return .pass }
                do {
                    try shared.object.loseStandby(1)
                    try finisher.object.send(FrontendFrame.query(frame.text))
                    try shared.object.awaitStandbyWait(1, "COMMIT PREPARED")
                } catch {
                    Issue.record(error)
                }
                return .pass
            }
            let outcome = try client.run("BEGIN; \(commits.transfer); COMMIT")
            #expect(isRefused.isDone && outcome.error == nil && outcome.warnings.isEmpty, "\(outcome)")
            #expect(try other.outcome().tags == ["COMMIT PREPARED"])
            try commits.expectApplied()
        }

        // MARK: Shards that die, shards without room

        /// The decision stands; the dead shard is kept closed until its part is committed as well.
        @Test(.timeLimit(.minutes(1))) func aParticipantThatDiesIsFinishedWhenItReturns() throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            let (servers, isDead) = (commits.servers, Once())
            commits.relay.follow { frame in
                guard frame.shard == 1, frame.isQuery("COMMIT PREPARED"), isDead.claim() else { return .pass }
                do { try servers[1].stopServer(mode: "immediate") } catch { Issue.record(error) }
                return .cut
            }
            let outcome = try client.run("BEGIN; \(commits.transfer); COMMIT", deadlineSeconds: 30)
            #expect(outcome.error == nil && outcome.warnings.contains { $0.contains("will finish its part") }, "\(outcome)")
            let balance = { (shard: Int) in "SELECT balance FROM account WHERE user_id = \(commits.keys[shard])" }
            #expect(try client.run(balance(2)).rows == [["2"]])
            #expect(try client.run(balance(1)).error != nil)
            try servers[1].start()
            try eventually("the shard is open") { try client.run(balance(1)).error == nil }
            // Never open with its part missing.
            #expect(try client.run(balance(1)).rows == [["-1"]])
            try commits.expectApplied()
        }

        /// The room for prepared transactions is used up: nothing is decided, and the error is PostgreSQL's own.
        @Test(.timeLimit(.minutes(1))) func noRoomForPreparedTransactionsIsAnAbort() throws {
            let servers = try [100, 1].map { try TemporaryPostgreSQL(settings: ["max_prepared_transactions": "\($0)"]) }
            let commits = try CommitCluster(servers: servers)
            let client = try commits.client()
            try servers[1].psql("BEGIN; CREATE TABLE taken (n int); PREPARE TRANSACTION 'full'")
            let transfer = "BEGIN; \(commits.update(0, -1)); \(commits.update(1, 1)); COMMIT"
            let outcome = try client.run(transfer)
            #expect(outcome.state == "53200", "\(outcome)")
            #expect(try commits.balances() == [0, 0])
            try servers[1].psql("ROLLBACK PREPARED 'full'")
            #expect(try client.run(transfer).error == nil)
            #expect(try commits.balances() == [-1, 1])
        }

        /// One shard that prepares nothing may decide; two of them are refused before anything is prepared.
        @Test(.timeLimit(.minutes(1))) func shardsThatPrepareNothing() throws {
            let servers = try (0..<3).map { _ in try TemporaryPostgreSQL(settings: TestServers.settings) }
            let commits = try CommitCluster(servers: servers)
            for shard in [0, 2] {
                try servers[shard].configure(["max_prepared_transactions": "0"])
                try servers[shard].stopServer()
                try servers[shard].start()
            }
            try eventually("all shards are up") { try commits.cluster.psql("SELECT sum(balance) FROM account") == [["0"]] }
            let client = try commits.client()
            _ = commits.relay.takeQueries()
            #expect(try client.run("BEGIN; \(commits.update(1, -1)); \(commits.update(2, 1)); COMMIT").error == nil)
            #expect(deciders(commits) == [2])
            let outcome = try client.run("BEGIN; \(commits.transfer); COMMIT")
            #expect(outcome.state != nil && outcome.error?.hint?.contains("max_prepared_transactions") == true, "\(outcome)")
            #expect(!commits.relay.takeQueries().contains { $0.text.contains("PREPARE TRANSACTION") })
            #expect(try commits.balances() == [0, -1, 1])
        }

        // MARK: The client's own

        /// Nobody knows what became of it, and the client is told so and not that it failed.
        @Test(.timeLimit(.minutes(1))) func aLinkThatBreaksUnderTheClientsCommitPreparedLeavesItOpen() throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            try client.rows("BEGIN; \(commits.update(1, 5)); PREPARE TRANSACTION 'mine'")
            commits.relay.followOnce { $0.isAnswer("COMMIT PREPARED") ? .cut : .pass }
            let outcome = try client.run("COMMIT PREPARED 'mine'")
            #expect(outcome.state == "08007", "\(outcome)")
            #expect(try commits.balances() == [0, 5, 0])
        }

        /// As one PostgreSQL says it: a commit whose standby was not waited for.
        @Test(.timeLimit(.minutes(1))) func warningsOfTheClientsCommitPreparedArePassedOn() throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            try client.rows("BEGIN; \(commits.update(1, 5)); PREPARE TRANSACTION 'mine'")
            try commits.loseStandby(1)
            defer { try? commits.forgetStandby(1) }
            try client.send(FrontendFrame.query("COMMIT PREPARED 'mine'"))
            try commits.awaitStandbyWait(1, "COMMIT PREPARED")
            let canceller = try WireClient(connectingTo: commits.cluster.port)
            try canceller.send(FrontendFrame.cancel(processID: client.processID, secretKey: client.secretKey))
            let outcome = try client.outcome()
            #expect(outcome.error == nil && outcome.warnings.contains { $0.contains("synchronous replication") }, "\(outcome)")
        }

        @Test(.timeLimit(.minutes(1))) func clientsPrepareOnOneShardOnly() throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            #expect(try client.run("BEGIN; \(commits.update(1, 5)); PREPARE TRANSACTION 'mine'").error == nil)
            #expect(try commits.servers[1].psql("SELECT gid FROM pg_prepared_xacts") == [["mine"]])
            #expect(try client.run("ROLLBACK PREPARED 'mine'").tags == ["ROLLBACK PREPARED"])
            #expect(try client.run("COMMIT PREPARED 'mine'").state == "42704")
            #expect(try client.run("BEGIN; COMMIT PREPARED 'mine'").state == "25001")
            try client.rows("ROLLBACK")
            try client.rows("BEGIN; \(commits.update(1, 0)); PREPARE TRANSACTION 'it''s'")
            #expect(try client.run("COMMIT PREPARED 'it''s'").tags == ["COMMIT PREPARED"])
            #expect(try client.run("COMMIT PREPARED 'pgbraid:x'").state == "0A000")
            let outcome = try client.run("BEGIN; \(commits.update(0, 5)); \(commits.update(1, 5)); PREPARE TRANSACTION 'ours'")
            #expect(outcome.state == "0A000", "\(outcome)")
            try client.rows("ROLLBACK")
            try commits.expectUntouched()
        }
    }
}
