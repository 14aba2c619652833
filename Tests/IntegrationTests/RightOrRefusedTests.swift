// Statements that once got wrong answers without a word, and may be refused, but never answered otherwise than by PostgreSQL.
import Testing

extension IntegrationTests {
    @Suite struct RightOrRefusedTests {
        private static let setup = [
            "DROP TABLE IF EXISTS folk", "DROP TABLE IF EXISTS grades", "CREATE TABLE folk (user_id bigint PRIMARY KEY, x bigint, r int4range, s int2, y float8)",
            "CREATE TABLE grades (id int PRIMARY KEY, title text)",
            "DROP TABLE IF EXISTS basket, heading CASCADE", "DROP TYPE IF EXISTS basket_item CASCADE", "CREATE TYPE basket_item AS (sku text, qty int)",
            "CREATE TABLE basket (user_id int PRIMARY KEY, items basket_item[], a date, b date, y bigint)", "CREATE TABLE heading (user_id text PRIMARY KEY)",
            "INSERT INTO basket VALUES (1, ARRAY[('p', 1), ('q', 2)]::basket_item[], '2024-01-01', '2024-01-02', 5), (2, ARRAY[('r', 3)]::basket_item[], '2024-01-01', '2024-01-01', 8)",
            "INSERT INTO heading VALUES ('abc'), ('abcdef')", "INSERT INTO grades VALUES (1, 'a'), (2, 'b'), (3, 'c')",
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
            "SELECT b.user_id, u.* FROM basket b, unnest(b.items) u ORDER BY 1, 2", "SELECT * FROM basket b, unnest(b.items) u WHERE qty = 3",
            "SELECT d, avg(y) FROM basket, generate_series(a, b, interval '12 hours') d GROUP BY d ORDER BY d",
            "SELECT d FROM basket, generate_series(a, b, '1 day') d ORDER BY d, user_id",
            "WITH grades AS (SELECT * FROM grades WHERE id > 1) SELECT count(*), (SELECT count(*) FROM grades) FROM folk",
            "WITH grades AS (SELECT * FROM grades WHERE id > 2) SELECT x FROM folk ORDER BY y::text COLLATE \"en-x-icu\" LIMIT (SELECT count(*) FROM grades)",
            "WITH grades AS (SELECT * FROM grades WHERE id > 2) SELECT user_id FROM folk UNION ALL SELECT x FROM folk ORDER BY 1 LIMIT (SELECT count(*) FROM grades)",
            "SELECT avg(nullif(floor(random() * 2), 0)) FROM folk",
            "SELECT user_id FROM folk WHERE user_id = 1 UNION ALL SELECT user_id FROM folk WHERE user_id = 1 LIMIT (SELECT count(*) / 10 - 1 FROM folk)",
            "SELECT y / 2, count(*) FROM (SELECT * FROM basket b JOIN (SELECT user_id::int, 5::float8 AS y FROM folk) f USING (user_id, y)) q GROUP BY y ORDER BY 1",
            "SELECT * FROM heading WHERE user_id = ANY (ARRAY['abcdef']::varchar(3)[])",
            "INSERT INTO grades VALUES (50, 'x') RETURNING id, (SELECT count(*) FROM folk)",
            "INSERT INTO grades SELECT 53, 'x' RETURNING (SELECT count(*) FROM folk)",
            "WITH w AS (INSERT INTO folk VALUES (1) ON CONFLICT (user_id) DO UPDATE SET x = 7 WHERE 20 = (SELECT count(*) FROM folk) RETURNING x) SELECT * FROM w",
            "WITH w AS (INSERT INTO folk VALUES (1) ON CONFLICT (user_id) DO UPDATE SET x = (SELECT count(*) FROM folk) RETURNING x) SELECT * FROM w",
            "WITH w AS (INSERT INTO folk VALUES (31) RETURNING (SELECT count(*) FROM folk) AS c) SELECT * FROM w",
        ]

