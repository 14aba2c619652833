// An ordinary PostgreSQL uses the cluster as a foreign server: postgres_fdw and dblink, with the work left to the shards.
import Foundation
import Testing

extension IntegrationTests {
    @Suite struct ForeignDataTests {
        /// A database of its own on one of the servers, which knows nothing of shards, with the proxy's tables in schema braid.
        private struct Outside {
            let cluster: TestCluster
            static let database = "outside"

            init() throws {
                cluster = try TestCluster(servers: try TestServers.shared.get().four)
                try cluster.psql("DROP TABLE IF EXISTS fpayment, faccount")
                try cluster.psql("CREATE TABLE faccount (user_id int PRIMARY KEY, region text NOT NULL, balance numeric NOT NULL)")
                try cluster.psql(
                    "CREATE TABLE fpayment (user_id int REFERENCES faccount, payment_id int, amount numeric, PRIMARY KEY (user_id, payment_id))")
                try cluster.psql("INSERT INTO faccount SELECT i, 'r' || i % 5, i FROM generate_series(1, 200) AS i")
                try cluster.psql("INSERT INTO fpayment SELECT i % 200 + 1, i, i FROM generate_series(1, 1000) AS i; ANALYZE faccount, fpayment")
                try cluster.servers[0].psql("DROP DATABASE IF EXISTS \(Self.database)")
                try cluster.servers[0].psql("CREATE DATABASE \(Self.database)")
                try run(
                    """
                    CREATE EXTENSION postgres_fdw; CREATE EXTENSION dblink;
                    CREATE SERVER braid FOREIGN DATA WRAPPER postgres_fdw
                      OPTIONS (host '127.0.0.1', port '\(cluster.port)', dbname 'postgres', use_remote_estimate 'true', fetch_size '50', batch_size '100');
                    CREATE USER MAPPING FOR postgres SERVER braid OPTIONS (user 'postgres', password_required 'false');
                    CREATE SCHEMA braid; IMPORT FOREIGN SCHEMA public LIMIT TO (faccount, fpayment) FROM SERVER braid INTO braid;
                    SET search_path TO braid
                    """)
            }

            @discardableResult
            func run(_ sql: String) throws -> [[String?]] {
                try cluster.servers[0].psql("SET client_min_messages TO error; \(sql)", database: Self.database, user: "postgres")
            }

            /// What of a query is sent to the cluster.
            func remote(_ query: String) throws -> [String] {
                try run("SET search_path TO braid; EXPLAIN (VERBOSE) \(query)").compactMap { $0[0]?.split(separator: "Remote SQL: ").dropFirst().first.map(String.init) }
            }
        }

        @Test(.timeLimit(.minutes(2))) func anOrdinaryPostgreSQLReadsAndWrites() throws {
            let outside = try Outside()
            for (query, sent) in Self.pushed {
                #expect(try outside.run("SET search_path TO braid; \(query)") == outside.cluster.psql(query), "\(query)")
                #expect(try outside.remote(query) == [sent], "\(query)")
            }
            for (statement, tag) in Self.writes {
                #expect(try outside.run("SET search_path TO braid; \(statement)") == tag, "\(statement)")
            }
            #expect(try outside.cluster.psql(Self.state) == [["502", "200", "155293"]])
            #expect(throws: (any Error).self) { try outside.run("UPDATE braid.faccount SET balance = balance + random() WHERE region = 'r2'") }
            #expect(throws: (any Error).self) { try outside.run("UPDATE braid.faccount SET balance = balance + random() WHERE user_id = 2") }
            #expect(try outside.cluster.psql(Self.state) == [["502", "200", "155293"]])
        }

        static let state = """
            SELECT count(*), count(*) FILTER (WHERE user_id <= 200), sum(balance) FROM faccount
            """

        static let pushed = [
            ("SELECT * FROM faccount WHERE user_id = 5", "SELECT user_id, region, balance FROM public.faccount WHERE ((user_id = 5))"),
            (
                "SELECT region, count(*), sum(balance) FROM faccount GROUP BY region ORDER BY region",
                "SELECT region, count(*), sum(balance) FROM public.faccount GROUP BY 1 ORDER BY region ASC NULLS LAST"
            ),
            (
                "SELECT a.region, sum(p.amount) FROM faccount a JOIN fpayment p USING (user_id) WHERE p.amount > 10 GROUP BY 1 ORDER BY 1",
                "SELECT r1.region, sum(r2.amount) FROM (public.faccount r1 INNER JOIN public.fpayment r2 ON (((r1.user_id = r2.user_id)) AND ((r2.amount > 10::numeric)))) GROUP BY 1 ORDER BY r1.region ASC NULLS LAST"
            ),
        ]

