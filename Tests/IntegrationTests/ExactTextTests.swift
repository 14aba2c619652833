// Values that travel through the proxy as text to be read again: only where the session's settings write them exactly.
import Testing

extension IntegrationTests {
    @Suite struct ExactTextTests {
        /// With what the least time looks like.
        private static let styles = [
            ("SET datestyle = 'postgres, dmy'", "Fri 01 Mar 01:00:00 2024 IST"), ("SET DateStyle TO SQL", "03/01/2024 01:00:00 IST"),
            ("SET extra_float_digits = 0", "2024-03-01 01:00:00+05:30"),
        ]
        /// Each needs values of several shards in one place, or writes drawn ones.
        private static let statements = [
            "SELECT min(at) - interval '0' FROM happening", "SELECT max(at) + interval '1 hour' FROM happening", "SELECT sum(weight) * 2 FROM happening",
            "SELECT ARRAY[at] FROM happening ORDER BY 1", "SELECT array_agg(weight) FROM happening",
            "SELECT a.at, b.weight FROM happening a JOIN happening b ON a.user_id + 1 = b.user_id ORDER BY a.user_id LIMIT 3",
        ]

        private func client(_ settings: [String], _ cluster: TestCluster) throws -> WireClient {
            let client = try WireClient(port: cluster.port)
            for setting in settings { #expect(try client.run(setting).error == nil) }
            return client
        }

        @Test(.timeLimit(.minutes(1))) func answersAreRightOrRefused() throws {
            let cluster = try SharedClusters.shared.get().four
            try cluster.psql("DROP TABLE IF EXISTS happening")
            try cluster.psql("CREATE TABLE happening (user_id int, at timestamptz DEFAULT now(), weight float8 DEFAULT random())")
            let rows = (1...9).map { "(\($0), '2024-03-0\($0) 0\($0):00+05:30', 0.1)" }.joined(separator: ", ")
            try cluster.psql("INSERT INTO happening VALUES \(rows)")
            let plain = try client(["SET timezone = 'Asia/Kolkata'"], cluster)
            for statement in Self.statements { #expect(try plain.run(statement).error == nil, "\(statement)") }
            #expect(try plain.run("SELECT min(at) FROM happening").rows == [["2024-03-01 01:00:00+05:30"]])
            for (style, least) in Self.styles {
                let styled = try client(["SET timezone = 'Asia/Kolkata'", style], cluster)
                for statement in Self.statements {
                    let outcome = try styled.run(statement)
                    #expect(outcome.state == "0A000", "\(style): \(statement): \(outcome)")
                }
                #expect(try styled.run("INSERT INTO happening (user_id) VALUES (10), (11), (12), (13)").state == "0A000")
                // What need not be read again is answered.
                #expect(try styled.run("SELECT min(at) FROM happening").rows == [[least]])
                #expect(try styled.run("SELECT at, weight FROM happening ORDER BY at").rows.count == 9)
                #expect(try styled.run("SELECT ARRAY[user_id] FROM happening ORDER BY 1 LIMIT 1").rows == [["{1}"]])
                #expect(try styled.run("SELECT count(*), sum(user_id) FROM happening").rows == [["9", "45"]])
                // The order of day and month alone changes nothing about the style, and RESET goes back to it.
                #expect(try styled.run("RESET datestyle; RESET extra_float_digits; SET datestyle = 'dmy'").error == nil)
                #expect(try styled.run("SELECT min(at) FROM happening").rows == [["2024-03-01 01:00:00+05:30"]])
            }
        }

        /// The style may also be a role's own, or come with the startup packet.
        @Test(.timeLimit(.minutes(1))) func stylesNobodySetCount() throws {
            let cluster = try SharedClusters.shared.get().four
            try cluster.psql("DROP TABLE IF EXISTS happening; CREATE TABLE happening (user_id int, at timestamptz)")
            let started = try WireClient(port: cluster.port, parameters: [("datestyle", "German")])
            #expect(try started.run("SELECT min(at) - interval '0' FROM happening").state == "0A000")
            try cluster.psql("DROP ROLE IF EXISTS styled; CREATE ROLE styled LOGIN; ALTER ROLE styled SET datestyle = 'SQL, DMY'; GRANT SELECT ON happening TO styled")
            let role = try WireClient(port: cluster.port, user: "styled")
            #expect(try role.run("SELECT min(at) - interval '0' FROM happening").state == "0A000")
            #expect(try role.run("SET datestyle = 'ISO'; SELECT min(at) FROM happening").rows == [[nil]])
            try cluster.psql("DROP OWNED BY styled; DROP ROLE styled")
        }
    }
}
