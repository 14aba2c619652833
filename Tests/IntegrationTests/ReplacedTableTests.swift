// DDL that puts another table in the place of one while statements of others wait for its lock: none goes on by the plan made before.
import Foundation
import Testing
import WireProtocol

extension IntegrationTests {
    @Suite struct ReplacedTableTests {

        /// DDL of one block, and what makes the tables before it.
        struct Case: CustomTestStringConvertible, Sendable {
            let testDescription: String
            let before: [String]
            let change: [String]
            var isReferenceAfterwards = false
        }

        private static let berths = ["CREATE TABLE berth (user_id int PRIMARY KEY, ship int, note text)", "INSERT INTO berth SELECT i, i + 7, 'old' FROM generate_series(1, 40) i"]
        private static let swap = ["ALTER TABLE berth RENAME TO old_berth", "ALTER TABLE new_berth RENAME TO berth"]

        private static let replacing: [Case] = [
            Case(
                testDescription: "a key of another type", before: berths,
                change: [
                    "DROP TABLE berth", "CREATE TABLE berth (ship int, user_id text PRIMARY KEY, note text)",
                    "INSERT INTO berth SELECT i + 7, i::text, 'new' FROM generate_series(1, 40) i",
                ]),
            Case(
                testDescription: "a key at another place", before: berths,
                change: [
                    "DROP TABLE berth", "CREATE TABLE berth (ship int, user_id int PRIMARY KEY, note text)",
                    "INSERT INTO berth SELECT i + 7, i, 'new' FROM generate_series(1, 40) i",
                ]),
            Case(
                testDescription: "a reference table for a sharded one",
                before: berths + ["CREATE TABLE new_berth (LIKE berth)", "SELECT create_reference_table('new_berth')", "INSERT INTO new_berth SELECT * FROM berth"],
                change: swap, isReferenceAfterwards: true),
            Case(
                testDescription: "a sharded table for a reference table",
                before: berths + ["CREATE TABLE new_berth (LIKE berth)", "INSERT INTO new_berth SELECT * FROM berth", "SELECT create_reference_table('berth')"], change: swap),
            Case(
                testDescription: "a table with another key",
                before: berths + [
                    "CREATE TABLE new_berth (user_id int, ship int, note text)", "SELECT create_distributed_table('new_berth', 'ship')",
                    "INSERT INTO new_berth SELECT user_id, ship, note FROM berth",
                ], change: swap),
            Case(
                testDescription: "a view", before: berths,
                change: ["ALTER TABLE berth RENAME TO old_berth", "CREATE VIEW berth AS SELECT user_id + 1 AS user_id, ship, note FROM old_berth"]),
            Case(
                testDescription: "columns with each other's names", before: berths,
                change: ["ALTER TABLE berth RENAME ship TO x", "ALTER TABLE berth RENAME note TO ship", "ALTER TABLE berth RENAME x TO note"]),
        ]

        private static let harmless: [Case] = [
            Case(testDescription: "a new column", before: berths, change: ["ALTER TABLE berth ADD COLUMN length float DEFAULT random()"]),
            Case(testDescription: "an index", before: berths, change: ["CREATE INDEX ON berth (ship)"]),
            Case(testDescription: "another name for a column", before: berths, change: ["ALTER TABLE berth RENAME note TO remark"]),
            Case(
                testDescription: "a table like the one before", before: berths,
                change: ["DROP TABLE berth", "CREATE TABLE berth (user_id int PRIMARY KEY, ship int, note text)", "INSERT INTO berth SELECT i, i + 7, 'new' FROM generate_series(1, 40) i"]),
        ]

        private static let statements = [
            "SELECT count(*) FROM berth WHERE user_id = '5'", "SELECT count(*) FROM berth", "SELECT * FROM berth ORDER BY ship, note",
            "INSERT INTO berth (user_id, ship) VALUES ('100', 1)", "INSERT INTO berth (user_id, ship) VALUES ('101', 2), ('102', 3), ('103', 4)",
            "INSERT INTO berth VALUES (104, 105)", "UPDATE berth SET note = 'w' WHERE user_id = '6'", "DELETE FROM berth WHERE user_id = '8'",
        ]

        private func clusters(_ before: [String]) throws -> (TestCluster, TestCluster) {
            let servers = Array(try TestServers.shared.get().four.prefix(3))
            for server in servers { try server.psql("DROP SCHEMA IF EXISTS replaced CASCADE") }
            let cluster = try TestCluster(servers: servers, settings: ["proxy": ["workers = 2"]])
            try cluster.psql("CREATE SCHEMA replaced")
            let client = try client(cluster)
            for text in before { try client.rows(text) }
            return (cluster, try TestCluster(servers: servers))
        }

        private func client(_ cluster: TestCluster) throws -> WireClient {
            let client = try WireClient(port: cluster.port, database: "postgres")
            try client.rows("SET search_path TO replaced")
            return client
        }

