// The builder's tests hold rows as the questions answer them; the questions themselves are tried on a real server by
// the integration tests.
import ShardMap
import Testing

@testable import QueryPlanning

@Suite("Building the catalog")
struct CatalogBuilderTests {
    @Test("a table with the default key column is sharded by it, another is a reference table")
    func defaultRule() throws {
        let catalog = CatalogFixture.shop().build(rules: ShardingRules())
        #expect(catalog.relation(schema: "public", name: "orders", searchPath: [])?.placement
            == .sharded(keyColumn: 1, KeyPlacement(keyType: .int8, method: .hash)))
        #expect(catalog.relation(schema: "public", name: "countries", searchPath: [])?.placement == .reference)
    }

    @Test("a partition goes with its parent, by the parent's rule and its own column order")
    func partition() throws {
        var builder = CatalogFixture.shop()
        try builder.table(100, "visits", kind: "p", columns: ["site bigint", "account integer"])
        try builder.table(101, "visits_2024", parents: "100", isPartition: true, columns: ["account integer", "site bigint"])
        let rule = TableRule(name: TableName(schema: nil, table: "visits"), kind: .sharded(keyColumn: "account", method: .modulo))
        let catalog = builder.build(rules: try ShardingRules(tables: [rule]))
        let placement = KeyPlacement(keyType: .int4, method: .modulo)
        #expect(catalog.relation(oid: 100)?.placement == .sharded(keyColumn: 1, placement))
        #expect(catalog.relation(oid: 101)?.placement == .sharded(keyColumn: 0, placement))
    }

    @Test("an inheritance child that adds the key column to a reference parent is not served")
    func inheritance() throws {
        var builder = CatalogFixture.shop()
        try builder.table(100, "places", columns: ["id bigint"])
        try builder.table(101, "homes", parents: "100", columns: ["id bigint", "user_id bigint"])
        let catalog = builder.build(rules: ShardingRules())
        #expect(catalog.relation(oid: 101)?.placement
            == .unusable("the table and its parent \"places\" are placed differently"))
    }

    @Test("a key that cannot be hashed as PostgreSQL compares it makes its table unusable, with the reason")
    func unusableKeys() throws {
        var builder = CatalogFixture.shop()
        try builder.table(100, "floats", columns: ["user_id double precision"])
        try builder.table(101, "blurred", columns: ["user_id text/blind"])
        try builder.table(102, "made", columns: ["user_id bigint generated"])
        let catalog = builder.build(rules: ShardingRules())
        #expect(catalog.relation(oid: 100)?.placement == .unusable(
            "its sharding key \"user_id\" has type float8; possible are smallint, integer, bigint, text, varchar and uuid"))
        #expect(catalog.relation(oid: 101)?.placement
            == .unusable("its sharding key \"user_id\" has a nondeterministic collation"))
        #expect(catalog.relation(oid: 102)?.placement == .unusable("its sharding key \"user_id\" is a generated column"))
    }

    @Test("system schemas and the proxy's own are read on the catalog shard")
    func systemSchemas() throws {
        var builder = CatalogFixture.shop()
        try builder.table(100, "pg_class", schema: "pg_catalog", columns: ["oid oid"])
        try builder.table(101, "decision", schema: "pgbraid", columns: ["user_id bigint"])
        let catalog = builder.build(rules: ShardingRules())
        #expect(catalog.relation(oid: 100)?.placement == .system)
        #expect(catalog.relation(oid: 101)?.placement == .system)
    }

    @Test("the primary key is given by column positions even after a column was dropped")
    func primaryKey() throws {
        var builder = CatalogFixture.shop()
        try builder.add(.relations, row: ["100", "public", "gap", "r", nil, "f", "f", "f", "f", nil, "f", "3,1"])
        try builder.column("100", 1, "a bigint")
        try builder.column("100", 3, "c bigint")
        #expect(builder.build(rules: ShardingRules()).relation(oid: 100)?.primaryKey == [1, 0])
    }

    @Test("a foreign key is known on both of its tables")
    func foreignKey() throws {
        var builder = CatalogFixture.shop()
        try builder.add(.constraints, row: ["11", "orders_country", "f", "3", "12", "1", "cn", "3"])
        let catalog = builder.build(rules: ShardingRules())
        #expect(catalog.relation(oid: 11)?.constraints == [
            RelationConstraint(
                name: "orders_country", kind: .foreignKey, columnNumbers: [3], referencedTable: 12, referencedColumnNumbers: [1], updateAction: "c",
                deleteAction: "n", overwrittenColumnNumbers: [3])
        ])
        #expect(catalog.relation(oid: 12)?.referencingTables == [11])
    }

    @Test("enum labels keep their order")
    func enumLabels() throws {
        var builder = CatalogFixture.shop()
        try builder.add(.types, row: ["500", "public", "mood", "e", "E", "0", "-1", "0", "501", "0", nil, "f", "t", "f"])
        for label in ["sad", "ok", "happy"] { try builder.add(.enumLabels, row: ["500", label]) }
        let facts = builder.build(rules: ShardingRules()).facts
        #expect(facts.type(schema: nil, name: "mood", searchPath: ["public"])?.enumLabels == ["sad", "ok", "happy"])
        #expect(facts.type(schema: nil, name: "mood", searchPath: ["pg_catalog"]) == nil)
    }

    @Test("a row of the wrong shape is an error that names the question and the column")
    func wrongShape() {
        var builder = CatalogBuilder()
        #expect(throws: CatalogError.self) { try builder.add(.schemas, row: ["a", "b"]) }
        let error = #expect(throws: CatalogError.self) { try builder.add(.enumLabels, row: ["x", "b"]) }
        #expect(error?.description == "catalog question \"enumLabels\" was answered with \"x\" in column 1")
    }
}

@Suite("Search path")
struct CatalogSearchPathTests {
    let schemas: Set<String> = ["pg_catalog", "public", "anna", "My Schema", "say\"so"]

    @Test("pg_catalog comes first unless it is named", arguments: [
        ("\"$user\", public", ["pg_catalog", "anna", "public"]),
        ("public, pg_catalog", ["public", "pg_catalog"]),
        ("PUBLIC,\"My Schema\" , \"say\"\"so\"", ["pg_catalog", "public", "My Schema", "say\"so"]),
        ("nowhere, pg_temp, public, public", ["pg_catalog", "pg_temp", "public"]), ("public, pg_temp", ["pg_catalog", "public", "pg_temp"]),
        ("", ["pg_catalog"]), ("\"\"", ["pg_catalog"]),
    ])
    func resolve(setting: String, path: [String]) {
        #expect(SearchPath.resolve(setting, user: "anna", schemas: schemas) == path)
    }

    @Test("a malformed list is refused", arguments: ["public,", "\"open", "a b", ","])
    func malformed(setting: String) {
        #expect(SearchPath.resolve(setting, user: "anna", schemas: schemas) == nil)
    }
}
