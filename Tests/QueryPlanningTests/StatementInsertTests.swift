import ShardMap
import Testing

@testable import QueryPlanning

@Suite("INSERT")
struct StatementInsertTests {
    let world: StatementWorld

    init() throws { world = try StatementWorld() }

    @Test("a row goes to the shard of its key, read where it stands", arguments: [
        ("INSERT INTO items VALUES (5, 1)", "pass key! @26, writes"),
        ("INSERT INTO items (item_id, user_id) VALUES (1, $2)", "pass key! $2, writes"),
        ("INSERT INTO items (item_id, user_id) VALUES (1, $2::int)", "pass key! $2, writes"),
        ("INSERT INTO items (item_id, user_id) VALUES (1, -7) RETURNING *", "pass key! @48, writes"),
        ("INSERT INTO items (item_id, user_id) VALUES (1, '42')", "pass key! @48, writes"),
        ("INSERT INTO items (item_id, user_id) VALUES (1, E'\\x34')", "pass key! 4, writes"),
        ("INSERT INTO items (item_id, user_id) VALUES (1, 3.00)", "pass key! 3, writes"),
        ("INSERT INTO items (item_id, user_id) VALUES (1, '9'::bigint)", "pass key! 9, writes"),
        ("INSERT INTO items (item_id, user_id) VALUES (1, 2 + 3 * 4)", "pass key! 14, writes"),
        ("INSERT INTO items (item_id, user_id) VALUES (1, -(5))", "pass key! @48, writes"),
        ("INSERT INTO names (user_id) VALUES ('it''s')", "pass key! it's, writes"),
        ("INSERT INTO names (user_id) VALUES (17)", "pass key! 17, writes"),
        ("INSERT INTO names (value) VALUES ('x')", "pass key! none, writes"),
        ("INSERT INTO names DEFAULT VALUES", "pass key! none, writes"),
        ("INSERT INTO names (user_id) VALUES (DEFAULT)", "pass key! none, writes"),
        ("INSERT INTO codes (user_id) VALUES ('abcd  ')", "pass key! @36 up to 4, writes"),
        ("INSERT INTO codes (user_id) VALUES ($1)", "pass key! $1 up to 4, writes"),
        (
            "INSERT INTO tokens VALUES ('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11')", "pass key! @27, writes"
        ),
        ("INSERT INTO items VALUES (5, nextval('s'))", "pass key! @26, writes"),
        ("INSERT INTO items VALUES (5, 1, (SELECT max(name) FROM countries), now())", "pass key! @26, writes"),
        ("INSERT INTO items VALUES (5, 1) ON CONFLICT (user_id, item_id) DO UPDATE SET name = excluded.name", "pass key! @26, writes"),
        ("INSERT INTO items VALUES (1, 1), (2, 2)", "pass key! @26 @34, writes"),
    ])
    func keys(text: String, plan: String) {
        #expect(world.plan(text) == plan)
    }

