// Statements that once got wrong answers without a word, and may be refused, but never answered otherwise than by PostgreSQL.
import Testing

extension IntegrationTests {
    @Suite struct RightOrRefusedTests {
        private static let setup = [
            "DROP TABLE IF EXISTS folk", "DROP TABLE IF EXISTS grades", "CREATE TABLE folk (user_id bigint PRIMARY KEY, x bigint, r int4range, s int2, y float8)",
            "CREATE TABLE grades (id int PRIMARY KEY, title text)",
            "INSERT INTO folk VALUES " + (1...20).map { "(\($0), \($0 - 10), int4range(\($0 - 10), \($0)), \($0 - 10), \($0).5)" }.joined(separator: ", "),
        ]
        private static let statements = [
            "SELECT count(DISTINCT 2), sum(DISTINCT 2), avg(DISTINCT 2.25) FROM folk WHERE x > 99",
            "SELECT (SELECT count(DISTINCT 2) FROM folk WHERE x > 99)", "SELECT count(DISTINCT 2), count(*) FROM folk",
            "SELECT nullif(x, 1.5::float8) FROM folk ORDER BY 1 LIMIT 3", "SELECT min(nullif(x, 1.5::float8)) FROM folk",
            "SELECT nullif(s, 1.5) FROM folk ORDER BY 1 LIMIT 2", "SELECT DISTINCT nullif(x, 1.5::float8) FROM folk ORDER BY 1 LIMIT 2",
            "SELECT min(lower(r)), max(lower(r)) FROM folk", "SELECT lower(r) FROM folk ORDER BY 1 LIMIT 3",
            "SELECT user_id FROM folk ORDER BY upper(r) DESC LIMIT 3", "SELECT ~s FROM folk ORDER BY 1 LIMIT 3",
            "SELECT * FROM folk f JOIN (SELECT user_id, y AS x FROM folk) g USING (user_id, x) ORDER BY x LIMIT 3",
            "SELECT length('((0,0),(1,1))'::path) FROM folk ORDER BY 1 LIMIT 1",
            "INSERT INTO grades VALUES (50, 'x') RETURNING id, (SELECT count(*) FROM folk)",
            "INSERT INTO grades SELECT 53, 'x' RETURNING (SELECT count(*) FROM folk)",
        ]

        @Test(.timeLimit(.minutes(1))) func neverAnotherAnswer() throws {
            let servers = try TestServers.shared.get()
            let judge = try WireClient(port: servers.judge.port)
            let proxy = try WireClient(port: try SharedClusters.shared.get().four.port)
            for statement in Self.setup {
                #expect(try judge.run(statement).error == nil)
                #expect(try proxy.run(statement).error == nil)
            }
            for statement in Self.statements {
                let right = try judge.run(statement)
                let said = try proxy.run(statement)
                #expect(said.state == "0A000" || said.error == nil && said.rows == right.rows, "\(statement): \(said), not \(right)")
            }
        }
    }
}