        private func waiting(_ cluster: TestCluster) throws -> Int {
            let count = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
            return try cluster.onShards(count).reduce(0) { $0 + (Int($1[0][0] ?? "") ?? 0) }
        }

        /// A client of one of the proxies whose statement waits for a lock.
        private func waiter(_ text: String, _ proxy: TestCluster) throws -> WireClient {
            let client = try client(proxy)
            try sendWaiting(client, text, proxy)
            return client
        }

        private func sendWaiting(_ client: WireClient, _ text: String, _ proxy: TestCluster) throws {
            let before = try waiting(proxy)
            try client.send(FrontendFrame.query(text))
            try eventually("\(text) waits") { try waiting(proxy) > before }
        }

        // MARK: Blocks

        @Test(.timeLimit(.minutes(2)), arguments: replacing) func whatWaitsForAReplacedTableIsEnded(_ example: Case) throws {
            let (cluster, other) = try clusters(example.before)
            let client = try client(cluster)
            // The other proxy knows the tables, and that is what it plans by.
            try eventually("the other proxy knows the table") { try self.client(other).run("SELECT count(*) FROM berth").rows == [["40"]] }
            try client.rows("BEGIN")
            for text in example.change { try client.rows(text) }
            let waiters = try Self.statements.enumerated().map { try waiter($1, $0 % 2 == 0 ? cluster : other) }
            try client.rows("COMMIT")
            for (text, waiter) in zip(Self.statements, waiters) { #expect(try waiter.outcome().state == "57014", "\(text)") }
            for (text, waiter) in zip(Self.statements, waiters) { _ = try waiter.run(text) }
            try check(cluster, other, isReference: example.isReferenceAfterwards)
        }

        /// Each row is where its key is looked for, or everywhere.
        private func check(_ cluster: TestCluster, _ other: TestCluster, isReference: Bool) throws {
            let contents = try cluster.onShards("SELECT user_id, count(*) FROM replaced.berth GROUP BY 1 ORDER BY 1")
            if isReference { #expect(contents.allSatisfy { $0 == contents[0] }) }
            for proxy in [cluster, other] {
                let client = try client(proxy)
                for row in isReference ? contents[0] : contents.flatMap({ $0 }) {
                    #expect(try client.rows("SELECT count(*) FROM berth WHERE user_id = '\(row[0] ?? "")'") == [[row[1]]])
                }
                #expect(try client.rows("SELECT count(*) FROM berth WHERE user_id >= '100' AND user_id < '104'").first != nil)
            }
        }

        @Test(.timeLimit(.minutes(2)), arguments: harmless) func ordinaryChangesEndNothing(_ example: Case) throws {
            let (cluster, other) = try clusters(example.before)
            let client = try client(cluster)
            try client.rows("BEGIN")
            for text in example.change { try client.rows(text) }
            let texts = ["UPDATE berth SET ship = 1 WHERE user_id = '6'", "DELETE FROM berth WHERE user_id = '8'"]
            let waiters = try texts.map { try waiter($0, cluster) } + texts.map { try waiter($0, other) }
            try client.rows("COMMIT")
            for waiter in waiters { #expect(try waiter.outcome().state == nil) }
        }

        @Test(.timeLimit(.minutes(1)), arguments: [true, false]) func aTableFromBehindADroppedOneIsAnother(isBlock: Bool) throws {
            let (cluster, _) = try clusters(Self.berths + ["CREATE SCHEMA IF NOT EXISTS replaced_behind", "CREATE TABLE IF NOT EXISTS replaced_behind.berth (user_id text)"])
            let waiter = try client(cluster)
            try waiter.rows("SET search_path TO replaced, replaced_behind")
            let client = try client(cluster)
            let holder = try self.client(cluster)
            try holder.rows("BEGIN")
            if isBlock {
                try client.rows("BEGIN")
                try client.rows("DROP TABLE berth")
            } else {
                try holder.rows("SELECT count(*) FROM berth")
                try sendWaiting(client, "DROP TABLE berth", cluster)
            }
            try sendWaiting(waiter, "INSERT INTO berth (user_id) VALUES ('5')", cluster)
            try holder.rows("COMMIT")
            if isBlock { try client.rows("COMMIT") } else { #expect(try client.outcome().state == nil) }
            #expect(try waiter.outcome().state == "57014")
            try waiter.rows("INSERT INTO berth (user_id) VALUES ('5')")
            #expect(try waiter.rows("SELECT count(*) FROM berth WHERE user_id = '5'") == [["1"]])
            try client.rows("DROP SCHEMA replaced_behind CASCADE")
        }

        @Test(.timeLimit(.minutes(1))) func aBlockWithAnOlderSnapshotIsEndedByIt() throws {
            let (cluster, _) = try clusters(Self.berths + ["CREATE TABLE other_berth (id int)"])
            let reader = try client(cluster)
            try reader.rows("BEGIN ISOLATION LEVEL REPEATABLE READ")
            try reader.rows("SELECT * FROM other_berth")
            let client = try client(cluster)
            try client.rows("BEGIN; " + Self.replacing[0].change.joined(separator: "; ") + "; COMMIT")
            #expect(try reader.run("SELECT count(*) FROM berth WHERE user_id = '5'").state == "40001")
        }

        @Test(.timeLimit(.minutes(1))) func aStatementThatDoesNotEndUndoesTheChange() throws {
            let (cluster, _) = try clusters(Self.berths + ["CREATE TABLE other_berth (id int)"])
            let slow = try client(cluster)
            try slow.send(FrontendFrame.query("SELECT pg_sleep(60) FROM (SELECT 1) AS x"))
            try eventually("it sleeps") { try cluster.onShards("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'").contains { $0 != [["0"]] } }
            let client = try client(cluster)
            try client.send(FrontendFrame.query("BEGIN; " + Self.replacing[0].change.joined(separator: "; ") + "; COMMIT"))
            var state: String?
            try eventually("COMMIT gives up", withinSeconds: 30) { state = (try? client.outcome())?.state; return state != nil }
            #expect(state == "55P03")
            #expect(try client.rows("SELECT count(*) FROM berth WHERE note = 'old'") == [["40"]])
            try slow.requestCancel(port: cluster.port)
        }

        /// In a pool of one link the change has what the proxy's own work waits for.
        @Test(.timeLimit(.minutes(1))) func theProxysOwnStatementsDoNotHoldItUp() throws {
            let servers = Array(try TestServers.shared.get().four.prefix(3))
            let cluster = try TestCluster(servers: servers, settings: ["proxy": ["pool_size = 1"]])
            try cluster.psql("DROP SCHEMA IF EXISTS replaced CASCADE; CREATE SCHEMA replaced")
            let client = try client(cluster)
            for text in Self.berths { try client.rows(text) }
            let console = try WireClient(port: cluster.port, database: "pgbraid")
            for _ in 0..<5 {
                try client.rows("BEGIN; DROP TABLE berth; CREATE TABLE berth (ship int, user_id int PRIMARY KEY)")
                try eventually("the proxy's own statements wait for a link") {
                    try console.rows("SHOW POOLS").contains { $0[5] != "0" }
                }
                try client.rows("COMMIT")
            }
        }

        // MARK: Other columns

        @Test(
            .timeLimit(.minutes(1)),
            arguments: ["ALTER TABLE berth ADD COLUMN length int DEFAULT 4", "ALTER TABLE berth DROP COLUMN ship", "ALTER TABLE berth ALTER user_id TYPE bigint"])
        func whatIsMergedIsPlannedAnew(_ change: String) throws {
            let (cluster, other) = try clusters(Self.berths)
            let client = try client(cluster)
            try client.rows("BEGIN")
            try client.rows(change)
            let texts = ["SELECT * FROM berth ORDER BY user_id LIMIT 3", "SELECT DISTINCT * FROM berth ORDER BY 1 LIMIT 3"]
            let proxies = [cluster, other]
            let waiters = try proxies.flatMap { proxy in try texts.map { try waiter($0, proxy) } }
            let inBlock = try self.client(cluster)
            try inBlock.rows("BEGIN")
            try sendWaiting(inBlock, texts[0], cluster)
            try client.rows("COMMIT")
            let rows = try client.rows(texts[0])
            for waiter in waiters {
                let outcome = try waiter.outcome()
                #expect(change.contains("TYPE") && outcome.state == "57014" || outcome.rows == rows, "\(outcome)")
            }
            let state = try inBlock.outcome().state
            #expect(state == (change.contains("TYPE") ? "57014" : "40001"))
        }

        // MARK: Outside of blocks

        @Test(
            .timeLimit(.minutes(1)),
            arguments: [
                ("ALTER TABLE berth ALTER note SET DEFAULT clock_timestamp()::text", "INSERT INTO berth (user_id) VALUES (200)"),
                ("CREATE OR REPLACE VIEW seen_berth AS SELECT user_id, ship FROM berth WHERE user_id > 1", "SELECT count(*) FROM seen_berth"),
            ])
        func statementsOfDDLAreWholeBlocks(_ change: String, _ statement: String) throws {
            let (cluster, other) = try clusters(
                Self.berths + ["SELECT create_reference_table('berth')", "CREATE VIEW seen_berth AS SELECT user_id, ship FROM berth"])
            let holder = try client(cluster)
            try holder.rows("BEGIN")
            try holder.rows("SELECT count(*) FROM seen_berth")
            try holder.rows("UPDATE berth SET ship = 0 WHERE user_id = 1")
            let client = try waiter(change, cluster)
            let waiters = [try waiter(statement, cluster), try waiter(statement, other)]
            try holder.rows("COMMIT")
            #expect(try client.outcome().state == nil)
            for waiter in waiters { #expect(try waiter.outcome().state == "57014") }
            try client.rows("INSERT INTO berth (user_id) VALUES (201)")
            let copies = try cluster.onShards("SELECT * FROM replaced.berth ORDER BY 1")
            #expect(copies.allSatisfy { $0 == copies[0] })
        }
    }
}
