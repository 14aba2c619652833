// StatementSupport: plans of statements as one line of text each.
import ShardMap

@testable import QueryPlanning

/// A world of tables to classify statements in: orders and items sharded by user_id, accounts and its kin as pgbench's
/// rules say, countries and settings as reference tables, and a temporary table.
struct StatementWorld {
    let environment: PlanningEnvironment

    init(shardCount: Int = 4) throws {
        var builder = CatalogFixture.shop()
        try builder.table(20, "items", columns: [
            "user_id bigint not null", "item_id bigint not null", "name text", "made timestamptz default=now()",
        ])
        try builder.table(21, "settings", primaryKey: "1", columns: [
            "id integer not null default=nextval('public.settings_id_seq'::regclass)", "name text", "changed timestamptz default=now()",
            "rank integer default=7",
        ])
        try builder.table(22, "people", columns: ["user_id bigint not null default=nextval('public.people_seq'::regclass)", "name text"])
        try builder.table(23, "codes", columns: ["user_id varchar length=4", "value text"])
        try builder.table(24, "tokens", columns: ["user_id uuid", "value text"])
        try builder.table(25, "names", columns: ["user_id text not null default='none'::text", "value text"])
        try builder.table(26, "floats", columns: ["user_id double precision"])
        try builder.table(27, "watched", triggers: true, columns: ["id integer"])
        try builder.table(30, "pgbench_accounts", columns: ["aid integer not null", "bid integer", "abalance integer", "filler char"])
        try builder.table(31, "pgbench_branches", columns: ["bid integer not null", "bbalance integer", "filler char"])
        try builder.table(32, "pgbench_history", columns: [
            "tid integer", "bid integer", "aid integer", "delta integer", "mtime timestamp", "filler char",
        ])
        try builder.table(40, "visits", kind: "p", columns: ["user_id bigint", "day date"])
        try builder.table(41, "events", kind: "v", columns: ["user_id bigint"])
        try builder.table(50, "pg_class", schema: "pg_catalog", columns: ["oid oid"])
        for (oid, name, base, expression) in [("9101", "chance", "701", "random()"), ("9102", "moment", "1184", "now()")] {
            try builder.add(.types, row: [oid, "public", name, "d", "X", base, "-1", "0", "0", "0", expression, "f", "t", "f"])
        }
        // Made without the proxy: what refers to zones and parts could set sharding keys.
        try builder.table(60, "zones", primaryKey: "1", columns: ["zone text not null", "name text"])
        try builder.table(61, "parts", primaryKey: "1", columns: ["part text not null", "zone text"])
        try builder.table(62, "shops", columns: ["user_id text not null", "name text"])
        try builder.add(.constraints, row: ["61", "parts_zone", "f", "2", "60", "1", "cc", nil])
        try builder.add(.constraints, row: ["62", "shops_part", "f", "1", "61", "2", "cn", "1"])
        try builder.table(65, "lots", columns: ["zone text", "n integer"])
        try builder.add(.constraints, row: ["65", "lots_zone", "f", "1", "60", "1", "ca", nil])
        // Each refers to the one before it, the first to the last, and a sharding key to the last.
        for number in 0..<10 {
            try builder.table(70 + number, "chain\(number)", primaryKey: "1", columns: ["zone text not null"])
            try builder.add(.constraints, row: ["\(70 + number)", "chain", "f", "1", "\(number == 0 ? 79 : 69 + number)", "1", "cc", nil])
        }
        try builder.table(80, "chained", columns: ["user_id text not null"])
        try builder.add(.constraints, row: ["80", "chained_user", "f", "1", "79", "1", "ca", nil])
        try builder.table(63, "numbered", primaryKey: "1", columns: ["user_id bigint not null identity", "x integer"])
        try builder.table(64, "counted", primaryKey: "1", columns: ["id bigint not null identity", "x integer"])
        try builder.add(.collations, row: ["9001", "texts", "plain", "i", "t", "f"])
        try builder.table(90, "trees", schema: "yard", columns: ["tree integer", "name text"])
        try builder.table(91, "letters", columns: ["user_id text/plain", "name text"])
        try builder.function("public", "touch", volatility: "v", arguments: "20")
        try builder.add(.functions, row: [
            "20001", "public", "shown", "f", "s", "f", "f", "25", "0", "f", "25", "sql", "SELECT max(name) FROM countries", "f", nil, nil,
        ])
        try builder.table(92, "notes", columns: ["id bigint identity", "user_id bigint", "topic text", "at timestamptz default=now()"])
        let rules = try ShardingRules(tables: [
            ("pgbench_accounts", "aid"), ("pgbench_branches", "bid"), ("pgbench_tellers", "tid"), ("pgbench_history", "bid"),
        ].map { TableRule(name: TableName(schema: nil, table: $0.0), kind: .sharded(keyColumn: $0.1)) }
            + [TableRule(name: TableName(schema: "yard", table: "trees"), kind: .sharded(keyColumn: "tree"))]
            + [TableRule(name: TableName(schema: nil, table: "notes"), kind: .local)])
        environment = PlanningEnvironment(
            catalog: builder.build(rules: rules), searchPath: ["pg_catalog", "public"], number: 1, temporaryTables: ["scratch"],
            shardCount: shardCount)
    }

    /// The plan of a text's only statement, or its refusal, as one line.
    func plan(_ text: String, acrossShards: Bool = false) -> String {
        do throws(Refusal) {
            let plan = try planned(text, acrossShards: acrossShards)
            if plan.drawing != nil { return "draw" }
            return describe(plan)
        } catch {
            return "REFUSED \(error.sqlState) \(error.message)"
        }
    }

