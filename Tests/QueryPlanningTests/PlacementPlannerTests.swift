// What create_distributed_table and its kin come to, from the statement to the SQL for the shards.
import Testing

@testable import QueryPlanning
@testable import ShardMap

@Suite("Placing tables by SQL")
struct PlacementPlannerTests {
    let world: StatementWorld

    init() throws { world = try StatementWorld() }

    private func change(_ function: PlacementCall.Function, _ arguments: String?...) throws(Refusal) -> PlacementChange {
        try PlacementPlanner.plan(PlacementRequest(function: function, arguments: arguments), world.environment)
    }

    private func refusal(_ function: PlacementCall.Function, _ arguments: String?...) -> Refusal? {
        do throws(Refusal) {
            _ = try PlacementPlanner.plan(PlacementRequest(function: function, arguments: arguments), world.environment)
            return nil
        } catch {
            return error
        }
    }

    @Test("a SELECT of nothing but the call is one", arguments: [
        ("SELECT create_distributed_table('a', 'b')", "distribute constant(Optional(\"a\")) constant(Optional(\"b\")) - -, writes, catalog"),
        ("SELECT pg_catalog.create_reference_table($1::regclass) AS x", "replicate parameter(1), writes, catalog"),
        ("SELECT undistribute_table(table_name => 's.t')", "undistribute constant(Optional(\"s.t\")), writes, catalog"),
        ("SELECT create_distributed_table('a', 'b', colocate_with := 'c')", "distribute constant(Optional(\"a\")) constant(Optional(\"b\")) - constant(Optional(\"c\")), writes, catalog"),
        ("SELECT create_distributed_table('a', lower('b'))", "REFUSED 42883 function create_distributed_table takes constants and parameters only"),
        ("SELECT create_distributed_table('a', 'b', shards => 4)", "REFUSED 42883 function create_distributed_table has no argument \"shards\""),
        ("SELECT create_reference_table('a', 'b')", "REFUSED 42883 function create_reference_table has no argument 2"),
        ("SELECT create_reference_table('a'), 1", "REFUSED 0A000 create_reference_table must be the only thing a SELECT does"),
    ])
    func calls(text: String, plan: String) { #expect(world.plan(text) == plan) }

    @Test("a reference table that becomes a sharded one sends no row") func distributing() throws {
        let change = try change(.distribute, "settings", "id")
        #expect(change.placement == .sharded(keyColumn: 0, KeyPlacement(keyType: .int4, method: .hash)))
        #expect(change.stored == .sharded(keyNumber: 1, method: .hash))
        #expect(change.movesRows && !change.readsAllShards)
        #expect(change.removal(shard: 2, of: 4) == """
            DELETE FROM "public"."settings" WHERE (pg_catalog.mod(pgbraid.bucket(pg_catalog.hashint8extended("id"::pg_catalog.int8, \
            8816678312871386365)), 4) = 2) IS NOT TRUE
            """)
    }

    @Test("a sharded table that becomes a reference table deletes nothing") func replicating() throws {
        let change = try change(.replicate, "codes")
        #expect(change.removal(shard: 0, of: 4) == nil)
        #expect(change.newKey == nil)
        #expect(change.copyIn == "COPY \"public\".\"codes\" (\"user_id\", \"value\") FROM STDIN (ENCODING 'UTF8')")
        #expect(change.copyOut(shard: 1, of: 4).contains("hashtextextended(\"user_id\"::pg_catalog.text"))
        #expect(change.record == "SELECT pgbraid.record_placement('\"public\".\"codes\"', 'reference', NULL, NULL)")
    }

    @Test("a call that says what is so already only stores it") func storing() throws {
        #expect(try !change(.distribute, "items", "user_id").movesRows)
        #expect(try !change(.replicate, "countries").movesRows)
    }

    @Test("what the default says need not be stored") func undistributing() throws {
        #expect(try change(.undistribute, "items").stored == .reference)
        #expect(refusal(.undistribute, "countries")?.message == "table \"countries\" is not distributed")
    }

    @Test("what does not work", arguments: [
        (["countries", "name"], "0A000", "PRIMARY KEY \"countries_pkey\" on table \"countries\" does not contain the distribution column \"name\""),
        (["floats", "user_id"], "0A000", "the rows of table \"floats\" cannot be moved: its sharding key \"user_id\" has type float8; possible are smallint, integer, bigint, text, varchar and uuid"),
        (["items", "made"], "0A000", "table \"items\" cannot be distributed: its sharding key \"made\" has type timestamptz; possible are smallint, integer, bigint, text, varchar and uuid"),
        (["watched", "id"], "0A000", "the rows of table \"watched\" cannot be moved: it has triggers, which would run"),
        (["pgbench_accounts", "bid"], "0A000", "table \"pgbench_accounts\" has a [[table]] entry in the configuration that says otherwise"),
        (["scratch", "id"], "0A000", "temporary table \"scratch\" lives in one session"),
        (["events", "user_id"], "42809", "\"events\" is not a table"),
        (["nothing", "id"], "42P01", "relation \"nothing\" does not exist"), (["a.b.c.d", "id"], "42602", "invalid name syntax"),
        (["items", "nothing"], "42703", "column \"nothing\" of relation \"items\" does not exist"),
        (["items", "item_id", "list"], "0A000", "distribution type \"list\" is not supported"),
        (["items", "item_id", "hash", "codes"], "42804", "cannot colocate tables \"items\" and \"codes\""),
        (["items", "item_id", "modulo", "orders"], "42P16", "a table beside \"orders\" must be distributed by hash"),
    ])
    func refused(arguments: [String], state: String, message: String) {
        let refusal: Refusal?
        do throws(Refusal) {
            _ = try PlacementPlanner.plan(PlacementRequest(function: .distribute, arguments: arguments), world.environment)
            refusal = nil
        } catch { refusal = error }
        #expect(refusal?.sqlState == state)
        #expect(refusal?.message == message)
    }

    @Test("what is stored goes before the default, and must agree with a rule for the table") func stored() throws {
        var builder = CatalogFixture.shop()
        try builder.add(.placements, row: ["11", "sharded", "1", "modulo"])
        try builder.add(.placements, row: ["12", "sharded", "1", "hash"])
        try builder.add(.placements, row: ["999", "reference", nil, nil])
        let catalog = builder.build(rules: ShardingRules())
        #expect(catalog.relation(oid: 11)?.placement == .sharded(keyColumn: 0, KeyPlacement(keyType: .int8, method: .modulo)))
        #expect(catalog.relation(oid: 12)?.placement == .sharded(keyColumn: 0, KeyPlacement(keyType: .text, method: .hash)))
        #expect(catalog.relation(oid: 999) == nil)
        let rule = TableRule(name: TableName(schema: nil, table: "countries"), kind: .reference)
        guard case .unusable(let reason)? = builder.build(rules: try ShardingRules(tables: [rule])).relation(oid: 12)?.placement else {
            Issue.record("a contradiction is served")
            return
        }
        #expect(reason.contains("contradicts"))
    }

    @Test("partitions follow what is stored of their parent, in their own column order") func partitions() throws {
        var builder = CatalogFixture.shop()
        try builder.table(100, "stays", kind: "p", columns: ["site bigint", "account integer"])
        try builder.table(101, "stays_1", parents: "100", isPartition: true, columns: ["account integer", "site bigint"])
        try builder.add(.placements, row: ["100", "sharded", "2", "hash"])
        try builder.add(.placements, row: ["101", "reference", nil, nil])
        let catalog = builder.build(rules: ShardingRules())
        #expect(catalog.relation(oid: 101)?.placement == .sharded(keyColumn: 0, KeyPlacement(keyType: .int4, method: .hash)))
    }
}
