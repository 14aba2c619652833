// How blocks end where one PostgreSQL is no measure: parts of them on several shards, lost parts, slow triggers that COMMIT runs.
import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct BlockEndTests {
        private func isInBlock(_ client: WireClient) throws -> Bool {
            try !client.run("ROLLBACK").warnings.contains("there is no transaction in progress")
        }

        // MARK: PREPARE TRANSACTION

        /// Locked rows must stay locked as well.
        @Test(.timeLimit(.minutes(1)), arguments: [true, false]) func aBlockOfTwoShardsIsNotPrepared(writes: Bool) throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            let other = writes ? commits.update(1, 1) : "SELECT 1 FROM account WHERE user_id = \(commits.keys[1]) FOR UPDATE"
            #expect(try client.run("BEGIN; SET work_mem = '1MB'; \(commits.update(0, -1)); \(other)").error == nil)
            let outcome = try client.run("PREPARE TRANSACTION 'two'")
            #expect(outcome.state == "0A000" && outcome.error?.hint != nil, "\(outcome)")
            #expect(try !isInBlock(client))
            #expect(try client.run("SHOW work_mem").rows != [["1MB"]])
            try commits.expectUntouched()
        }

        /// What is left of a block that has lost a part is not prepared, whether the client has heard of the loss or not.
        @Test(.timeLimit(.minutes(1)), arguments: [true, false], [[0], [0, 1]]) func aBlockThatLostAPartIsNotPrepared(isTold: Bool, written: [Int]) throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            #expect(try client.run("BEGIN; \(written.map { commits.update($0, 1) }.joined(separator: "; "))").error == nil)
            try commits.servers[0].psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'")
            if isTold { #expect(try client.run("SELECT count(*) FROM account").error != nil) }
            let outcome = try client.run("PREPARE TRANSACTION 'rest'")
            #expect(isTold ? outcome.error == nil && outcome.tags == ["ROLLBACK"] : outcome.error != nil, "\(outcome)")
            #expect(try !isInBlock(client))
            try commits.expectUntouched()
        }

        // MARK: What COMMIT runs

        /// A trigger that takes its time at COMMIT.
        private func delayCommits(_ commits: CommitCluster, seconds: Double) throws {
            try commits.cluster.psql("""
                CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(\(seconds)); RETURN NULL; END$$;
                CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON account DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dawdle()
                """)
        }

        @Test(.timeLimit(.minutes(1)), arguments: ["off", "strict"], [[0], [0, 1]])
        func statementTimeoutDoesNotLimitCommit(reads: String, written: [Int]) throws {
            let commits = try CommitCluster(settings: CommitCluster.settings.merging(["transactions": ["consistent_reads = \"\(reads)\""]]) { $1 })
            try delayCommits(commits, seconds: 0.3)
            let client = try commits.client()
            #expect(try client.run("SET statement_timeout = '100ms'").error == nil)
            #expect(try client.run("BEGIN; \(written.map { commits.update($0, 1) }.joined(separator: "; "))").error == nil)
            let outcome = try client.run("COMMIT")
            #expect(outcome.error == nil && outcome.tags == ["COMMIT"], "\(outcome)")
            #expect(try commits.balances() == (0..<3).map { written.contains($0) ? 1 : 0 })
            // It holds again for what comes then.
            #expect(try client.run("SELECT pg_sleep(1) FROM account WHERE user_id = \(commits.keys[0])").state == "57014")
        }

        @Test(.timeLimit(.minutes(1)), arguments: ["off", "strict"], [[0], [0, 1]])
        func commitIsCancelledWhileItsTriggersRun(reads: String, written: [Int]) throws {
            let commits = try CommitCluster(settings: CommitCluster.settings.merging(["transactions": ["consistent_reads = \"\(reads)\""]]) { $1 })
            try delayCommits(commits, seconds: 10)
            let client = try commits.client()
            #expect(try client.run("BEGIN; \(written.map { commits.update($0, 1) }.joined(separator: "; "))").error == nil)
            try client.send(FrontendFrame.query("COMMIT"))
            try eventually("a trigger runs") {
                try written.contains { try commits.servers[$0].psql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == [["1"]] }
            }
            try client.requestCancel(port: commits.cluster.port)
            let outcome = try client.outcome(deadlineSeconds: 5)
            #expect(outcome.state == "57014", "\(outcome)")
            #expect(try !isInBlock(client))
            try commits.expectUntouched()
        }
    }
}