    func planned(_ text: String, acrossShards: Bool = false) throws(Refusal) -> StatementPlan {
        let tree = try ParseTree(text)
        guard let statement = tree.statements.first else { throw Refusal("XX000", "no statement") }
        let context = AnalysisContext(environment: environment, text: text, range: statement.range, acrossShards: acrossShards)
        return try StatementClassifier.classify(statement.node, context)
    }

    private func describe(_ plan: StatementPlan) -> String {
        var words = [describe(plan.action)]
        if let table = plan.lockedTable { words.append("locks \(table)") }
        if plan.effect != .reads { words.append(plan.effect == .writes ? "writes" : "may write") }
        if plan.pins.contains(.temporaryTable) { words.append("pins temporary") }
        if plan.pins.contains(.listen) { words.append("pins listen") }
        if plan.pins.contains(.holdCursor) { words.append("pins cursor") }
        if plan.changesCatalog { words.append("catalog") }
        if plan.taintsLink { words.append("taints") }
        if plan.isCopyIn { words.append("copy in") }
        if !plan.temporaryNames.created.isEmpty { words.append("makes \(plan.temporaryNames.created.joined(separator: " "))") }
        if !plan.temporaryNames.dropped.isEmpty { words.append("drops \(plan.temporaryNames.dropped.joined(separator: " "))") }
        return words.joined(separator: ", ")
    }

    private func describe(_ action: Action) -> String {
        switch action {
        case .passThrough(let route): "pass \(describe(route))"
        case .scatter: "scatter"
        case .modify(let route, let text, let tag): "modify \(describe(route)) \(tag)\(text.map { " [\($0)]" } ?? "")"
        case .modifyFetched(let route, let plan): "modify \(describe(route)) \(plan.tag) with fetched rows [\(plan.text)]"
        case .modifyReplayed(let plan): "lowest shard [\(plan.text)], others [\(plan.replayText)]"
        case .insertRows(let plan):
            "rows [\(plan.textBefore)|\(plan.rows.joined(separator: "|"))|\(plan.textAfter)] \(plan.keys.map(describe).joined(separator: " "))"
        case .insertFetched(let plan):
            "fetch [\(plan.query)] for [\(plan.textBefore)|\(plan.textAfter)] untyped \(plan.untypedColumns.sorted())"
        case .copyIn(_, let plan):
            "copy in [\(plan.shardText)] \(plan.options.format) key \(plan.key.map { "\($0.column)" } ?? "none") of \(plan.columns.joined(separator: " "))"
        case .copyOut(let route, _, let options): "copy out \(describe(route)) \(options.format)\(options.hasHeader ? " header" : "")"
        case .copyQuery(let plan): "copy query [\(plan.textBefore)|\(plan.query)|\(plan.textAfter)]\(plan.isBinary ? " binary" : "")"
        case .shardByShard: "shard by shard"
        case .transaction(let command): "\(command)"
        case .setting(let command): "\(command)"
        case .prepared(.execute(let name, let arguments)): "execute \(name) with \(arguments.map(\.text).joined(separator: " | "))"
        case .prepared(let command): "\(command)"
        case .cursor(.declare(let cursor)): "declare \(cursor.name) \(describe(cursor.query))\(cursor.isHeld ? " held" : "")"
        case .cursor(.fetch(let name, let movement)): "fetch \(name) \(movement.direction) \(movement.count)"
        case .cursor(.move(let name, let movement)): "move \(name) \(movement.direction) \(movement.count)"
        case .cursor(let command): "\(command)"
        case .fillTable(let plan): "fill [\(plan.definition)] [\(plan.insertion)]"
        case .sagaStep: "saga step"
        case .sagaRun: "saga run"
        case .idempotencyKey(let command): "\(command)"
        case .place(let call): "\(call.function) \(call.arguments.map { $0.map { "\($0)" } ?? "-" }.joined(separator: " "))"
        case .explain(let plan):
            "explain [\(plan.command)]\(plan.runs ? " runs" : "")\(plan.isJSON ? " json" : "") [\(describe(plan.statement.action))] at \(plan.range.lowerBound)"
        case .notify: "notify"
        case .listen: "listen"
        case .empty: "empty"
        case .refuse(let refusal): "REFUSED \(refusal.sqlState) \(refusal.message)"
        }
    }

    private func describe(_ query: CursorQuery) -> String {
        switch query {
        case .oneShard(let route): describe(route)
        case .severalShards(let plan, let range): "[\(describe(plan.action))] at \(range.lowerBound)"
        }
    }

    private func describe(_ route: Route) -> String {
        switch route {
        case .any: "any"
        case .catalog: "catalog"
        case .all: "all"
        case .home: "home"
        case .participant: "participant"
        case .writer: "writer"
        case .shard(let shard): "shard \(shard)"
        case .keys(let conditions):
            conditions.map { condition in
                "key" + (condition.isStored ? "! " : " ") + condition.operands.map(describe).joined(separator: " ")
                    + (condition.limit.map { " up to \($0.maximumCharacters)" } ?? "")
            }.joined(separator: " and ")
        case .keyGroups: "groups"
        }
    }

    private func describe(_ operand: KeyOperand) -> String {
        switch operand {
        case .constant(let value): "\(value)"
        case .literal(let offset): "@\(offset)"
        case .parameter(let number): "$\(number)"
        case .null: "null"
        }
    }
}
