// Parameters of types of the client's own, which have another OID on each shard.
import Testing

extension IntegrationTests {
    @Suite struct OwnTypeTests {
        private func cluster() throws -> TestCluster {
            let cluster = try SharedClusters.shared.get().four
            try cluster.psql("DROP TABLE IF EXISTS painted; DROP TABLE IF EXISTS shade; DROP TYPE IF EXISTS colour")
            // Each shard has used up numbers that the others have not.
            for (shard, server) in cluster.servers.enumerated() {
                for _ in 0..<(4 - shard) { try server.psql("CREATE TABLE passing (i int); DROP TABLE passing") }
            }
            // Its order is not that of the labels as texts.
            try cluster.psql("CREATE TYPE colour AS ENUM ('red', 'green', 'blue')")
            try cluster.psql("CREATE TABLE painted (user_id int PRIMARY KEY, n int, shade colour)")
            try cluster.psql("CREATE TABLE shade (id int PRIMARY KEY, shade colour)")
            try cluster.psql("INSERT INTO painted SELECT i, i % 7 FROM generate_series(1, 20) i")
            try cluster.psql("UPDATE painted SET shade = CASE WHEN user_id % 2 = 0 THEN 'red' ELSE 'blue' END::colour")
            try cluster.psql("INSERT INTO shade VALUES (1, 'red'), (2, 'green'), (3, 'blue')")
            let numbers = try cluster.onShards("SELECT 'colour'::regtype::oid")
            try #require(Set(numbers.map { $0[0][0] ?? "" }).count > 1)
            return cluster
        }

        private func run(_ text: String, _ values: [String], _ client: WireClient) throws -> StatementOutcome {
            let bound = values.map { BoundValue(bytes: Array($0.utf8)) }
            try client.send(
                FrontendFrame.parse("", [], text) + FrontendFrame.bind("", "", bound, resultFormats: []) + FrontendFrame.execute("") + FrontendFrame.sync)
            return try client.outcome()
        }

        @Test(.timeLimit(.minutes(1)), arguments: [false, true]) func parametersAreOfTheTypeOfEachShard(isInBlock: Bool) throws {
            let cluster = try cluster()
            let client = try WireClient(port: cluster.port)
            if isInBlock { _ = try client.run("BEGIN") }
            let finished = try run("SELECT count(*), max(shade), $2::colour > $1 FROM painted WHERE shade > $1", ["green", "blue"], client)
            #expect(finished.rows == [["10", "blue", "t"]], "\(finished)")
            let fetched = try run(
                "SELECT count(*) FROM painted a JOIN painted b ON b.user_id = a.n AND b.shade < $1 WHERE a.shade = $2", ["green", "blue"], client)
            #expect(fetched.rows == [["3"]], "\(fetched)")
            let written = try run(
                "UPDATE painted SET shade = $1 WHERE n IN (SELECT n FROM painted WHERE shade < $2 AND user_id < 5) RETURNING shade", ["green", "green"], client)
            #expect(Set(written.rows) == [["green"]], "\(written)")
            let moved = try run("UPDATE painted SET user_id = user_id + 100 WHERE shade = $1", ["green"], client)
            #expect(moved.error == nil && moved.tags == written.tags, "\(moved)")
            #expect(try client.run("SELECT count(*) FROM painted WHERE user_id > 100 AND shade = 'green'").rows == [["6"]])
            if isInBlock { _ = try client.run("ROLLBACK") }
        }
    }
}

extension IntegrationTests.OwnTypeTests {
    @Test(.timeLimit(.minutes(1))) func binaryCopiesOfValuesThatHoldOIDsAreRefused() throws {
        let cluster = try cluster()
        try cluster.psql("ALTER TABLE painted ADD shades colour[]; UPDATE painted SET shades = ARRAY[shade]")
        let client = try WireClient(port: cluster.port)
        for held in ["painted", "(SELECT shades FROM painted)", "(SELECT ROW(shade) FROM painted WHERE user_id = 3)", "(SELECT array_agg(shade) FROM painted WHERE user_id = 3)"] {
            let refused = try client.run("COPY \(held) TO STDOUT (FORMAT binary)")
            #expect(refused.error?.sqlState == .featureNotSupported && refused.rows.isEmpty, "\(held): \(refused)")
        }
        for plain in ["painted (user_id, n, shade)", "(SELECT shade FROM painted WHERE user_id = 3)", "(SELECT shades FROM painted ORDER BY user_id)"] {
            let copied = try client.run("COPY \(plain) TO STDOUT (FORMAT binary)")
            #expect(copied.error == nil, "\(plain): \(copied)")
        }
    }

    /// The OID may be that of another type on the shard that answers look-ups.
    @Test(.timeLimit(.minutes(1))) func aTypeThatOnlyOneShardHasIsNotPassedOn() throws {
        let cluster = try cluster()
        for (shard, server) in cluster.servers.enumerated() {
            let name = shard == 0 ? "usual_answer" : "odd_answer_\(shard)"
            try server.psql("DROP TYPE IF EXISTS \(name) CASCADE; CREATE TYPE \(name) AS ENUM ('x')")
            try server.psql("CREATE FUNCTION answer_of(int) RETURNS \(name) LANGUAGE sql IMMUTABLE AS $$ SELECT 'x'::\(name) $$")
        }
        defer { for server in cluster.servers { _ = try? server.psql("DROP FUNCTION answer_of") } }
        try cluster.psql("CREATE TABLE IF NOT EXISTS answered (user_id int PRIMARY KEY)")
        let client = try WireClient(port: cluster.port)
        var failures = 0
        for user in 1...20 {
            let outcome = try client.run("SELECT answer_of(user_id) FROM painted WHERE user_id = \(user)")
            if outcome.error == nil { continue }
            failures += 1
            #expect(outcome.error?.sqlState == .connectionFailure, "\(outcome)")
        }
        #expect((1..<20).contains(failures))
        #expect(try client.run("SELECT count(*) FROM painted").rows == [["20"]])
    }
}
