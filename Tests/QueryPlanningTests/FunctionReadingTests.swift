import ShardMap
import Testing

@testable import QueryPlanning

@Suite("Reading functions")
struct FunctionReadingTests {
    /// What is known of a function with this body, in a database with orders (sharded) and countries (reference).
    func known(
        _ body: String, language: String = "sql", comment: String? = nil, extensionName: String? = nil, with others: [(String, String)] = []
    ) throws -> KnownFunction? {
        var builder = CatalogFixture.shop()
        for (name, body) in others + [("subject", body)] {
            try builder.add(.functions, row: [
                "20000", "public", name, "f", "v", "f", "f", "", "0", "f", "20", language, body, "f", extensionName, comment,
            ])
        }
        return builder.build(rules: ShardingRules()).facts.functions["subject"]?.first?.known
    }

    @Test("a body of SQL that only computes, or reads reference tables, is known", arguments: [
        ("SELECT $1 || upper($2)", FunctionEffect.none, Volatility.immutable),
        ("SELECT name FROM countries WHERE code = $1", .none, .stable),
        ("WITH c AS (SELECT 1) SELECT * FROM c, public.countries", .none, .stable), ("SELECT now()", .transactionTime, .stable),
        ("SELECT random() * count(*) FROM countries", .freshValue, .volatile), ("BEGIN ATOMIC\n SELECT ($1 + 1);\nEND", .none, .immutable),
        ("RETURN ($1 + 1)", .none, .immutable),
    ])
    func sql(body: String, effect: FunctionEffect, volatility: Volatility) throws {
        let found = try known(body)
        #expect(found?.effect == effect)
        #expect(found?.volatility == volatility)
    }