    @Test("rows of several shards are split by their text")
    func split() {
        #expect(
            world.plan(
                "INSERT INTO items (user_id, name, made) VALUES (1, '),(', NULL) /* ) */ , ($2, 'b', NULL) RETURNING item_id",
                acrossShards: true)
                == "rows [INSERT INTO items (user_id, name, made) VALUES |(1, '),(', NULL)|($2, 'b', NULL)| RETURNING item_id] 1 $2, writes")
        #expect(
            world.plan("INSERT INTO orders VALUES (1, 2), (1, 3) ON CONFLICT DO NOTHING", acrossShards: true)
                == "rows [INSERT INTO orders VALUES |(1, 2)|(1, 3)| ON CONFLICT DO NOTHING] 2 3, writes")
    }

    @Test("what is not certain is refused", arguments: [
        ("INSERT INTO items (item_id) VALUES (1)", "23502 null value in column \"user_id\" of relation \"items\" violates not-null constraint"),
        ("INSERT INTO items VALUES (NULL, 1)", "23502 null value in column \"user_id\" of relation \"items\" violates not-null constraint"),
        ("INSERT INTO orders VALUES (1, NULL)", "0A000 null value in the sharding key \"user_id\" of table \"orders\""),
        ("INSERT INTO items VALUES (1.5, 1)", "0A000 the value of sharding key \"user_id\" cannot be read"),
        ("INSERT INTO items VALUES (99999999999999999999, 1)", "22003 bigint out of range"),
        ("INSERT INTO items VALUES (true, 1)", "0A000 the value of sharding key \"user_id\" cannot be read"),
        ("INSERT INTO items VALUES ('x', 1)", "22P02 invalid input syntax for type bigint: \"x\""),
        (
            "INSERT INTO items VALUES (abs(-5), 1)",
            "0A000 the sharding key \"user_id\" of table \"items\" must be a literal or a parameter"
        ),
        ("INSERT INTO codes (user_id) VALUES ('abcde')", "22001 value too long for type character varying(4)"),
        ("INSERT INTO items VALUES (1, 2), (3)", "42601 VALUES lists must all be the same length"),
        ("INSERT INTO items (user_id) VALUES (1, 2)", "42601 INSERT has more expressions than target columns"),
        ("INSERT INTO items (user_id, item_id) VALUES (1)", "42601 INSERT has more target columns than expressions"),
        ("INSERT INTO items (user_id, nothing) VALUES (1, 2)", "42703 column \"nothing\" of relation \"items\" does not exist"),
        ("INSERT INTO items (user_id, user_id) VALUES (1, 2)", "42701 column \"user_id\" specified more than once"),
        ("INSERT INTO nowhere VALUES (1)", "42P01 relation \"nowhere\" does not exist"),
        ("INSERT INTO events VALUES (1)", "0A000 INSERT into view \"events\" is not supported"),
        ("INSERT INTO pg_class VALUES (1)", "42501 permission denied for table pg_class"),
        (
            "INSERT INTO floats VALUES (1)",
            "0A000 table \"floats\" cannot be written: its sharding key \"user_id\" has type float8; possible are smallint, integer, bigint, text, varchar and uuid"
        ),
        (
            "INSERT INTO items VALUES (1, currval('s'))",
            "0A000 currval and lastval are not supported in an INSERT: another server may have drawn the value"
        ),
        ("INSERT INTO items VALUES (1, set_config('a.b', 'c', false)::int)", "0A000 a function in the INSERT into \"items\" acts on one server only"),
        (
            "INSERT INTO items VALUES (1, pg_try_advisory_xact_lock(4)::int)", "0A000 a function in the INSERT into \"items\" acts on one server only"
        ),
        ("INSERT INTO items SELECT 1, 2 FROM pg_notify('a', 'b')", "0A000 a function in the INSERT into \"items\" acts on one server only"),
        ("INSERT INTO items VALUES (5, nextval('s'), touch(1))", "0A000 it is not known which tables a function in the INSERT into \"items\" reads"),
        ("INSERT INTO items VALUES (1, (SELECT count(*) FROM orders))", "0A000 subqueries in an INSERT may read reference tables only"),
        ("INSERT INTO settings (name) VALUES ('a') RETURNING now()", "0A000 INSERT into reference table \"settings\" may store different rows on each shard"),
        (
            "INSERT INTO items VALUES (1, 2) ON CONFLICT (user_id, item_id) DO UPDATE SET user_id = 6",
            "0A000 ON CONFLICT DO UPDATE cannot change the sharding key \"user_id\""
        ),
    ])
    func refused(text: String, error: String) { #expect(world.plan(text) == "REFUSED " + error) }

    @Test("errors point where PostgreSQL's do", arguments: [
        ("INSERT INTO items VALUES ('x', 4)", 27), ("INSERT INTO items VALUES (1,2),(3)", 33),
        ("INSERT INTO items (user_id, item_id) VALUES (1,2,3)", 50), ("INSERT INTO items (user_id, item_id) VALUES (1)", 29),
        ("INSERT INTO items (user_id, nope) VALUES (1, 2)", 29), ("/* \u{e4} */ INSERT INTO nowhere VALUES (1)", 21),
    ])
    func positions(text: String, position: Int) throws {
        let refusal = #expect(throws: Refusal.self) { try world.planned(text) }
        #expect(refusal?.position == position)
    }

    @Test("rows for several shards must not hold what differs between them", arguments: [
        ("INSERT INTO orders VALUES (1, 1, touch(1)), (2, 2, 'b')", "it is not known which tables a function in the INSERT into \"orders\" reads"),
    ])
    func differingRows(text: String, error: String) { #expect(world.plan(text, acrossShards: true) == "REFUSED 0A000 " + error) }

    @Test("a reference table is written on all shards when every value is certain", arguments: [
        ("INSERT INTO countries VALUES ('de', $1), ('fr', upper('f'))", "modify all first, writes"),
        ("INSERT INTO settings (id, name, changed) VALUES (1, 'a', '2024-01-01')", "modify all first, writes"),
        ("INSERT INTO countries SELECT 'de', x FROM unnest(ARRAY['a']) AS x", "modify all first, writes"),
        ("INSERT INTO countries VALUES ('de') ON CONFLICT (code) DO UPDATE SET name = excluded.name RETURNING *, now(), random()", "modify all first, writes"),
    ])
    func reference(text: String, plan: String) { #expect(world.plan(text) == plan) }

    @Test("a reference table's rows must not differ between the shards", arguments: [
        "INSERT INTO settings (id, name, changed) VALUES (touch(1), 'a', NULL)", "INSERT INTO watched VALUES (1)",
        "INSERT INTO countries VALUES ('de', random()::text) ON CONFLICT (code) DO UPDATE SET name = random()::text",
        "INSERT INTO countries VALUES ('de', random()::text), ('fr', 'x')", "INSERT INTO countries VALUES ('de', random()::text), (DEFAULT, 'x')",
    ])
    func differingReference(text: String) {
        #expect(world.plan(text).hasSuffix("may store different rows on each shard"))
    }

    @Test("rows of a reference table that are not certain are made by one shard, then inserted on all", arguments: [
        ("INSERT INTO settings (id, name, changed) VALUES (1, random()::text, NULL)",
            "fetch [VALUES (1, random()::text, NULL)] for [INSERT INTO settings (id, name, changed) |] untyped [2], writes"),
        ("INSERT INTO countries SELECT name FROM countries LIMIT 1", "fetch [SELECT name FROM countries LIMIT 1] for [INSERT INTO countries |] untyped [], writes"),
        ("INSERT INTO countries SELECT string_agg(name, '') FROM countries RETURNING *",
            "fetch [SELECT string_agg(name, '') FROM countries] for [INSERT INTO countries | RETURNING *] untyped [], writes"),
        ("INSERT INTO countries SELECT user_id, 'x' FROM orders", "fetch [SELECT user_id, 'x' FROM orders] for [INSERT INTO countries |] untyped [1], writes"),
    ])
    func fetchedReference(text: String, plan: String) { #expect(world.plan(text) == plan) }

    @Test("INSERT ... SELECT stays where its rows are", arguments: [
        ("WITH x AS (SELECT user_id AS u FROM items) INSERT INTO orders (user_id) SELECT u FROM x", "modify all sum, writes"),
        ("INSERT INTO orders (user_id) SELECT user_id FROM items UNION SELECT user_id FROM orders", "modify all sum, writes"),
        ("INSERT INTO orders (user_id, amount) SELECT user_id, count(*) FROM items JOIN orders USING (user_id) GROUP BY 1", "modify all sum, writes"),
        ("WITH gone AS (DELETE FROM items RETURNING *) INSERT INTO orders (user_id, amount) SELECT user_id, item_id FROM gone", "modify all sum, writes"),
        ("INSERT INTO orders (user_id, amount) SELECT user_id, 1 FROM items", "modify all sum, writes"),
        ("INSERT INTO items SELECT * FROM items", "modify all sum, writes"),
        ("INSERT INTO orders (user_id) SELECT i.user_id FROM items i WHERE i.user_id = $1", "pass key $1, writes"),
        ("INSERT INTO orders (user_id, country) SELECT 5, code FROM countries", "pass key! 5, writes"),
        ("INSERT INTO orders (user_id, amount) SELECT $1, item_id FROM items WHERE user_id = $1", "pass key! $1, writes"),
        ("INSERT INTO orders (user_id, amount) SELECT 7, item_id FROM items WHERE user_id = 7", "pass key! 7, writes"),
    ])
    func insertSelect(text: String, plan: String) { #expect(world.plan(text) == plan) }

    @Test("INSERT ... SELECT that moves rows fetches them first", arguments: [
        ("INSERT INTO orders (user_id) SELECT item_id FROM items", "fetch [SELECT item_id FROM items] for [INSERT INTO orders (user_id) |] untyped []"),
        ("INSERT INTO orders (user_id, country) SELECT item_id, 'x' FROM items RETURNING 1",
            "fetch [SELECT item_id, 'x' FROM items] for [INSERT INTO orders (user_id, country) | RETURNING 1] untyped [1]"),
        ("INSERT INTO pgbench_accounts SELECT g, 1, 0, NULL FROM generate_series(1, $1) g ON CONFLICT DO NOTHING",
            "fetch [SELECT g, 1, 0, NULL FROM generate_series(1, $1) g] for [INSERT INTO pgbench_accounts | ON CONFLICT DO NOTHING] untyped [3]"),
        ("INSERT INTO orders (user_id) SELECT user_id FROM items UNION SELECT item_id FROM items",
            "fetch [SELECT user_id FROM items UNION SELECT item_id FROM items] for [INSERT INTO orders (user_id) |] untyped []"),
        ("INSERT INTO orders (user_id) SELECT $1 FROM countries", "pass key! $1, writes"),
    ])
    func movingSelect(text: String, plan: String) { #expect(world.plan(text).hasPrefix(plan), "\(world.plan(text))") }

    @Test("rows do not stay where they are read for what only looks like their key, or where more than the row is read", arguments: [
        "INSERT INTO items (user_id, item_id) SELECT 1, 0 ON CONFLICT (user_id, item_id) DO UPDATE SET name = (SELECT max(name) FROM items)",
        "INSERT INTO items (user_id, name) SELECT 7, 'x' RETURNING (SELECT count(*) FROM items)",
        "INSERT INTO orders (user_id) SELECT user_id FROM items WHERE user_id = 5 RETURNING (SELECT count(*) FROM orders)",
        "INSERT INTO orders (user_id) WITH items AS (SELECT 7 AS user_id FROM orders WHERE user_id = 5) SELECT user_id FROM items",
        "WITH items AS (SELECT 7 AS user_id FROM orders WHERE user_id = 5) INSERT INTO orders (user_id) SELECT user_id FROM items",
    ])
    func misleadingSelect(text: String) {
        let plan = world.plan(text)
        #expect(!plan.hasPrefix("pass key") && !plan.hasPrefix("modify"), "\(plan)")
    }

    @Test("rows are not fetched where that would change them", arguments: [
        "INSERT INTO orders (user_id) SELECT item_id FROM items FOR UPDATE",
        "INSERT INTO orders (user_id, country) SELECT *, 'x' FROM (SELECT item_id FROM items) i",
        "INSERT INTO orders (user_id) SELECT item_id FROM items RETURNING $1",
        "WITH x AS (SELECT item_id AS u FROM items) INSERT INTO orders (user_id) SELECT u FROM x",
        "INSERT INTO orders (user_id) SELECT lastval() FROM items",
    ])
    func unmovedSelect(text: String) { #expect(world.plan(text).hasPrefix("REFUSED 0A000"), "\(world.plan(text))") }

    @Test("rows become values of the types they had")
    func fetchedText() throws {
        let plan = FetchedInsertPlan(
            query: "", textBefore: "INSERT INTO t", textAfter: "RETURNING a", untypedColumns: [1], columnCount: 3, namesColumns: true,
            hasReturning: true, updatesOnConflict: false)
        let types = try plan.typeNames([23, 25, 1009])
        // A backslash and a quote with a combining mark behind them are still what they are.
        let rows = [["5", "it's", nil], [nil, "\\\u{301}'\u{301}", "{a,b}"]]
        let text = plan.text(rows: rows, typeNames: types)
        #expect(text.utf8.elementsEqual("""
            INSERT INTO t VALUES (CAST('5' AS pg_catalog."int4"), 'it''s', CAST(NULL AS pg_catalog."_text")), \
            (CAST(NULL AS pg_catalog."int4"), E'\\\\\u{301}''\u{301}', CAST('{a,b}' AS pg_catalog."_text")) RETURNING a
            """.utf8), "\(text)")
        #expect(plan.text(rows: [], typeNames: types) ==
            #"INSERT INTO t SELECT CAST(NULL AS pg_catalog."int4"), NULL, CAST(NULL AS pg_catalog."_text") WHERE false RETURNING a"#)
        #expect(throws: Refusal.self) { try plan.typeNames([23, 25]) }
        #expect(throws: Refusal.self) { try plan.typeNames([23, 25, 25, 25]) }
        #expect(throws: Refusal.self) { try plan.typeNames([23, 25, 16500]) }
    }

    @Test("WITH, subqueries and joins pass when all of them is confined to one shard", arguments: [
        ("WITH x AS (SELECT 1 AS a) INSERT INTO items (user_id, item_id) SELECT 5, a FROM x", true),
        ("WITH n AS (INSERT INTO items VALUES ($1, 1) RETURNING user_id) INSERT INTO orders (user_id, order_id) SELECT user_id, 2 FROM n WHERE user_id = $1", true),
        ("INSERT INTO items VALUES ($1, (SELECT max(item_id) + 1 FROM items WHERE user_id = $1))", true),
        ("INSERT INTO orders (user_id, amount) SELECT i.user_id, count(*) FROM items i JOIN orders o USING (user_id) WHERE i.user_id = 5 GROUP BY 1", true),
        ("INSERT INTO orders (user_id, amount) SELECT 7, item_id FROM items WHERE user_id = 8", true),
        ("WITH x AS (DELETE FROM items RETURNING item_id AS u) INSERT INTO orders (user_id) SELECT u FROM x", false),
        ("INSERT INTO items VALUES ($1, (SELECT max(item_id) FROM items))", false),
        ("INSERT INTO items VALUES ($1, (SELECT max(item_id) FROM items WHERE user_id = $1)) RETURNING (SELECT count(*) FROM items)", false),
        ("WITH c AS (INSERT INTO countries VALUES ('x') RETURNING 1) INSERT INTO items VALUES (5, 1)", false),
        ("INSERT INTO items VALUES (5, 1, (SELECT name FROM items WHERE user_id = 5)) ON CONFLICT (user_id, item_id) DO UPDATE SET user_id = 6", false),
    ])
    func confined(text: String, passes: Bool) throws {
        let plan = world.plan(text)
        #expect(passes ? plan.hasPrefix("pass ") : plan.hasPrefix("REFUSED 0A000"), "\(plan)")
    }

    @Test("a temporary table takes values and reference rows")
    func temporary() {
        #expect(world.plan("INSERT INTO scratch VALUES (1)") == "pass home, writes, pins temporary")
        #expect(world.plan("INSERT INTO scratch SELECT * FROM countries") == "pass home, writes, pins temporary")
        #expect(
            world.plan("INSERT INTO scratch SELECT * FROM items")
                == "REFUSED 0A000 rows of \"items\" cannot be copied into a temporary table by one statement")
    }

    @Test("one shard alone is one PostgreSQL: everything passes through")
    func onlyShard() throws {
        let world = try StatementWorld(shardCount: 1)
        #expect(world.plan("INSERT INTO settings (name) VALUES ('a')") == "pass any, writes")
        #expect(world.plan("INSERT INTO items SELECT g, g FROM generate_series(1, 5) g") == "pass any, writes")
        #expect(world.plan("COPY floats FROM STDIN") == "pass any, writes, copy in")
        #expect(world.plan("ALTER TABLE items ADD UNIQUE (item_id)") == "pass any, writes, catalog")
        #expect(world.plan("DO $$ begin end $$") == "pass any, writes, catalog, taints")
    }
}