        /// Each shard may have a table's columns in an order of its own, and a cast of one's own writes what it likes.
        @Test(.timeLimit(.minutes(1))) func valuesThatShardsMayReadOtherwiseAreRefused() throws {
            let proxy = try WireClient(port: try SharedClusters.shared.get().four.port)
            let setup = [
                "DROP TABLE IF EXISTS holder", "DROP TABLE IF EXISTS held", "DROP TYPE IF EXISTS tint CASCADE", "CREATE TABLE held (a int, b int)",
                "CREATE TYPE tint AS ENUM ('light', 'dark')", "CREATE TABLE holder (user_id int PRIMARY KEY, h held, hh held[], s tint)",
                "CREATE FUNCTION written(tint) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT 'light'$$",
                "INSERT INTO holder VALUES (1, '(1,2)', '{}', 'dark'), (2, NULL, NULL, 'light')",
            ]
            for statement in setup { #expect(try proxy.run(statement).error == nil, "\(statement)") }
            for column in ["h", "hh"] {
                #expect(try proxy.run("SELECT \(column) FROM holder ORDER BY \(column)").state == "0A000")
                #expect(try proxy.run("SELECT b.\(column) FROM holder a JOIN holder b ON b.user_id = a.user_id + 1").state == "0A000")
            }
            let shades = "SELECT b.s FROM holder a JOIN holder b ON b.user_id <> a.user_id ORDER BY 1"
            #expect(try proxy.run(shades).rows == [["light"], ["dark"]])
            #expect(try proxy.run("CREATE CAST (tint AS text) WITH FUNCTION written(tint)").error == nil)
            #expect(try proxy.run(shades).state == "0A000")
            #expect(try proxy.run("DROP TABLE holder; DROP TABLE held; DROP TYPE tint CASCADE").error == nil)
        }

        /// PostgreSQL writes to the table of the view, of which another shard may have the row, or a copy.
        @Test(.timeLimit(.minutes(1))) func writesThroughViewsAreRefusedWhereRowsWouldBeElsewhere() throws {
            let cluster = try SharedClusters.shared.get().two
            let proxy = try WireClient(port: cluster.port)
            let setup = [
                "DROP TABLE IF EXISTS lane, coin CASCADE", "CREATE TABLE lane (user_id int, n int)", "CREATE TABLE coin (id int PRIMARY KEY, n int)",
                "INSERT INTO lane SELECT i, i FROM generate_series(1, 20) i", "INSERT INTO coin VALUES (1, 1)",
                "CREATE VIEW lanes AS SELECT n, user_id AS k FROM lane", "CREATE VIEW more_lanes AS SELECT k AS j, k AS l, n FROM lanes",
                "CREATE VIEW coins AS SELECT * FROM coin", "CREATE VIEW pairs AS SELECT l.n FROM lane l, coin c WHERE l.n = c.n",
            ]
            for statement in setup { #expect(try proxy.run(statement).error == nil, "\(statement)") }
            for refused in [
                "UPDATE coins SET n = 2", "DELETE FROM coins WHERE id = 1", "UPDATE lanes SET k = 6 WHERE k = 5", "UPDATE more_lanes SET l = 6 WHERE j = 5",
                "UPDATE more_lanes SET (n, j) = (1, 2)", "UPDATE pairs SET n = 3", "INSERT INTO coins VALUES (2, 2)",
                "WITH i AS (INSERT INTO coins VALUES (2, 2) RETURNING id) SELECT * FROM i",
                "WITH u AS (UPDATE coins SET n = 2 RETURNING n) UPDATE lane SET n = 2 WHERE user_id = 1",
                "WITH i AS (INSERT INTO lanes VALUES (1, 30)) INSERT INTO lane VALUES (1, 1)", "MERGE INTO lanes l USING coin c ON l.k = c.id WHEN MATCHED THEN DELETE",
            ] { #expect(try proxy.run(refused).state == "0A000", "\(refused)") }
            #expect(try cluster.onShards("SELECT * FROM coin") == [[["1", "1"]], [["1", "1"]]])
            #expect(try proxy.rows("SELECT count(*), sum(n), sum(user_id) FROM lane") == [["20", "210", "210"]])
            #expect(try proxy.run("DROP TABLE lane, coin CASCADE").error == nil)
        }

        /// Each shard evaluates WHERE for its own rows.
        @Test(.timeLimit(.minutes(1))) func copyWithConditionsThatDifferIsRefused() throws {
            let cluster = try SharedClusters.shared.get().two
            let proxy = try WireClient(port: cluster.port)
            let setup = [
                "DROP TABLE IF EXISTS lane, coin CASCADE", "CREATE TABLE lane (user_id int, made timestamptz)", "CREATE TABLE coin (id int PRIMARY KEY)",
                "CREATE OR REPLACE FUNCTION coins() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM coin'",
            ]
            for statement in setup { #expect(try proxy.run(statement).error == nil, "\(statement)") }
            for refused in [
                "COPY lane FROM STDIN WHERE made < now()", "COPY lane FROM STDIN WHERE made < 'now'", "COPY coin FROM STDIN WHERE random() < 0.5",
                "COPY coin FROM STDIN WHERE id > coins()", "COPY lane FROM STDIN (DEFAULT 'x')",
            ] { #expect(try proxy.run(refused).state == "0A000", "\(refused)") }
            try proxy.send(FrontendFrame.query("COPY coin FROM STDIN WHERE id % 2 = 1"))
            try proxy.send(FrontendFrame.copyData(Array("1\n2\n3\n".utf8)) + FrontendFrame.copyDone)
            #expect(try proxy.outcome().tags == ["COPY 2"])
            #expect(try cluster.onShards("SELECT * FROM coin ORDER BY 1") == [[["1"], ["3"]], [["1"], ["3"]]])
            #expect(try proxy.run("DROP TABLE lane, coin; DROP FUNCTION coins").error == nil)
        }

        /// Unique indexes hold for each shard's rows only.
        @Test(.timeLimit(.minutes(1))) func uniquenessThatCannotHoldIsRefused() throws {
            let proxy = try WireClient(port: try SharedClusters.shared.get().two.port)
            let setup = [
                "DROP TABLE IF EXISTS town, stay, folded", "CREATE TABLE town (code text PRIMARY KEY, tenant int)", "CREATE UNIQUE INDEX ON town (code) INCLUDE (tenant)",
                "CREATE COLLATION IF NOT EXISTS unlike (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
                "CREATE TABLE folded (user_id text)",
            ]
            for statement in setup { #expect(try proxy.run(statement).error == nil, "\(statement)") }
            for refused in [
                "CREATE TABLE stay (user_id int, LIKE town INCLUDING ALL)",
                "CREATE SCHEMA resort CREATE TABLE stay (user_id int, code text) CREATE UNIQUE INDEX one ON stay (code)",
                "ALTER TABLE town DROP CONSTRAINT town_pkey; SELECT create_distributed_table('town', 'tenant')",
                "CREATE UNIQUE INDEX ON folded (user_id COLLATE unlike)",
            ] { #expect(try proxy.run(refused).state == "0A000", "\(refused)") }
            for accepted in [
                "CREATE TABLE stay (user_id int, LIKE town)", "CREATE UNIQUE INDEX ON folded (user_id COLLATE \"C\")",
                "CREATE UNIQUE INDEX ON folded (user_id COLLATE pg_catalog.\"de-x-icu\")",
            ] { #expect(try proxy.run(accepted).error == nil, "\(accepted)") }
            #expect(try proxy.run("DROP TABLE town, stay, folded; DROP COLLATION unlike").error == nil)
        }

        /// What a column's default calls may read other shards' rows.
        @Test(.timeLimit(.minutes(1))) func defaultsOfOneShardAreReadBeforeTheyAreUsed() throws {
            let proxy = try WireClient(port: try SharedClusters.shared.get().two.port)
            let setup = [
                "DROP TABLE IF EXISTS purse; DROP FUNCTION IF EXISTS purses", "CREATE TABLE purse (user_id int, v bigint)",
                "CREATE FUNCTION purses() RETURNS bigint LANGUAGE plpgsql AS $$ DECLARE n bigint; BEGIN EXECUTE 'SELECT count(*) FROM purse' INTO n; RETURN n; END $$",
                "ALTER TABLE purse ALTER v SET DEFAULT purses()",
            ]
            for statement in setup { #expect(try proxy.run(statement).error == nil, "\(statement)") }
            #expect(try proxy.run("WITH w AS (SELECT 1) INSERT INTO purse (user_id, v) VALUES (1, DEFAULT)").state == "0A000")
            #expect(try proxy.run("WITH w AS (SELECT 1) INSERT INTO purse (user_id, v) VALUES (1, 5)").error == nil)
            #expect(try proxy.run("DROP TABLE purse; DROP FUNCTION purses").error == nil)
        }

        /// Such a statement may run itself: PostgreSQL ends that when its stack is full.
        @Test(.timeLimit(.minutes(1))) func anExecuteOfAnExecuteIsRefused() throws {
            let proxy = try WireClient(port: try SharedClusters.shared.get().four.port)
            try proxy.send(FrontendFrame.parse("again", [], "EXECUTE again") + FrontendFrame.sync)
            #expect(try proxy.outcome().error == nil)
            #expect(try proxy.run("EXECUTE again").state == "0A000")
            try proxy.send(FrontendFrame.bind("", "again", [], resultFormats: []) + FrontendFrame.execute("") + FrontendFrame.sync)
            #expect(try proxy.outcome().state == "0A000")
            #expect(try proxy.rows("SELECT 1") == [["1"]])
        }

        /// On the links statements have names of the proxy's.
        @Test(.timeLimit(.minutes(1))) func theProxysNamesOfStatementsAreItsOwn() throws {
            let cluster = try TestCluster(servers: try TestServers.shared.get().two, settings: ["proxy": ["pool_size = 1"]])
            let other = try WireClient(port: cluster.port)
            try other.send(FrontendFrame.parse("mine", [], "SELECT 7 AS seven") + FrontendFrame.sync)
            #expect(try other.outcome().error == nil)
            for number in 1...20 { #expect(try WireClient(port: cluster.port).run("PREPARE pgbraid_\(number) AS SELECT 1").state == "42939") }
            try other.send(FrontendFrame.bind("", "mine", [], resultFormats: []) + FrontendFrame.execute("") + FrontendFrame.sync)
            #expect(try other.outcome().rows == [["7"]])
        }

        /// What others prepare on a link, with their literals, is nobody's to see.
        @Test(.timeLimit(.minutes(1)), arguments: [
            "SELECT * FROM pg_prepared_statements", "SELECT count(*) FROM pg_catalog.pg_prepared_statements p WHERE p.name = 'x'",
            "COPY (TABLE pg_prepared_statements) TO STDOUT",
        ])
        func preparedStatementsOfOthersAreNotShown(statement: String) throws {
            #expect(try WireClient(port: try SharedClusters.shared.get().two.port).run(statement).state == "0A000")
        }

        /// Statements that end at once are run in a loop, not one within the other.
        @Test(.timeLimit(.minutes(1))) func aQueryMayHaveThousandsOfStatements() throws {
            let proxy = try WireClient(port: try SharedClusters.shared.get().two.port)
            #expect(try proxy.run(String(repeating: "BEGIN;COMMIT;", count: 30_000)).error == nil)
            #expect(try proxy.run(String(repeating: "DEALLOCATE ALL;", count: 30_000)).error == nil)
            #expect(try proxy.run(String(repeating: "SELECT 1 AS one, 2 AS two;NOTIFY nobody;", count: 50_000)).state == "54001")
            #expect(try proxy.rows("SELECT 1") == [["1"]])
        }

        /// Keys that ROLLUP makes NULL belong to no shard.
        @Test(.timeLimit(.minutes(1))) func noRowIsStoredWithoutAKey() throws {
            let proxy = try WireClient(port: try SharedClusters.shared.get().four.port)
            _ = try proxy.run("DROP TABLE IF EXISTS summed, summing; CREATE TABLE summed (user_id bigint, n bigint); CREATE TABLE summing (user_id bigint)")
            _ = try proxy.run("INSERT INTO summing SELECT i % 9 FROM generate_series(1, 50) i")
            for key in 1...8 {
                _ = try proxy.run("INSERT INTO summed SELECT user_id, count(*) FROM summing WHERE user_id = \(key) GROUP BY ROLLUP (user_id)")
            }
            let nulls = "SELECT count(*) FROM (SELECT user_id FROM summed WHERE user_id IS NULL GROUP BY user_id) q"
            #expect(try proxy.rows(nulls).allSatisfy { $0 == ["0"] || $0 == ["1"] })
            #expect(try SharedClusters.shared.get().four.onShards("SELECT count(*) FROM summed WHERE user_id IS NULL").count { $0 != [["0"]] } == 0)
        }

        /// Eight bytes of LIMIT may be a float.
        @Test(.timeLimit(.minutes(1))) func limitsAreReadAsWhatTheyAre() throws {
            let proxy = try WireClient(port: try SharedClusters.shared.get().four.port)
            _ = try proxy.run("DROP TABLE IF EXISTS lined; CREATE TABLE lined (user_id bigint); INSERT INTO lined SELECT generate_series(1, 90)")
            for (type, bytes) in [(UInt32(701), withUnsafeBytes(of: (10.0).bitPattern.bigEndian) { Array($0) }), (20, [0, 0, 0, 0, 0, 0, 0, 10]), (0, [0, 0, 0, 0, 0, 0, 0, 10])] {
                try proxy.send(
                    FrontendFrame.parse("", [type], "SELECT user_id FROM lined ORDER BY user_id LIMIT $1")
                        + FrontendFrame.bind("", "", [BoundValue(bytes: bytes, isBinary: true)], resultFormats: []) + FrontendFrame.execute("") + FrontendFrame.sync)
                let outcome = try proxy.outcome()
                #expect(outcome.state == "0A000" || outcome.rows.count == 10, "\(type): \(outcome)")
            }
        }

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
