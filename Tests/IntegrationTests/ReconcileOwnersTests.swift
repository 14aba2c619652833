// Whose rights a comparison reads tables with: those of the owner that a table has when it is read, and never those of one that it had.
import TestSupport
import Testing
import WireProtocol

extension IntegrationTests {
    @Suite struct ReconcileOwnersTests {
        private static let database = "reconcile_owners"

        /// A proxy in front of a database of its own, which makes the comparisons: as each table's owner.
        private final class World: @unchecked Sendable {
            let servers: TestServers
            let cluster: TestCluster
            let client: WireClient

            init() throws {
                servers = try TestServers.shared.get()
                for server in servers.four { try server.psql("CREATE DATABASE \(ReconcileOwnersTests.database)") }
                cluster = try TestCluster(
                    servers: servers.four,
                    shardEntries: servers.four.map { ["host = \"\($0.socketDirectory)\"", "port = \($0.port)", "dbname = \"\(ReconcileOwnersTests.database)\""] })
                client = try WireClient(port: cluster.port)
            }

            /// A role, and a schema that belongs to it.
            func makeSchema(_ schema: String, of role: String) throws -> WireClient {
                try client.rows("DROP ROLE IF EXISTS \(role); CREATE ROLE \(role) LOGIN; CREATE SCHEMA \(schema) AUTHORIZATION \(role)")
                return try WireClient(port: cluster.port, user: role)
            }

            func dropSchema(_ schema: String, of role: String) {
                for text in ["DROP SCHEMA \(schema) CASCADE", "DROP ROLE \(role)"] { _ = try? client.rows(text) }
            }

            @discardableResult
            func onShard(_ shard: Int, _ sql: String) throws -> [[String?]] { try servers.four[shard].psql(sql, database: ReconcileOwnersTests.database) }

            func request(_ name: String) throws -> String { try #require(try client.rows("SELECT pgbraid.reconcile('\(name)')")[0][0]) }

            /// Status and error of a task, and the event that it tells first.
            func result(of task: String) throws -> [String?] {
                let text = "SELECT status, error, inconsistencies -> 0 -> 'key' ->> 'event_id' FROM pgbraid.reconciliation_tasks WHERE id = '\(task)' AND status NOT IN ('requested', 'running')"
                var row: [String?] = []
                try eventually("the task is over", withinSeconds: 30) {
                    row = try client.rows(text).first ?? []
                    return !row.isEmpty
                }
                return row
            }
        }

        private static let world = Result { try World() }

        /// The owner of a schema may drop what others have in it.
        @Test(.timeLimit(.minutes(2))) func aTableThatIsReplacedMeanwhileIsNotReadAsItsFormerOwner() throws {
            let world = try Self.world.get()
            let keeper = try world.makeSchema("kept", of: "reconcile_keeper")
            defer { world.dropSchema("kept", of: "reconcile_keeper") }
            for name in ["early", "late"] { try world.client.rows("CREATE TABLE kept.\(name) (user_id int PRIMARY KEY)") }
            let holder = try WireClient(port: world.cluster.port)
            try holder.rows("BEGIN")
            try holder.rows("LOCK TABLE kept.early")
            let task = try world.request("misplaced_rows")
            try eventually("the tables are listed, and the first of them is waited for", withinSeconds: 30) {
                try world.onShard(0, "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'kept.early'::regclass") != [["0"]]
            }
            for text in [
                "DROP TABLE kept.late", "CREATE TABLE kept.late (user_id int PRIMARY KEY)", "INSERT INTO kept.late SELECT g FROM generate_series(1, 40) g",
                "CREATE FUNCTION kept.asked(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN "
                    + "IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN RAISE EXCEPTION 'asked as %', current_user; END IF; RETURN $1; END $$",
                // Whoever plans a query on the table has the constant call carried out.
                "CREATE INDEX late_index ON kept.late ((user_id + kept.asked(1)))",
            ] { try keeper.rows(text) }
            try holder.rows("ROLLBACK")
            let result = try world.result(of: task)
            let error = result[1] ?? ""
            #expect(result[0] == "error" && error.contains("kept.late: as its owner postgres: ") && !error.contains("asked as"), "\(result)")
            #expect(error.contains("it is another table"), "\(result)")
            // As its new owner it is read.
            #expect(try world.result(of: world.request("misplaced_rows"))[0] == "equal")
        }

        /// What has been locked keeps its name, but its schema does not.
        @Test(.timeLimit(.minutes(2))) func aTableWhoseSchemaAnotherRoleMayRenameIsNotRead() throws {
            let world = try Self.world.get()
            _ = try world.makeSchema("movable", of: "reconcile_mover")
            defer { world.dropSchema("movable", of: "reconcile_mover") }
            try world.client.rows("CREATE TABLE movable.account (user_id int PRIMARY KEY)")
            #expect(try world.result(of: world.request("misplaced_rows"))[0] == "equal")
            for shard in 0..<4 { try world.onShard(shard, "GRANT CREATE ON DATABASE \(Self.database) TO reconcile_mover") }
            defer { for shard in 0..<4 { _ = try? world.onShard(shard, "REVOKE CREATE ON DATABASE \(Self.database) FROM reconcile_mover") } }
            let result = try world.result(of: world.request("misplaced_rows"))
            #expect(result[0] == "error" && result[1]?.contains("movable.account: as its owner postgres: role reconcile_mover may rename its schema") == true, "\(result)")
        }

        @Test(.timeLimit(.minutes(2))) func theOutboxIsTheOneThatTheAdminUserSees() throws {
            let world = try Self.world.get()
            _ = try world.makeSchema("sender", of: "reconcile_sender")
            defer { world.dropSchema("sender", of: "reconcile_sender") }
            for (table, event) in [("outbox_events", 100), ("sender.outbox_events", 666)] {
                try world.client.rows("CREATE TABLE \(table) (user_id int, event_id int, aggregate_id text, status text, created_at timestamptz)")
                try world.client.rows("INSERT INTO \(table) VALUES (1, \(event), 'a', 'failed', now())")
                try world.client.rows("ALTER TABLE \(table) OWNER TO reconcile_sender")
            }
            defer { _ = try? world.client.rows("DROP TABLE outbox_events") }
            // Who reads the table sees another one by its name.
            try world.client.rows("ALTER ROLE reconcile_sender SET search_path TO sender, public")
            let result = try world.result(of: world.request("outbox"))
            #expect(result == ["differences", nil, "100"], "\(result)")
        }
    }
}
