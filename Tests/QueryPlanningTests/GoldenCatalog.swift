// The schema of the golden plans: users, accounts and orders by user_id, items by a text code, devices by uuid, countries
// as a reference table, events as a local one, pgbench's tables, a view.
import ShardMap

@testable import QueryPlanning

enum GoldenCatalog {
    static func column(
        _ name: String, _ number: Int, _ type: UInt32, modifier: Int32 = -1, collation: UInt32 = 0, notNull: Bool = false
    ) -> Column {
        let isText = [25, 1043, 1042].contains(type)
        return Column(
            name: name, number: number, typeOID: type, typeModifier: modifier, collationOID: collation != 0 ? collation : isText ? 100 : 0,
            isNotNull: notNull)
    }

    static func table(
        _ oid: UInt32, _ name: String, _ columns: [(String, UInt32)], key: Int? = nil, type: KeyType = .int8, primary: [Int] = [0],
        schema: String = "public"
    ) -> Relation {
        let columns = columns.enumerated().map { column($1.0, $0 + 1, $1.1, notNull: primary.contains($0) || $0 == key) }
        let placement: Placement = key.map { .sharded(keyColumn: $0, KeyPlacement(keyType: type, method: .hash)) } ?? .reference
        return Relation(
            oid: oid, schema: schema, name: name, kind: "r", columns: columns, placement: placement, primaryKey: primary)
    }

    static let catalog = Catalog(relations: [
        table(20001, "users", [("user_id", 20), ("name", 25), ("country", 25), ("balance", 1700), ("active", 16), ("created_at", 1184)], key: 0),
        table(20002, "accounts", [("account_id", 20), ("user_id", 20), ("balance", 1700), ("opened", 1082)], key: 1, primary: [1, 0]),
        table(
            20003, "orders",
            [("order_id", 20), ("user_id", 20), ("amount", 1700), ("quantity", 23), ("status", 25), ("created_at", 1114), ("item", 25)],
            key: 1, primary: [1, 0]),
        table(20004, "items", [("code", 25), ("price", 1700), ("weight", 701)], key: 0, type: .text),
        table(20005, "devices", [("device", 2950), ("user_id", 20), ("seen", 1114)], key: 0, type: .uuid),
        table(20008, "moods", [("user_id", 20), ("mood", 20100), ("address", 869), ("span", 1186), ("payload", 3802), ("tags", 1009)], key: 0),
        table(20006, "countries", [("code", 25), ("name", 25), ("population", 20)]),
        table(20007, "regions", [("id", 23), ("country", 25)]),
        events,
        table(20010, "pgbench_accounts", [("aid", 23), ("bid", 23), ("abalance", 23), ("filler", 1042)], key: 0, type: .int4),
        table(20011, "pgbench_branches", [("bid", 23), ("bbalance", 23), ("filler", 1042)], key: 0, type: .int4),
        table(20012, "pgbench_tellers", [("tid", 23), ("bid", 23), ("tbalance", 23), ("filler", 1042)], key: 0, type: .int4),
        table(
            20013, "pgbench_history", [("tid", 23), ("bid", 23), ("aid", 23), ("delta", 23), ("mtime", 1114), ("filler", 1042)], key: 2,
            type: .int4, primary: []),
        Relation(
            oid: 20020, schema: "public", name: "active_users", kind: "v",
            columns: [column("user_id", 1, 20), column("name", 2, 25)], placement: .unusable("view"),
            viewDefinition: " SELECT users.user_id,\n    users.name\n   FROM users\n  WHERE users.active;"),
        Relation(
            oid: 1259, schema: "pg_catalog", name: "pg_class", kind: "r",
            columns: [column("oid", 1, 26), column("relname", 2, 19, collation: 950), column("relnamespace", 3, 26)],
            placement: .system),
        system(
            2224, "pg_sequence",
            [
                ("seqrelid", 26), ("seqtypid", 26), ("seqstart", 20), ("seqincrement", 20), ("seqmax", 20), ("seqmin", 20), ("seqcache", 20),
                ("seqcycle", 16),
            ]),
        system(
            2225, "pg_sequences",
            [
                ("schemaname", 19), ("sequencename", 19), ("sequenceowner", 19), ("data_type", 2206), ("start_value", 20), ("min_value", 20),
                ("max_value", 20), ("increment_by", 20), ("cycle", 16), ("cache_size", 20), ("last_value", 20),
            ], kind: "v"),
        system(
            20031, "sequence",
            [("name", 2205), ("start_value", 20), ("increment_by", 20), ("min_value", 20), ("max_value", 20)], schema: "pgbraid"),
        Relation(
            oid: 20030, schema: "public", name: "counter", kind: "S",
            columns: [column("last_value", 1, 20), column("log_cnt", 2, 20), column("is_called", 3, 16)],
            placement: .unusable("sequences are advanced on each shard separately")),
        Relation(
            oid: 20021, schema: "public", name: "broken", kind: "m", columns: [column("x", 1, 23)],
            placement: .unusable("materialized views are filled on each shard separately")),
    ], facts: facts)

    /// A local table.
    private static var events: Relation {
        var events = table(20040, "events", [("event_id", 20), ("user_id", 20), ("topic", 25), ("at", 1184)], primary: [])
        events.placement = .local
        events.columns[0].generation = "a"
        events.columns[3].defaultExpression = "now()"
        return events
    }

    private static func system(
        _ oid: UInt32, _ name: String, _ columns: [(String, UInt32)], schema: String = "pg_catalog", kind: Character = "r"
    ) -> Relation {
        Relation(
            oid: oid, schema: schema, name: name, kind: kind,
            columns: columns.enumerated().map { column($1.0, $0 + 1, $1.1, collation: $1.1 == 19 ? 950 : 0) }, placement: .system)
    }

    /// A database with a linguistic collation and an enum.
    static var facts: CatalogFacts {
        var facts = CatalogFacts()
        facts.database.collate = "en_US.UTF-8"
        facts.types[20100] = CatalogType(
            oid: 20100, schema: "public", name: "mood", kind: "e", category: "E", baseTypeOID: 0, typeModifier: -1, elementTypeOID: 0,
            arrayTypeOID: 20101, collationOID: 0, isConstrained: false, hasBinarySend: true, hasTextCast: false, enumLabels: ["sad", "happy"])
        return facts
    }

    static func environment(temporaryTables: [String] = [], shardCount: Int = 4) -> PlanningEnvironment {
        PlanningEnvironment(
            catalog: catalog, searchPath: ["pg_catalog", "public"], number: 1, temporaryTables: temporaryTables, shardCount: shardCount)
    }

    static var analyser: Analyser { Analyser { _, _ throws(Refusal) in throw Refusal("0A000", "not a query") } }

    static func plan(
        _ text: String, parameterTypes: [UInt32] = [], acrossShards: Bool = false, shardCount: Int = 4
    ) throws(Refusal) -> StatementPlan {
        try analyser.analyse(
            text: text, parameterTypes: parameterTypes, environment: environment(temporaryTables: ["scratch"], shardCount: shardCount),
            acrossShards: acrossShards)[0].plan
    }
}
