// The edges of two-phase commit that PostgreSQL has, each on real servers: see docs/ARCHITECTURE.md, distributed commit.
import Foundation
import Testing
import TestSupport

extension IntegrationTests {
    @Suite struct SharpEdgeTests {
        // MARK: Success is the tag

        /// PREPARE TRANSACTION that ends a failed transaction answers ROLLBACK, without an error.
        @Test(.timeLimit(.minutes(1)), arguments: ["PREPARE TRANSACTION", "pgbraid.decide"])
        func anAnswerWithoutErrorIsNotYetSuccess(step: String) throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            commits.relay.followOnce { $0.isQuery(step) ? .replace(FrontendFrame.query("ROLLBACK")) : .pass }
            let outcome = try client.run("BEGIN; \(commits.transfer); COMMIT")
            #expect(outcome.error != nil || outcome.tags.last == "ROLLBACK", "\(outcome)")
            #expect(!outcome.tags.contains("COMMIT"))
            try commits.expectUntouched()
        }

        @Test(.timeLimit(.minutes(1))) func oneFailingShardOfAStatementUndoesAll() throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            let rows = (61...80).map { "(\($0), 5)" } + ["(\(commits.keys[1]), 5)"]
            let outcome = try client.run("INSERT INTO account VALUES " + rows.joined(separator: ", "))
            #expect(outcome.state == "23505")
            try commits.expectUntouched()
        }

        // MARK: Constraints

        /// The decider's deferred triggers run before anything is decided.
        @Test(.timeLimit(.minutes(1)), arguments: [0, 1, 2]) func aDeferredTriggerFailsTheWhole(shard: Int) throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            let trigger = """
                CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''not today''; END';
                CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON account DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()
                """
            try commits.servers[shard].psql(trigger)
            let outcome = try client.run("BEGIN; \(commits.transfer); COMMIT")
            #expect(outcome.state == "P0001" && outcome.error?.message == "not today", "\(outcome)")
            #expect(!commits.relay.takeQueries().contains { $0.text.contains("pgbraid.decide") })
            try commits.expectUntouched()
        }

        // MARK: Settings

        /// An abort leaves settings as they were before the block, also where its part was prepared already.
        @Test(.timeLimit(.minutes(1))) func settingsOfAnAbortedBlockAreForgotten() throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            try client.rows("SET work_mem = '5MB'")
            commits.relay.followOnce { $0.isQuery("pgbraid.decide") ? .replace(FrontendFrame.query("ROLLBACK")) : .pass }
            let outcome = try client.run("BEGIN; SET work_mem = '7MB'; \(commits.transfer); COMMIT")
            #expect(!outcome.tags.contains("COMMIT"), "\(outcome)")
            if outcome.error != nil { try client.rows("ROLLBACK") }
            for _ in 0..<3 {
                for shard in 0..<3 {
                    let setting = "SELECT current_setting('work_mem') FROM account WHERE user_id = \(commits.keys[shard])"
                    #expect(try client.rows(setting) == [["5MB"]])
                    #expect(try commits.client().rows(setting) == [["4MB"]])
                }
            }
            try commits.expectUntouched()
        }
    }
}
