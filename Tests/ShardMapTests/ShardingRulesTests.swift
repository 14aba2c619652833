// Rules: which table is sharded how, which tables live together, and whether two proxies agree.
import Primitives
import ShardMap
import Testing

@Suite struct ShardingRulesTests {
    @Test func aTableWithTheDefaultKeyColumnIsShardedAndEveryOtherIsAReferenceTable() throws {
        let rules = ShardingRules()
        #expect(
            try rules.rule(schema: "public", table: "orders", columns: ["id", "user_id"])
                == .sharded(keyColumn: "user_id", method: .hash))
        #expect(try rules.rule(schema: "public", table: "countries", columns: ["code"]) == .reference)
    }

    @Test func aRuleWithASchemaGoesBeforeOneWithoutAndBothBeforeTheDefault() throws {
        let rules = try ShardingRules(tables: [
            TableRule(name: TableName(parsing: "events"), kind: .sharded(keyColumn: "tenant")),
            TableRule(name: TableName(parsing: "audit.events"), kind: .local),
            TableRule(name: TableName(parsing: "settings"), kind: .reference),
        ])
        let columns = ["tenant", "user_id"]
        #expect(
            try rules.rule(schema: "public", table: "events", columns: columns)
                == .sharded(keyColumn: "tenant", method: .hash))
        #expect(try rules.rule(schema: "audit", table: "events", columns: columns) == .local)
        #expect(try rules.rule(schema: "public", table: "settings", columns: columns) == .reference)
    }

    @Test func aRuleWhoseKeyColumnIsMissingIsAnError() throws {
        let rules = try ShardingRules(tables: [TableRule(name: TableName(parsing: "t"), kind: .sharded(keyColumn: "k"))]
        )
        #expect(throws: PlacementError.keyColumnMissing(table: "\"public\".\"t\"", column: "k")) {
            try rules.rule(schema: "public", table: "t", columns: ["user_id"])
        }
    }

    @Test func namesAreReadAsPostgreSQLReadsIdentifiers() throws {
        #expect(try TableName(parsing: "Orders") == TableName(schema: nil, table: "orders"))
        #expect(try TableName(parsing: "\"My.Schema\".\"a\"\"b\"") == TableName(schema: "My.Schema", table: "a\"b"))
        for text in ["", ".", "a.", ".a", "a.b.c", "\"a", "a b", "a\"b\"", "\"\""] {
            #expect(throws: ShardMapError.invalidTableName(text)) { try TableName(parsing: text) }
        }
    }

    @Test func twoRulesForOneTableAreAnError() throws {
        let rule = TableRule(name: TableName(schema: nil, table: "t"), kind: .reference)
        #expect(throws: ShardMapError.duplicateRule("\"t\"")) { try ShardingRules(tables: [rule, rule]) }
    }

    @Test func tablesAreColocatedByMethodAndFamilyOfTheKey() throws {
        let hashed = TablePlacement.sharded(keyColumn: "user_id", method: .hash)
        let owners = TablePlacement.sharded(keyColumn: "owner", method: .hash)
        let ranged = TablePlacement.sharded(
            keyColumn: "user_id", method: .range(try RangePlacement([(.integer(10), ShardIndex(0))])))
        #expect(try hashed.colocationGroup(keyType: .int4) == owners.colocationGroup(keyType: .int8))
        #expect(try hashed.colocationGroup(keyType: .int4) != owners.colocationGroup(keyType: .text))
        #expect(try hashed.colocationGroup(keyType: .int4) != ranged.colocationGroup(keyType: .int4))
        #expect(try TablePlacement.reference.colocationGroup(keyType: .int4) == nil)
    }

    @Test func theFingerprintDependsOnWhatTheRulesMeanNotOnTheirOrder() throws {
        let first = TableRule(name: TableName(schema: nil, table: "a"), kind: .sharded())
        let spelledOut = TableRule(
            name: TableName(schema: nil, table: "a"), kind: .sharded(keyColumn: "user_id", method: .hash))
        let second = TableRule(name: TableName(schema: "s", table: "b"), kind: .local)
        let map = try ShardMap(shardCount: 2, rules: ShardingRules(tables: [first, second]))
        let same = try ShardMap(shardCount: 2, rules: ShardingRules(tables: [second, spelledOut]))
        let wider = try ShardMap(shardCount: 3, rules: ShardingRules(tables: [first, second]))
        let fewer = try ShardMap(shardCount: 2, rules: ShardingRules(tables: [first]))
        #expect(map.fingerprint == same.fingerprint)
        #expect(Set([map.fingerprint, wider.fingerprint, fewer.fingerprint]).count == 3)
        #expect(
            map.canonicalText == """
                shards 2
                buckets round robin
                default "user_id" hash
                table "a" sharded "user_id" hash
                table "s"."b" local

                """)
    }

    @Test func rulesForATableAreToldApartFromTheDefault() throws {
        let rules = try ShardingRules(tables: [TableRule(name: TableName(schema: "public", table: "t"), kind: .reference)])
        #expect(rules.kind(schema: "public", table: "t") == .reference)
        #expect(rules.kind(schema: "other", table: "t") == nil)
    }
}
