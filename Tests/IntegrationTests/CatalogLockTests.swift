// Blocks whose DDL has locked tables, and that look at the catalog: not for the locks of each other.
import Testing

extension IntegrationTests {
    @Suite struct CatalogLockTests {
        /// PostgreSQL prints a view by locking its tables, and a generated column by locking its own.
        @Test(.timeLimit(.minutes(1)), arguments: ["ALTER TABLE", "CREATE INDEX"])
        func ddlOfOneTableDoesNotWaitForThatOfAnother(command: String) throws {
            let cluster = try SharedClusters.shared.get().two
            let one = try WireClient(port: cluster.port)
            let other = try WireClient(port: cluster.port)
            try one.rows(
                """
                DROP TABLE IF EXISTS locked_one, locked_two CASCADE;
                CREATE TABLE locked_one (user_id int PRIMARY KEY, v int, w int GENERATED ALWAYS AS (v * 2) STORED);
                CREATE TABLE locked_two (user_id int PRIMARY KEY, v int, w int GENERATED ALWAYS AS (v * 2) STORED);
                CREATE VIEW seen_one AS SELECT user_id, w FROM locked_one; CREATE VIEW seen_two AS SELECT user_id, w FROM locked_two
                """)
            for (client, table) in [(one, "locked_one"), (other, "locked_two")] {
                try client.rows("BEGIN")
                try client.rows("ALTER TABLE \(table) ADD COLUMN x int")
            }
            // Each looks at the catalog here, with the other's lock before it.
            for (client, view) in [(one, "seen_two"), (other, "seen_one")] {
                try client.send(FrontendFrame.query(command == "ALTER TABLE" ? "COMMIT" : "CREATE INDEX ON \(view.replacing("seen", with: "locked") == "locked_two" ? "locked_one" : "locked_two") (v)"))
            }
            for client in [one, other] { #expect(try client.outcome().error == nil) }
            if command != "ALTER TABLE" { for client in [one, other] { #expect(try client.run("COMMIT").error == nil) } }
            #expect(try one.rows("SELECT count(*) FROM seen_one JOIN seen_two USING (w)") == [["0"]])
            #expect(try other.rows("SELECT x FROM locked_one UNION ALL SELECT x FROM locked_two").isEmpty)
        }
    }
}
