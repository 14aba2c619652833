// Writes to reference tables that each shard would do otherwise: the copies must be alike afterwards.
import Testing

extension IntegrationTests {
    @Suite struct ReferenceWriteTests {
        private func cluster() throws -> TestCluster {
            let cluster = try SharedClusters.shared.get().four
            try cluster.psql("DROP TABLE IF EXISTS token; DROP TABLE IF EXISTS visit")
            try cluster.psql(
                "CREATE TABLE token (id int PRIMARY KEY, code text, made timestamptz DEFAULT now(), n int DEFAULT 0, tag char(4), kind \"char\", price numeric(9,3), f float8)")
            try cluster.psql("CREATE TABLE visit (user_id int PRIMARY KEY, token int)")
            try cluster.psql("INSERT INTO token (id, code) SELECT i, 'c' || i FROM generate_series(1, 12) i")
            try cluster.psql("INSERT INTO visit SELECT i, i % 5 FROM generate_series(1, 20) i")
            return cluster
        }

        private func copies(_ cluster: TestCluster) throws -> [[[String?]]] { try cluster.onShards("SELECT * FROM token ORDER BY id") }

        @Test(.timeLimit(.minutes(1))) func allCopiesAreAlike() throws {
            let cluster = try cluster()
            let statements = [
                "UPDATE token SET code = md5(random()::text), f = random(), price = 1000 * random(), made = clock_timestamp()",
                "UPDATE token SET tag = substr(md5(random()::text), 1, 3), kind = chr(65 + (random() * 20)::int)::\"char\" WHERE random() < 0.5",
                "DELETE FROM token WHERE id IN (SELECT id FROM token ORDER BY code LIMIT 3)",
                "UPDATE token SET n = (SELECT count(*) FROM visit WHERE visit.token = token.id), made = now()",
                "UPDATE token SET made = DEFAULT WHERE n > 0",
                "UPDATE token t SET n = s.n FROM (SELECT id, row_number() OVER (ORDER BY random()) AS n FROM token) s WHERE s.id = t.id",
                "INSERT INTO token (id, code, f) SELECT i, md5(random()::text), random() FROM generate_series(100, 130) i",
                "INSERT INTO token (id, code) SELECT user_id + 200, token FROM visit ORDER BY random() LIMIT 7",
                "INSERT INTO token (id, f) VALUES (300, random() + 1), (301, random() + 2)",
                "DELETE FROM token WHERE random() < 0.3",
            ]
            for statement in statements {
                try cluster.psql(statement)
                let copies = try copies(cluster)
                #expect(copies.allSatisfy { $0 == copies[0] }, "\(statement)")
            }
        }

