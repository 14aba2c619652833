// pg_dump of a cluster through its proxy, restored into one PostgreSQL and into a cluster of another size. The tables and rows
// are those of the campaign (`make dump`, Tests/Campaigns/dump.py), which dumps in all formats and while transactions run.
import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct DumpTests {
        private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Campaigns").path
        fileprivate static let tables = ["currency", "category", "account", "purchase", "everything", "stock.\"Item list\"", "stock.empty"]

        /// A server or a proxy, and the database there.
        private struct Place {
            let port: Int
            let database: String

            func run(_ program: String, _ arguments: [String], input: String = "") throws -> String {
                let place = ["-h", "127.0.0.1", "-p", "\(port)", "-U", "postgres", "-d", database]
                return try TestProcess.run(PostgreSQLProgram.path(program), place + arguments, input: input)
            }

            func psql(_ sql: String) throws -> [String] {
                try run("psql", ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"], input: sql).split(separator: "\n").map { String($0) }
            }

            /// The rows of all tables, each with its table.
            func rows() throws -> [String] {
                try psql(DumpTests.tables.map { "COPY (SELECT $$\($0)$$, * FROM \($0)) TO STDOUT;" }.joined()).sorted()
            }

            /// The definitions of everything, less the key that pg_dump draws for each dump.
            func definitions() throws -> [Substring] {
                try run("pg_dump", ["--schema-only"]).split(separator: "\n").filter { !$0.hasPrefix("\\") }
            }

            func sequences() throws -> [String] { try psql("SELECT * FROM pg_sequences WHERE schemaname <> 'pgbraid' ORDER BY 1, 2") }
        }

        private func cluster(_ servers: ArraySlice<TemporaryPostgreSQL>, _ database: String) throws -> TestCluster {
            for server in servers { try server.psql("CREATE DATABASE \(database)") }
            return try TestCluster(
                servers: Array(servers),
                shardEntries: servers.map { ["host = \"\($0.socketDirectory)\"", "port = \($0.port)", "dbname = \"\(database)\""] })
        }

        private func expectSame(_ restored: Place, as dumped: Place, _ what: String) throws {
            #expect(try restored.rows() == dumped.rows(), "\(what)")
            #expect(try restored.definitions() == dumped.definitions(), "\(what)")
            #expect(try restored.sequences() == dumped.sequences(), "\(what)")
        }

        /// Numbers are drawn on all shards, and none is one that was there already.
        private func expectNewNumbers(_ place: Place, _ what: String) throws {
            let users = 1...20
            let inserts = users.map { "INSERT INTO purchase (user_id, amount) VALUES (\($0), 1)" } + [
                "INSERT INTO everything (user_id) VALUES " + users.map { "(\($0))" }.joined(separator: ", "),
                "INSERT INTO account (name) VALUES ('a'), ('b'), ('c')", "INSERT INTO category (label) VALUES ('new')",
            ]
            let counts = [("purchase", "id"), ("everything", "id"), ("account", "user_id"), ("category", "id")].map {
                "SELECT count(*) - count(DISTINCT \($1)) FROM \($0)"
            }
            #expect(try place.psql((inserts + counts).joined(separator: ";\n")) == ["0", "0", "0", "0"], "\(what)")
        }

        @Test(.timeLimit(.minutes(3))) func aDumpRestoresAnywhere() throws {
            let servers = try TestServers.shared.get()
            for server in servers.four + [servers.judge] { try server.psql("DROP ROLE IF EXISTS reader; CREATE ROLE reader") }
            try servers.judge.psql("CREATE DATABASE restored")
            let (from, to) = (try cluster(servers.four[...], "dumped"), try cluster(servers.four.prefix(3), "restored"))
            let dumped = Place(port: from.port, database: "postgres")
            let places = ["one server": Place(port: servers.judge.port, database: "restored"), "three shards": Place(port: to.port, database: "postgres")]
            let rows = try TestProcess.run("/usr/bin/python3", ["-B", "\(Self.folder)/dump_rows.py", "--accounts", "40"])
            _ = try dumped.psql(try String(contentsOfFile: "\(Self.folder)/dump_schema.sql", encoding: .utf8) + rows)
            let path = try TestDirectory.make() + "/dump"
            defer { try? FileManager.default.removeItem(atPath: (path as NSString).deletingLastPathComponent) }
            _ = try dumped.run("pg_dump", ["-Fc", "-f", path])
            for (what, place) in places.sorted(by: { $0.key < $1.key }) {
                _ = try place.run("pg_restore", ["--exit-on-error", path])
                try expectSame(place, as: dumped, what)
                try expectNewNumbers(place, what)
                _ = try place.run("pg_restore", ["--exit-on-error", "--clean", path])
                try expectSame(place, as: dumped, "\(what), again")
            }
            #expect(try !dumped.definitions().contains { $0.contains("SCHEMA pgbraid") })
        }
    }
}
