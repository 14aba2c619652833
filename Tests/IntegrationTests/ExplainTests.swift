// What EXPLAIN says on clusters of one, two and four shards, compared with Explain/N-shards.txt. To accept what it says now, run with
// PGBRAID_WRITE_GOLDEN=1 and read the difference.
import Foundation
import TestSupport
import Testing

/// Clusters in a database of their own, so that the tables and their statistics are always the same.
private struct ExplainClusters: @unchecked Sendable {
    static let shared = Result { try ExplainClusters() }

    let all: [TestCluster]

    private init() throws {
        let servers = try TestServers.shared.get()
        all = try [1, 2, 4].map { count in
            let used = Array(servers.four.prefix(count))
            for server in used { try server.psql("CREATE DATABASE explain_\(count)") }
            let cluster = try TestCluster(
                servers: used,
                shardEntries: used.map { ["host = \"\($0.socketDirectory)\"", "port = \($0.port)", "dbname = \"explain_\(count)\""] })
            let client = try WireClient(port: cluster.port)
            for statement in tables { try client.rows(statement) }
            return cluster
        }
    }
}

private let tables = [
    "CREATE TABLE goods (user_id int NOT NULL, id int NOT NULL, name text COLLATE \"C\", price numeric(10,2), PRIMARY KEY (user_id, id)) WITH (autovacuum_enabled = off)",
    "CREATE TABLE orders (user_id int NOT NULL, id int NOT NULL, goods int, PRIMARY KEY (user_id, id)) WITH (autovacuum_enabled = off)",
    "CREATE TABLE tariffs (id int PRIMARY KEY, name text) WITH (autovacuum_enabled = off)",
    "CREATE TABLE people (user_id serial PRIMARY KEY, name text) WITH (autovacuum_enabled = off)",
    "INSERT INTO goods SELECT u, 1, 'good ' || u, u * 1.5 FROM generate_series(1, 20) u",
    "INSERT INTO orders SELECT u, 1, 21 - u FROM generate_series(1, 20) u",
    "INSERT INTO tariffs VALUES (1, 'low'), (2, 'high')",
]

extension IntegrationTests {
    @Suite struct ExplainTests {
        private static let statements = [
            "EXPLAIN (COSTS OFF) SELECT * FROM goods WHERE user_id = 1",
            "EXPLAIN (COSTS OFF) SELECT name FROM tariffs",
            "EXPLAIN (COSTS OFF) SELECT * FROM goods",
            "EXPLAIN (COSTS OFF, VERBOSE) SELECT name FROM goods WHERE user_id IN (1, 2) AND name <> 'it''s'",
            "EXPLAIN (COSTS OFF)\nSELECT name,\n  price\nFROM goods ORDER BY price DESC NULLS LAST, user_id LIMIT 3 OFFSET 1",
            "EXPLAIN (COSTS OFF) SELECT DISTINCT name FROM goods",
            "EXPLAIN (COSTS OFF) SELECT name, count(*), min(user_id) FROM goods GROUP BY name",
            "EXPLAIN (COSTS OFF) SELECT round(avg(price), 2) FROM goods HAVING count(*) > 1",
            "EXPLAIN (COSTS OFF) SELECT g.name FROM goods g JOIN orders o ON o.goods = g.user_id WHERE o.id = 1",
            "EXPLAIN (COSTS OFF) SELECT g.name FROM goods g JOIN orders o USING (user_id) WHERE o.id = 1",
            "EXPLAIN (COSTS OFF) DECLARE c CURSOR FOR SELECT count(*) FROM goods",
            "EXPLAIN (COSTS OFF) UPDATE goods SET name = 'x' WHERE price > 3",
            "EXPLAIN (COSTS OFF) DELETE FROM tariffs WHERE id = 3",
            "EXPLAIN (COSTS OFF) INSERT INTO goods VALUES (100, 1, 'a', 1), (101, 1, 'b', 1), (102, 1, 'c', 2), (103, 1, 'd', 3)",
            "EXPLAIN (COSTS OFF) INSERT INTO goods (user_id, id) SELECT user_id, 2 FROM orders",
            "EXPLAIN (COSTS OFF) INSERT INTO orders SELECT goods, 2, user_id FROM orders",
            "EXPLAIN (COSTS OFF) INSERT INTO people (name) VALUES ('a'), ('b')",
            "EXPLAIN (COSTS OFF) UPDATE goods g SET name = 'x' FROM orders o WHERE o.goods = g.user_id AND o.id = 1",
            "EXPLAIN (COSTS OFF) UPDATE orders SET user_id = user_id + 100 WHERE id = 2",
            "EXPLAIN (COSTS OFF) UPDATE tariffs SET name = random()::text",
            "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) UPDATE goods g SET name = 'x' FROM orders o WHERE o.goods = g.user_id",
            "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT user_id FROM goods ORDER BY price",
            "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT round(avg(price), 2) FROM goods",
            "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) UPDATE goods SET id = id + 1",
            "SELECT DISTINCT id FROM goods",
            "EXPLAIN (COSTS OFF, FORMAT JSON) SELECT user_id FROM goods WHERE name = 'say \"hi\"' ORDER BY user_id",
            "EXPLAIN (FORMAT XML, COSTS OFF) SELECT 1 FROM goods LIMIT 1",
            "EXPLAIN (NONSENSE) SELECT * FROM goods",
            "EXPLAIN SELECT missing FROM goods",
        ]
        private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Explain")