        /// Defaults and words such as 'now' in places where they are not written as values: alike on all shards, or refused.
        @Test(.timeLimit(.minutes(1))) func noCopyHasValuesOfItsOwn() throws {
            let cluster = try SharedClusters.shared.get().two
            let client = try WireClient(port: cluster.port)
            let setup = [
                "DROP TABLE IF EXISTS label",
                "CREATE TABLE label (name text, id serial PRIMARY KEY, made timestamptz DEFAULT now(), t timestamptz, r tstzrange, data jsonb)",
                "INSERT INTO label (name, id) VALUES ('first', 900)",
            ]
            for statement in setup { #expect(try client.run(statement).error == nil, "\(statement)") }
            let statements = [
                "INSERT INTO label SELECT 'item ' || i FROM generate_series(1, 3) i", "INSERT INTO label VALUES ('x'), ('y') ORDER BY 1",
                "INSERT INTO label (name, id) VALUES ('q', 900) ON CONFLICT (id) DO UPDATE SET t = 'now'", "INSERT INTO label (id, t) SELECT 901, 'now'",
                "UPDATE label SET (t, name) = ('now', 'z') WHERE id = 900", "UPDATE label SET t = CASE WHEN id > 3 THEN 'now' ELSE t END WHERE id = 900",
                "INSERT INTO label (id, r) VALUES (902, '[now,)')", "INSERT INTO label (id, r) VALUES (903, '[now,)'::tstzrange)",
                "MERGE INTO label USING (VALUES (904)) s (id) ON label.id = s.id WHEN NOT MATCHED THEN INSERT (id, t) VALUES (s.id, 'now')",
                "INSERT INTO label (data['color']) VALUES ('\"red\"')",
                "UPDATE label SET t = 'today 10:00' WHERE id = 900", "UPDATE label SET t = 'tomorrow zulu' WHERE id = 900",
                "UPDATE label SET t = 'today 10:00 Europe/Paris' WHERE id = 900", "UPDATE label SET r = '[\"now\",infinity]' WHERE id = 900",
                "UPDATE label SET t = coalesce(NULL, 'now')::timestamptz WHERE id = 900", "UPDATE label SET t = timestamptz(lower('NOW')) WHERE id = 900",
                "UPDATE label SET t = w::timestamptz FROM (SELECT lower('NOW') AS w) q WHERE id = 900",
                "UPDATE label SET t = w FROM jsonb_to_record('{\"w\": \"now\"}'::jsonb) q (w timestamptz) WHERE id = 900",
                "UPDATE label SET name = CASE WHEN id > 3 THEN 'now' ELSE now() END WHERE id = 900", "DELETE FROM label WHERE t < 'now' AND id = 900",
                "INSERT INTO label (name, id) VALUES ('q', 900) ON CONFLICT (id) DO UPDATE SET name = to_char('now', 'US')",
                "INSERT INTO label (name, id, made) VALUES (current_database(), 910, NULL)", "INSERT INTO label (name, id, made) VALUES (version(), 911, NULL)",
                "INSERT INTO label (name, id, made) VALUES (CURRENT_CATALOG, 912, NULL)", "INSERT INTO label (name, id, made) SELECT current_database(), 913, NULL",
                "INSERT INTO label (name, id, made) VALUES (upper(current_database()), 914, NULL)", "INSERT INTO label (name, id) VALUES ('q', 915)",
                "UPDATE label SET name = CURRENT_CATALOG WHERE id = 915", "UPDATE label SET name = current_database() WHERE id = 915",
                "INSERT INTO label (name, id) VALUES ('q', 915) ON CONFLICT (id) DO UPDATE SET name = CURRENT_CATALOG",
            ]
            for statement in statements {
                let state = try client.run(statement).state
                #expect(state == nil || state == "0A000", "\(statement): \(state ?? "")")
                let copies = try cluster.onShards("SELECT * FROM label ORDER BY id")
                #expect(copies[0] == copies[1], "\(statement)")
            }
            #expect(try client.rows("SELECT count(*) FROM label WHERE data IS NOT NULL AND data <> '{\"color\": \"red\"}'") == [["0"]])
            #expect(try client.rows("SELECT count(*) FROM label WHERE id IN (910, 911, 912)") == [["3"]])
            #expect(try client.run("INSERT INTO label (name, id, made) VALUES ('today', 905, NULL)").error == nil)
            #expect(try client.run("DROP TABLE label").error == nil)
        }

        /// Each shard reads its rows in another order: what a statement takes first, or puts together, must be the same all the same.
        @Test(.timeLimit(.minutes(1)), arguments: [
            "INSERT INTO token (id, code, made) SELECT 100 + n, code, NULL FROM token ON CONFLICT DO NOTHING",
            "INSERT INTO token (id, code, made) VALUES (100, (SELECT string_agg(code, '') FROM token), NULL), (101, (SELECT code FROM token LIMIT 1), NULL)",
            "INSERT INTO token (id, code, made) VALUES (100, (ARRAY(SELECT code FROM token))[1], NULL)",
            "UPDATE token t SET code = coalesce((SELECT code FROM token o WHERE o.n = t.n LIMIT 1), '')",
            "UPDATE token SET code = array_to_string(ARRAY(SELECT code FROM token), ',') WHERE id < 3",
            "DELETE FROM token WHERE id = (ARRAY(SELECT id FROM token))[1]",
        ])
        func theOrderOfRowsDecidesNothing(statement: String) throws {
            let cluster = try cluster()
            for (index, server) in cluster.servers.enumerated() { try server.psql("UPDATE token SET n = 0 WHERE id <= \(3 * index)") }
            let read = try cluster.onShards("SELECT id FROM token")
            #expect(Set(read.map { "\($0)" }).count == read.count)
            try cluster.psql(statement)
            let copies = try copies(cluster)
            #expect(copies.allSatisfy { $0 == copies[0] })
        }

        /// A part that every shard computes from its copy is one value to the whole statement.
        @Test(.timeLimit(.minutes(1)), arguments: [
            "(SELECT string_agg(code, ',') FROM token)", "ARRAY(SELECT code FROM token)", "(SELECT max(code || n) FROM (SELECT code, row_number() OVER (ORDER BY n) AS n FROM token) t)",
            "(SELECT string_agg(code, ',' ORDER BY n) FROM token)", "(SELECT code FROM (SELECT DISTINCT ON (n) n, code FROM token ORDER BY n) t)",
            "(SELECT string_agg(code, ',' ORDER BY n, id) FROM token)", "ARRAY(SELECT code FROM token ORDER BY code)",
        ])
        func thePartsOfAQueryAreAlike(part: String) throws {
            let cluster = try cluster()
            for (index, server) in cluster.servers.enumerated() { try server.psql("UPDATE token SET n = 0 WHERE id <= \(3 * index)") }
            #expect(try cluster.psql("SELECT count(DISTINCT part) FROM (SELECT user_id, \(part)::text AS part FROM visit) q") == [["1"]])
        }

        /// What cannot be repeated on the others is refused.
        @Test(.timeLimit(.minutes(1)), arguments: [
            "INSERT INTO token (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET code = (SELECT string_agg(code, '') FROM token)",
            "INSERT INTO token (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET code = (SELECT code FROM token LIMIT 1)",
        ])
        func whatTheOrderDecidesInAConflictIsRefused(statement: String) throws {
            #expect(try WireClient(port: try cluster().port).run(statement).state == "0A000")
        }

        /// Two writers of one row take turns on the lowest shard; neither's values are half there.
        @Test(.timeLimit(.minutes(1))) func writersOfOneRowTakeTurns() throws {
            let cluster = try cluster()
            let clients = try (0..<4).map { _ in try WireClient(port: cluster.port) }
            for _ in 0..<10 {
                for client in clients { try client.send(FrontendFrame.query("UPDATE token SET code = md5(random()::text), n = n + 1 WHERE id < 5")) }
                for client in clients { #expect(try client.outcome().tags == ["UPDATE 4"]) }
            }
            let copies = try copies(cluster)
            #expect(copies.allSatisfy { $0 == copies[0] })
            #expect(try cluster.psql("SELECT DISTINCT n FROM token WHERE id < 5") == [["40"]])
        }

        /// An insert that is committed on some shards only is no reason to fail.
        @Test(.timeLimit(.minutes(1))) func aWriteBesideInsertsIsRunAgain() throws {
            let cluster = try cluster()
            let inserters = try (0..<3).map { _ in try WireClient(port: cluster.port) }
            let writer = try WireClient(port: cluster.port)
            for round in 0..<40 {
                for (place, inserter) in inserters.enumerated() {
                    try inserter.send(FrontendFrame.query("INSERT INTO token (id, code) VALUES (\(1000 + 10 * round + place), 'x')"))
                }
                let written = try writer.run("UPDATE token SET n = n + 1")
                #expect(written.error == nil, "\(written.state ?? ""): \(written.error?.message ?? ""), \(written.error?.detail ?? "")")
                for inserter in inserters { #expect(try inserter.outcome().error == nil) }
            }
            let copies = try copies(cluster)
            #expect(copies.allSatisfy { $0 == copies[0] })
        }

        /// Copies that are not alike are found, and nothing is written.
        @Test(.timeLimit(.minutes(1)), arguments: ["UPDATE token SET code = random()::text", "UPDATE token SET code = 'same'", "DELETE FROM token"])
        func aMissingCopyIsFound(statement: String) throws {
            let cluster = try cluster()
            try cluster.servers[2].psql("DELETE FROM token WHERE id = 3")
            let client = try WireClient(port: cluster.port)
            #expect(try client.run(statement).state == "40001")
            #expect(try cluster.servers[0].psql("SELECT count(*) FROM token WHERE code LIKE 'c%'") == [["12"]])
        }
    }
}
