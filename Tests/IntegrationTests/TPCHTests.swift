// TPC-H's 22 queries over few rows: joins by key and not, partial aggregates, subqueries of every kind. `make tpch` asks them over
// more rows (Tests/Campaigns/tpch.py); the rows and the queries are the campaign's.
import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct TPCHTests {
        private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Campaigns").path
        private static let scale = 0.001
        private static let keys = [
            "customer": "c_custkey", "part": "p_partkey", "partsupp": "ps_partkey", "orders": "o_orderkey", "lineitem": "l_orderkey",
        ]

        /// A proxy whose shards are databases of their own.
        private func cluster(_ servers: [TemporaryPostgreSQL]) throws -> TestCluster {
            for server in servers { try server.psql("CREATE DATABASE tpch") }
            let rules = Self.keys.sorted { $0.key < $1.key }.flatMap { ["[[table]]", "name = \"\($0.key)\"", "key = \"\($0.value)\""] }
            return try TestCluster(
                servers: servers, settings: ["": rules],
                shardEntries: servers.map { ["host = \"\($0.socketDirectory)\"", "port = \($0.port)", "dbname = \"tpch\""] })
        }

        /// Text by title.
        private func queries() throws -> [(title: String, text: String)] {
            let file = try String(contentsOfFile: "\(Self.folder)/tpch_queries.sql", encoding: .utf8)
            return file.components(separatedBy: "\n-- ").dropFirst().map { part in
                let lines = part.components(separatedBy: "\n")
                return (lines[0], lines.dropFirst().joined(separator: "\n").replacing(":fraction", with: "\(0.0001 / Self.scale)"))
            }
        }

        @Test(.timeLimit(.minutes(2))) func answersAreThoseOfOnePostgreSQL() throws {
            let servers = try TestServers.shared.get()
            try servers.judge.psql("CREATE DATABASE tpch")
            let cluster = try cluster(servers.four)
            let rows = try TestProcess.run("/usr/bin/python3", ["-B", "\(Self.folder)/tpch_rows.py", "--scale", "\(Self.scale)"])
            for (port, database) in [(servers.judge.port, "tpch"), (cluster.port, "postgres")] {
                _ = try Psql.rows(of: rows, host: "127.0.0.1", port: port, user: "postgres", database: database)
            }
            let judge = try WireClient(port: servers.judge.port, database: "tpch")
            let proxy = try WireClient(port: cluster.port)
            let queries = try queries()
            #expect(queries.count == 22)
            for query in queries {
                let right = try judge.run(query.text)
                let said = try proxy.run(query.text)
                #expect(said.error == nil && said.rows == right.rows, "\(query.title): \(said), not \(right)")
            }
        }
    }
}