        @Test(.timeLimit(.minutes(1)), arguments: [0, 1, 2]) func tellsThePlan(cluster: Int) throws {
            let cluster = try ExplainClusters.shared.get().all[cluster]
            let client = try WireClient(port: cluster.port)
            var lines: [String] = []
            for statement in Self.statements {
                lines.append("=> " + statement.replacing("\n", with: "\n   "))
                let said = try client.run(statement)
                lines += said.rows.map { $0[0] ?? "NULL" }
                if let error = said.error { lines.append("\(error.sqlState.rawValue) \(error.message)\(error.hint.map { " (\($0))" } ?? "")") }
                lines.append("")
            }
            try client.rows("UPDATE goods SET id = 1")
            let text = lines.joined(separator: "\n")
            let file = Self.folder.appendingPathComponent("\(cluster.servers.count)-shards.txt")
            if ProcessInfo.processInfo.environment["PGBRAID_WRITE_GOLDEN"] != nil {
                return try text.write(to: file, atomically: true, encoding: .utf8)
            }
            let right = try String(contentsOf: file, encoding: .utf8)
            #expect(text == right, "\(Difference.text(lines, right.components(separatedBy: "\n"), "\(cluster.servers.count) shard(s)"))")
        }

        @Test(.timeLimit(.minutes(1))) func describesItselfInTheExtendedProtocol() throws {
            let client = try WireClient(port: try ExplainClusters.shared.get().all[2].port)
            try client.send(
                FrontendFrame.parse("", [], "EXPLAIN (COSTS OFF) SELECT name, avg(price) FROM goods WHERE user_id < $1 GROUP BY name")
                    + FrontendFrame.bind("", "", [BoundValue(bytes: Array("5".utf8))], resultFormats: [1]) + FrontendFrame.describe("P", "")
                    + FrontendFrame.execute("", maximumRows: 2) + FrontendFrame.execute("", maximumRows: 0) + FrontendFrame.sync)
            var letters = ""
            while let frame = try client.next() {
                letters.append(frame.letter)
                if frame.letter == "T" { #expect(Transcript.line(of: frame) == "T QUERY PLAN 0.0 25 -1 -1 1") }
                if frame.letter == "Z" { break }
            }
            #expect(letters.hasPrefix("12TDDsDDD") && letters.hasSuffix("DCZ"), "\(letters)")
        }

        @Test(.timeLimit(.minutes(1))) func analyzeWritesOnAllShardsOrNone() throws {
            let client = try WireClient(port: try ExplainClusters.shared.get().all[2].port)
            try client.rows("BEGIN")
            #expect(try client.run("EXPLAIN ANALYZE DELETE FROM goods").error == nil)
            #expect(try client.rows("SELECT count(*) FROM goods") == [["0"]])
            try client.rows("ROLLBACK")
            #expect(try client.rows("SELECT count(*) FROM goods") == [["20"]])
            #expect(try client.run("EXPLAIN ANALYZE INSERT INTO goods VALUES (1, 1), (31, 1), (32, 1), (33, 1), (34, 1)").state == "23505")
            #expect(try client.rows("SELECT count(*) FROM goods") == [["20"]])
            let said = try client.run("EXPLAIN (ANALYZE, COSTS OFF) INSERT INTO goods VALUES (31, 1), (32, 1), (33, 1), (34, 1)")
            #expect(said.rows.last?[0]?.hasPrefix("Execution Time: ") == true && said.tags == ["EXPLAIN"])
            #expect(try client.rows("DELETE FROM goods WHERE user_id > 30 RETURNING id").count == 4)
        }
    }
}