    @Test("a body of SQL that does more stays unknown", arguments: [
        "SELECT count(*) FROM orders", "SELECT * FROM nowhere", "INSERT INTO countries VALUES ('x') RETURNING 1", "SELECT nextval('s')",
        "WITH d AS (DELETE FROM countries RETURNING 1) SELECT * FROM d", "SELECT code FROM countries FOR UPDATE", "SELECT set_config('a.b', '', true)",
        "SELECT missing($1)", "not SQL", "SELECT 1; UPDATE countries SET name = ''", "SELECT query_to_xml('', true, true, '')",
    ])
    func unknownSQL(body: String) throws { #expect(try known(body) == nil) }

    @Test("PL/pgSQL that reaches no table is known", arguments: [
        ("BEGIN NEW.changed = now(); RETURN NEW; END", FunctionEffect.transactionTime), ("BEGIN IF a IS DISTINCT FROM b THEN RETURN 1; END IF; END", .none),
        ("BEGIN RETURN extract(year FROM a) + greatest(1, round(b)); END", .none), ("BEGIN RETURN gen_random_uuid(); END", .freshValue),
        ("BEGIN RAISE EXCEPTION 'drop table %', a; END", .none),
    ])
    func plpgsql(body: String, effect: FunctionEffect) throws { #expect(try known(body, language: "plpgsql")?.effect == effect) }

    @Test("PL/pgSQL with a word that may reach a table stays unknown", arguments: [
        "BEGIN RETURN (SELECT count(*) FROM countries); END", "BEGIN EXECUTE a; END", "BEGIN PERFORM f(); END", "BEGIN UPDATE t SET a = 1; END",
        "BEGIN RETURN nextval('s'); END", "BEGIN RETURN other(1); END", "BEGIN RETURN row.other; END", "DECLARE c CURSOR FOR TABLE t; BEGIN OPEN c; END",
        "BEGIN RETURN U&\"oth\\0065r\"(1); END",
    ])
    func unknownPLpgSQL(body: String) throws {
        #expect(try known(body, language: "plpgsql", with: [("other", "BEGIN EXECUTE ''; END")]) == nil)
    }

    @Test("functions that call each other are settled")
    func nested() throws {
        #expect(try known("SELECT helper()", with: [("helper", "SELECT $1 + 1")])?.effect == FunctionEffect.none)
        #expect(try known("SELECT helper()", with: [("helper", "SELECT count(*) FROM orders")]) == nil)
        #expect(try known("SELECT subject()") == nil)
    }

    @Test("a function that reads a table by the name of a temporary one is unknown to that session")
    func shadowed() throws {
        var builder = CatalogFixture.shop()
        for (name, body) in [
            ("near", "SELECT count(*) FROM countries"), ("far", "SELECT near()"), ("exact", "SELECT count(*) FROM public.countries"),
        ] {
            try builder.add(.functions, row: [
                "20000", "public", name, "f", "s", "f", "f", "", "0", "f", "20", "sql", body, "f", nil, nil,
            ])
        }
        let catalog = builder.build(rules: ShardingRules())
        func isRefused(_ text: String, besides temporaryTables: [String]) throws -> Bool {
            let environment = PlanningEnvironment(
                catalog: catalog, searchPath: ["pg_catalog", "public"], number: 1, temporaryTables: temporaryTables, shardCount: 4)
            let plan = try GoldenCatalog.analyser.analyse(text: text, parameterTypes: [], environment: environment, acrossShards: false)[0].plan
            if case .refuse = plan.action { return true }
            return false
        }
        for name in ["near", "far", "exact"] {
            let text = "SELECT count(*) FROM orders WHERE user_id > \(name)()"
            #expect(try !isRefused(text, besides: []), "\(name)")
            #expect(try !isRefused(text, besides: ["other"]), "\(name)")
            #expect(try isRefused(text, besides: ["countries"]) == (name != "exact"), "\(name)")
        }
    }

    /// Where a call goes in a database with orders (sharded by user_id) and orders_of(bigint), declared by the comment.
    func route(_ text: String, comment: String, types: [UInt32] = []) throws -> String {
        var builder = CatalogFixture.shop()
        try builder.add(.functions, row: [
            "20000", "public", "orders_of", "f", "v", "f", "f", "25,20", "0", "f", "20", "c", "orders_of", "f", nil, comment,
        ])
        let environment = PlanningEnvironment(
            catalog: builder.build(rules: ShardingRules()), searchPath: ["pg_catalog", "public"], number: 1, temporaryTables: [], shardCount: 4)
        let plan = try GoldenCatalog.analyser.analyse(text: text, parameterTypes: types, environment: environment, acrossShards: false)[0].plan
        switch plan.action {
        case .passThrough(.keys(let conditions)): return conditions.flatMap(\.operands).map { "\($0)" }.joined(separator: ", ")
        case .refuse(let refusal): return refusal.message
        default: return "\(plan.action)"
        }
    }

    @Test("a call of a function declared to read by key goes to the key's shard")
    func keyedCalls() throws {
        let comment = "Counts. pgbraid: key = argument 2"
        #expect(try route("SELECT orders_of('x', 15)", comment: comment) == "literal(offset: 22)")
        #expect(try route("SELECT * FROM orders_of('x', $1) f, countries", comment: comment) == "parameter(1)")
        #expect(try route("SELECT orders_of('x', $1::bigint)", comment: comment, types: [20]) == "parameter(1)")
        for (refused, reason) in [
            ("SELECT orders_of('x', 15), orders_of('x', 16)", "belongs to one shard"), ("SELECT orders_of('x', code) FROM countries", "reads by key"),
            ("SELECT orders_of('x', 1.5)", "reads by key"), ("SELECT orders_of('x', 10 + 5)", "reads by key"),
            ("SELECT orders_of('x', 15), nextval('s')", "belongs to one shard"),
        ] {
            #expect(try route(refused, comment: comment).contains(reason), "\(refused)")
        }
        for other in ["pgbraid: key = argument 3", "pgbraid: key = argument 0", "pgbraid: key = argument", "key = argument 2"] {
            #expect(try route("SELECT orders_of('x', 15)", comment: other) == "it is not known which tables function orders_of reads")
        }
    }

    @Test("a call of a function declared local goes where the transaction writes")
    func localCalls() throws {
        #expect(try route("SELECT orders_of('x', 15)", comment: "pgbraid: local").contains("writer"))
        #expect(try route("SELECT orders_of('x', user_id) FROM orders", comment: "pgbraid: local").contains("belongs to one shard"))
    }

    @Test("a declaration in the comment counts, and only there")
    func declarations() throws {
        #expect(try known("", language: "c", comment: "Tells. pgbraid: reads none")?.effect == .freshValue)
        #expect(try known("", language: "c", comment: "pgbraid: reads reference;")?.effect == .freshValue)
        #expect(try known("", language: "c", comment: "pgbraid: reads everything") == nil)
        #expect(try known("", language: "c") == nil)
        #expect(try known("", language: "c", extensionName: "pgcrypto")?.effect == .freshValue)
        #expect(try known("", language: "c", extensionName: "dblink") == nil)
    }
}