        /// What each writes is left to the cluster or sent in batches; of a transaction all or nothing stays.
        static let writes: [(String, [[String?]])] = [
            ("UPDATE faccount SET balance = balance + 1 WHERE user_id = 7", []),
            ("UPDATE faccount SET balance = balance + 1 WHERE region = 'r1' RETURNING 1", Array(repeating: ["1"], count: 40)),
            ("DELETE FROM fpayment WHERE user_id = 3", []),
            ("INSERT INTO faccount SELECT i, 'b', i FROM generate_series(301, 600) AS i", []),
            ("INSERT INTO faccount VALUES (701, 'x', 1), (702, 'x', 1) RETURNING user_id", [["701"], ["702"]]),
            ("BEGIN; UPDATE faccount SET balance = 0 WHERE user_id = 1; UPDATE faccount SET balance = 0 WHERE user_id = 2; ROLLBACK", []),
            ("BEGIN; UPDATE faccount SET balance = balance - 5 WHERE user_id = 1; UPDATE faccount SET balance = balance + 5 WHERE user_id = 2; COMMIT", []),
            ("SELECT count(*) FROM fpayment, generate_series(1, 3)", [["2985"]]),
            ("ANALYZE faccount; SELECT reltuples FROM pg_class WHERE relname = 'faccount'", [["502"]]),
        ]

        /// The slowest shard's cost, all shards' rows; of groups the most that a shard has.
        @Test(.timeLimit(.minutes(1))) func estimatesAreThoseOfAllShards() throws {
            let cluster = try Outside().cluster
            func plan(_ query: String) throws -> [String: Any] {
                let text = try cluster.psql("EXPLAIN (FORMAT JSON) \(query)")[0][0] ?? ""
                let whole = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]]
                return try #require(whole?.first?["Plan"] as? [String: Any])
            }
            func numbers(_ plan: [String: Any]) -> [Double] {
                ["Startup Cost", "Total Cost", "Plan Rows", "Plan Width"].map { plan[$0] as? Double ?? -1 }
            }
            let all = numbers(try plan("SELECT * FROM faccount"))
            let parts = try cluster.onShards("EXPLAIN (FORMAT JSON) SELECT * FROM faccount").map { rows in
                let whole = try JSONSerialization.jsonObject(with: Data((rows[0][0] ?? "").utf8)) as? [[String: Any]]
                return numbers(try #require(whole?.first?["Plan"] as? [String: Any]))
            }
            #expect(all == [0, parts.map { $0[1] }.max(), parts.map { $0[2] }.reduce(0, +), parts.map { $0[3] }.max()] && all[2] == 200)
            #expect(try numbers(plan("SELECT region, avg(balance) FROM faccount GROUP BY region"))[2] == 5)
            let line = try cluster.psql("EXPLAIN SELECT * FROM faccount")[0][0] ?? ""
            #expect(line.hasPrefix("Distributed Append  (cost=0.00..") && line.hasSuffix(" rows=200 width=\(Int(all[3])))"), "\(line)")
            #expect(try cluster.psql("EXPLAIN (COSTS OFF) SELECT * FROM faccount")[0][0] == "Distributed Append")
        }

        @Test(.timeLimit(.minutes(1))) func dblinkAsksTheCluster() throws {
            let outside = try Outside()
            let place = "host=127.0.0.1 port=\(outside.cluster.port) user=postgres dbname=postgres"
            let rows = try outside.run(
                "SELECT * FROM dblink('\(place)', 'SELECT region, count(*) FROM faccount GROUP BY region ORDER BY 1') AS t (region text, n bigint)")
            #expect(rows == (0..<5).map { ["r\($0)", "40"] })
            #expect(try outside.run("SELECT dblink_exec('\(place)', 'UPDATE faccount SET balance = 1')") == [["UPDATE 200"]])
        }
    }
}
