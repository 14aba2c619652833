import ShardMap
import Testing

@testable import QueryPlanning

@Suite("Functions")
struct FunctionCatalogTests {
    let catalog: Catalog

    init() throws {
        var builder = CatalogFixture.shop()
        try builder.function("public", "touch", volatility: "v", arguments: "20")
        try builder.function("public", "twice", volatility: "i", arguments: "20")
        try builder.function("public", "lower", volatility: "i", arguments: "9001")
        try builder.function("hidden", "secret", volatility: "v", arguments: "")
        catalog = builder.build(rules: ShardingRules())
    }

    func facts(_ name: String, _ count: Int, types: [UInt32]? = nil, schema: String? = nil) -> FunctionFacts? {
        FunctionCatalog.lookup(
            schema: schema, name: name, argumentCount: count, argumentTypes: types, catalog: catalog,
            searchPath: ["pg_catalog", "public"])
    }

    @Test("effects of PostgreSQL's own functions", arguments: [
        ("abs", 1, FunctionEffect.none), ("now", 0, .transactionTime), ("random", 0, .freshValue), ("nextval", 1, .sequenceWrite),
        ("currval", 1, .sequenceRead), ("lastval", 0, .sequenceRead), ("set_config", 3, .setting),
        ("pg_advisory_lock", 1, .sessionAdvisoryLock), ("pg_try_advisory_xact_lock", 2, .transactionAdvisoryLock),
        ("pg_advisory_unlock_all", 0, .advisoryUnlock), ("pg_notify", 2, .notification),
        ("txid_current", 0, .assignsTransactionID), ("query_to_xml", 4, .executesText), ("table_to_xml", 4, .executesText),
        ("ts_stat", 1, .executesText), ("pg_relation_size", 1, .shardLocal), ("pg_terminate_backend", 1, .administrative),
        ("lo_create", 1, .largeObject), ("to_regclass", 1, .catalogRead), ("has_table_privilege", 2, .catalogRead),
        ("format_type", 2, .catalogRead), ("pg_is_in_recovery", 0, .shardLocal), ("current_setting", 1, .none),
        ("version", 0, .none), ("pg_backend_pid", 0, .shardLocal), ("pg_switch_wal", 0, .administrative),
    ])
    func effects(name: String, count: Int, effect: FunctionEffect) throws {
        #expect(try #require(facts(name, count)).effect == effect)
    }

    @Test("no volatile function of PostgreSQL is free")
    func volatileFunctions() {
        let free = BuiltInFunctions.byName.flatMap { name, functions in
            functions.filter { $0.volatility == .volatile }.map { function in
                (name, FunctionEffects.effect(name: name, argumentCount: function.argumentTypeOIDs.count, volatility: .volatile))
            }
        }.filter { $0.1 == .none }.map(\.0)
        #expect(free.isEmpty)
    }

    @Test("a call's own number of arguments decides: age(x) counts from today, age(x, y) does not")
    func age() {
        #expect(facts("age", 1)?.effect == .transactionTime)
        #expect(facts("age", 2)?.effect == FunctionEffect.none)
        #expect(facts("age", 3) == nil)
    }

    @Test("kinds, sets, strictness and result types come from the table")
    func table() {
        #expect(facts("count", 0)?.kind == .aggregate)
        #expect(facts("count", 1)?.combination == .count)
        #expect(facts("every", 1)?.combination == .boolAnd)
        #expect(facts("row_number", 0)?.kind == .window)
        #expect(facts("generate_series", 2)?.returnsSet == true)
        #expect(facts("concat", 7)?.isStrict == false)
        #expect(facts("char_length", 1)?.returnTypeOID == 23)
        #expect(facts("sum", 1)?.returnTypeOID == nil)
        #expect(facts("sum", 1, types: [23])?.returnTypeOID == 20)
        #expect(facts("make_interval", 0)?.volatility == .immutable)
        #expect(facts("nothing_of_the_kind", 0) == nil)
    }

    @Test("a function of the database is unknown unless it is marked IMMUTABLE")
    func ownFunctions() {
        #expect(facts("touch", 1)?.effect == .unknown)
        #expect(facts("touch", 1)?.isBuiltIn == false)
        #expect(facts("twice", 1)?.effect == FunctionEffect.none)
        #expect(facts("secret", 0) == nil)
        #expect(facts("secret", 0, schema: "hidden")?.effect == .unknown)
    }

    @Test("an overload of PostgreSQL's own name makes the call ambiguous until its types are known")
    func overloads() {
        #expect(facts("lower", 1)?.isBuiltIn == false)
        #expect(facts("lower", 1, types: [25])?.isBuiltIn == true)
        #expect(facts("lower", 1, schema: "pg_catalog")?.isBuiltIn == true)
    }

    @Test("session advisory locks pin the link")
    func pins() {
        #expect(facts("pg_advisory_lock", 1)?.pins == .sessionAdvisoryLock)
        #expect(facts("pg_advisory_xact_lock", 1)?.pins == [])
    }
}

extension CatalogBuilder {
    mutating func function(_ schema: String, _ name: String, volatility: String, arguments: String) throws {
        try add(.functions, row: [
            "20000", schema, name, "f", volatility, "f", "f", arguments, "0", "f", "20", "plpgsql", "begin execute x; end", "f", nil, nil,
        ])
    }
}
