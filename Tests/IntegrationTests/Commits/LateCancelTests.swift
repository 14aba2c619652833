// A cancel that is late: the statement it is for has ended by itself, and the block has gone on.
import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct LateCancelTests {
        /// How long a cancel waits in the relay for the statement behind the one it is for, which must not come.
        static let patienceSeconds = 0.5

        /// Holds cancels back until a shard is asked for `text`, or the patience is over. Returns how many there were.
        private func holdCancels(_ commits: CommitCluster, until text: String) -> Counter {
            let seen = Once(), cancels = Counter()
            commits.relay.follow { frame in
                if frame.direction == .toShard, frame.text.contains(text) { _ = seen.claim() }
                return .pass
            }
            commits.relay.delayCancels { _ in
                cancels.increment()
                let end = Date().addingTimeInterval(Self.patienceSeconds)
                while !seen.isDone, Date() < end { usleep(1_000) }
            }
            return cancels
        }

        /// One shard fails, the others are cancelled and have ended before that arrives. What follows is not hit.
        @Test(.timeLimit(.minutes(1)), arguments: ["SAVEPOINT s", ""])
        func theProxysOwnCancelDoesNotHitWhatFollows(savepoint: String) throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            let cancels = holdCancels(commits, until: "pg_sleep(0.2)")
            let failing = """
                SELECT count(*) FROM account WHERE CASE WHEN user_id = \(commits.keys[0]) THEN 1 / balance ELSE length(pg_sleep(0.003)::text) END = 0
                """
            #expect(try client.run("BEGIN; \(savepoint)").error == nil)
            #expect(try client.run(failing).state == "22012")
            #expect(cancels.value > 0)
            #expect(try client.run(savepoint.isEmpty ? "ROLLBACK" : "ROLLBACK TO s").error == nil)
            for key in commits.keys {
                let outcome = try client.run("SELECT pg_sleep(0.2) FROM account WHERE user_id = \(key)")
                #expect(outcome.error == nil && outcome.tags == ["SELECT 1"], "\(outcome)")
            }
        }

        /// A client that asks for a cancel, and whose statement ends by itself, is answered its next one.
        @Test(.timeLimit(.minutes(1))) func aClientsCancelDoesNotHitTheNextStatementOfABlock() throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            let cancels = holdCancels(commits, until: "pg_sleep(0.2)")
            #expect(try client.run("BEGIN").error == nil)
            let slow = "SELECT pg_sleep(0.1) FROM account WHERE user_id = \(commits.keys[1])"
            try client.send(FrontendFrame.query(slow))
            try eventually("the statement runs") { commits.relay.takeQueries().contains { $0.text == slow } }
            try client.requestCancel(port: commits.cluster.port)
            #expect(try client.outcome().error == nil)
            let outcome = try client.run("SELECT pg_sleep(0.2) FROM account WHERE user_id = \(commits.keys[1])")
            #expect(outcome.error == nil && outcome.tags == ["SELECT 1"], "\(outcome)")
            #expect(cancels.value == 1)
        }

        /// A statement over several shards that waits for a link of a full pool is cancelled there, and what it has is given back.
        @Test(.timeLimit(.minutes(1)), arguments: ["SELECT count(*) FROM account", "UPDATE account SET balance = balance"])
        func whoWaitsForALinkIsCancelled(statement: String) throws {
            let commits = try CommitCluster(settings: CommitCluster.settings.merging(["proxy": ["pool_size = 1"]]) { $1 })
            // Not the admin user, whose pool has links for the proxy's own work too.
            try commits.cluster.psql("DROP ROLE IF EXISTS waiter; CREATE ROLE waiter LOGIN")
            let (holder, client) = (try commits.client(user: "waiter"), try commits.client(user: "waiter"))
            let console = try WireClient(port: commits.cluster.port, database: "pgbraid")
            // The last shard's only link: the statement has the others when it begins to wait.
            #expect(try holder.run("BEGIN; SELECT 1 FROM account WHERE user_id = \(commits.keys[2])").error == nil)
            try client.send(FrontendFrame.query(statement))
            try eventually("it waits") { try console.rows("SHOW POOLS").contains { $0[5] == "1" } }
            try client.requestCancel(port: commits.cluster.port)
            #expect(try client.outcome().state == "57014")
            let other = try commits.client(user: "waiter")
            #expect(try other.run("SELECT 1 FROM account WHERE user_id = \(commits.keys[0])").tags == ["SELECT 1"])
            #expect(try holder.run("COMMIT").error == nil)
            #expect(try client.run(statement).error == nil)
        }
    }
}
