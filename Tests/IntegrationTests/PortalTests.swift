// Portals over several shards that something comes before, between Bind and Execute: what cannot be as it was at Bind is refused.
import Testing

extension IntegrationTests {
    @Suite struct PortalTests {
        /// Names and tables are those of Bind in PostgreSQL.
        @Test(
            .timeLimit(.minutes(1)),
            arguments: [
                "SET search_path = elsewhere", "SET LOCAL search_path = elsewhere", "SET ROLE portal_role",
                "DROP TABLE ported; CREATE TABLE ported (user_id int PRIMARY KEY, v int)",
            ])
        func aWriteIsNotCarriedOutWithOtherTables(between: String) throws {
            let client = try prepared()
            try client.rows("BEGIN")
            try client.send(
                FrontendFrame.parse("w", [], "UPDATE ported SET v = v + 1") + FrontendFrame.bind("p", "w", [], resultFormats: [])
                    + FrontendFrame.sync)
            #expect(try client.outcome().error == nil)
            try client.rows(between)
            try client.send(FrontendFrame.execute("p") + FrontendFrame.sync)
            #expect(try client.outcome().error?.sqlState == .featureNotSupported)
            try client.rows("ROLLBACK")
            #expect(try client.rows("SELECT (SELECT sum(v) FROM ported), (SELECT sum(v) FROM elsewhere.ported)") == [["0", "0"]])
        }

        /// The same in one pipeline outside a block, where the SET is undone with it.
        @Test(.timeLimit(.minutes(1))) func aPipelineIsNotCarriedOutWithOtherTables() throws {
            let client = try prepared()
            try client.send(
                FrontendFrame.parse("w", [], "UPDATE ported SET v = v + 1") + FrontendFrame.bind("p", "w", [], resultFormats: [])
                    + FrontendFrame.parse("s", [], "SET search_path = elsewhere") + FrontendFrame.bind("s", "s", [], resultFormats: [])
                    + FrontendFrame.execute("s") + FrontendFrame.execute("p") + FrontendFrame.sync)
            #expect(try client.outcome().error?.sqlState == .featureNotSupported)
            #expect(try client.rows("SELECT (SELECT sum(v) FROM public.ported), (SELECT sum(v) FROM elsewhere.ported)") == [["0", "0"]])
        }

        /// A Query without Sync before it runs at once, and the portal would show what it left.
        @Test(.timeLimit(.minutes(1))) func aQueryIsNotRunLate() throws {
            let client = try prepared()
            try client.rows("BEGIN")
            try client.send(
                FrontendFrame.parse("q", [], "SELECT sum(v) FROM ported") + FrontendFrame.bind("p", "q", [], resultFormats: [])
                    + FrontendFrame.query("UPDATE ported SET v = 9"))
            #expect(try client.outcome().error == nil)
            try client.send(FrontendFrame.execute("p") + FrontendFrame.sync)
            #expect(try client.outcome().error?.sqlState == .featureNotSupported)
            try client.rows("ROLLBACK")
        }

        private func prepared() throws -> WireClient {
            let clusters = try SharedClusters.shared.get()
            let client = try WireClient(port: clusters.four.port)
            try client.rows(
                """
                DROP SCHEMA IF EXISTS elsewhere CASCADE; DROP TABLE IF EXISTS ported; DROP ROLE IF EXISTS portal_role;
                CREATE TABLE ported (user_id int PRIMARY KEY, v int); INSERT INTO ported SELECT g, 0 FROM generate_series(1, 20) g;
                CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.ported (user_id int PRIMARY KEY, v int);
                INSERT INTO elsewhere.ported SELECT g, 0 FROM generate_series(1, 20) g; CREATE ROLE portal_role
                """)
            return client
        }
    }
}
