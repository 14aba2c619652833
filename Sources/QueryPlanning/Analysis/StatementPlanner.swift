// StatementPlanner: from a bound statement to its plan; what SELECT, UPDATE, DELETE and MERGE have in common.
//
// In order of preference: one shard, untouched; each shard its share; partial aggregates; refuse.
import CPGQuery
import Primitives

/// Plans one statement that reads or changes rows.
struct StatementPlanner {
    let context: AnalysisContext
    let binder: Binder
    let analysis: PlacementAnalysis

    init(_ context: AnalysisContext) {
        self.context = context
        binder = Binder(context)
        analysis = PlacementAnalysis(binder)
    }

    /// The same statement, seen from a part of its text.
    init(_ other: StatementPlanner, _ context: AnalysisContext) {
        self.context = context
        binder = other.binder
        analysis = other.analysis
    }

    /// Plans a SELECT, VALUES, UPDATE, DELETE or MERGE.
    /// - Throws: what the grammar accepts and the planner refuses, as the error the client gets.
    static func plan(_ node: Node, _ context: AnalysisContext) throws(Refusal) -> StatementPlan {
        if let addressed = try AddressedStatement(context) { return try addressed.plan(query: node) }
        do throws(Refusal) {
            return try planAsWritten(node, context)
        } catch {
            guard error.sqlState == "0A000", let text = selectText(insteadOf: context) else { throw error }
            // Errors are told with their places in the client's text.
            guard let tree = try? ParseTree(text), tree.statements.count == 1,
                let plan = try? planAsWritten(tree.statements[0].node, context.replacingText(text))
            else { throw error }
            return plan
        }
    }

    /// `SELECT * FROM name` for `TABLE name`; nil for other statements.
    private static func selectText(insteadOf context: AnalysisContext) -> String? {
        guard let tokens = TokenList(context), tokens.kind(0) == PG_QUERY__TOKEN__TABLE, tokens.count > 1 else { return nil }
        return "SELECT * FROM " + context.slice(tokens.bytes(1..<tokens.count))
    }

    private static func planAsWritten(_ node: Node, _ context: AnalysisContext) throws(Refusal) -> StatementPlan {
        let planner = StatementPlanner(context)
        if let select = node.selectStmt { return try planner.planSelect(select) }
        guard let (modification, query) = planner.binder.bindModification(node, parent: nil) else {
            throw Refusal("0A000", "statements of this kind are not supported")
        }
        try planner.binder.checkSize()
        return try planner.planModification(modification, query)
    }

    /// Makes the plan, with what is common to all of a statement's plans.
    func plan(
        _ action: Action, _ commandName: String, _ usage: StatementUsage, effect: DataEffect, lockedTable: String? = nil,
        insertsWhatItReads: Bool = false, reason: String
    ) -> StatementPlan {
        StatementPlan(
            action: action, effect: effect == .reads ? usage.functionEffect : effect, pins: usage.pins, taintsLink: usage.taintsLink,
            changesSettings: usage.changesSettings, commandName: commandName, parameterCount: binder.parameterCount, lockedTable: lockedTable,
            locksRows: binder.locksRows, insertsWhatItReads: insertsWhatItReads, reason: reason)
    }

    /// The plan of a statement without sharded tables; nil when it has some.
    func planWithoutSharding(_ usage: StatementUsage, _ commandName: String, effect: DataEffect) throws(Refusal) -> StatementPlan? {
        if let unknown = binder.unknownTable {
            // Another proxy may have just made it: a shard would answer with its own rows alone.
            if context.environment.shardCount > 1 { throw unknown }
            let route: Route = usage.hasTemporary ? .home : .any
            return plan(.passThrough(route), commandName, usage, effect: effect, reason: unknown.message)
        }
        if let unusable = usage.unusable ?? (context.environment.shardCount > 1 ? usage.sequence : nil) {
            throw Refusal("0A000", "relation \"\(unusable.table)\" cannot be used here", detail: unusable.reason)
        }
        try refuseHiddenReads(usage)
        if let plan = try planSettingOfSequence(usage, commandName, effect: effect) { return plan }
        if usage.hasSharded {
            try refuseMixtures(usage)
            return nil
        }
        if usage.hasLocksOrNotifications, context.environment.shardCount > 1 {
            try refuseElsewhere(usage)
            return plan(.passThrough(.shard(ShardIndex(0))), commandName, usage, effect: effect, reason: "lowest shard: advisory locks and notifications")
        }
        let isKeyed = !usage.keyedCalls.isEmpty && context.environment.shardCount > 1
        let (route, reason) = isKeyed ? try routeOfKeyedCalls(usage) : routeWithoutSharding(usage)
        return plan(.passThrough(route), commandName, usage, effect: effect, reason: reason)
    }

    private func routeWithoutSharding(_ usage: StatementUsage) -> (Route, String) {
        if usage.hasTemporary { return (.home, "home link: temporary table") }
        if usage.hasSequenceReads, context.environment.shardCount > 1 { return (.participant, "the block's shard: currval, lastval") }
        if usage.hasSessionFunctions || usage.hasWritingFunctions { return (.home, "home link: session or sequence function") }
        if usage.hasSystem || usage.hasCatalogFunctions { return (.catalog, "catalog shard: system catalogs") }
        return (.any, usage.hasReference ? "any shard: reference tables" : "any shard: no table")
    }

    /// Locks of all clients are the lowest shard's, also while it is down: on another they would exclude nobody.
    private func refuseElsewhere(_ usage: StatementUsage) throws(Refusal) {
        guard usage.hasTemporary || usage.hasSequenceReads || usage.hasSessionFunctions || usage.hasWritingFunctions || !usage.keyedCalls.isEmpty else { return }
        throw Refusal(
            "0A000", "advisory locks and notifications cannot be used together with temporary tables, sequences, or functions of a session or of a shard",
            hint: "They are those of one server, the lowest shard, for all clients: SELECT pg_advisory_lock(...) in a statement of its own.")
    }

    /// Functions may read tables that are not seen here.
    private func refuseHiddenReads(_ usage: StatementUsage) throws(Refusal) {
        guard context.environment.shardCount > 1 else { return }
        if let name = usage.textFunction {
            throw Refusal(
                "0A000", "function \(name) runs SQL that the proxy does not see", hint: "Run that SQL as a statement of its own.")
        }
        if let name = usage.unknownFunction, usage.hasUnkeyedCalls {
            throw Refusal(
                "0A000", "it is not known which tables function \(name) reads",
                hint: "Declare it: COMMENT ON FUNCTION ... IS 'pgbraid: reads none', 'pgbraid: reads reference', or 'pgbraid: key = argument 1' "
                    + "if it reads the rows of the key that it gets.")
        }
    }

    private func refuseMixtures(_ usage: StatementUsage) throws(Refusal) {
        if usage.hasTemporary {
            throw Refusal(
                "0A000", "temporary tables cannot be used together with sharded tables",
                hint: "Create an ordinary table, or run two statements.")
        }
        if usage.hasSystem {
            throw Refusal(
                "0A000", "system catalogs cannot be used together with sharded tables", hint: "Run two statements.")
        }
        if let keyed = usage.keyedCalls.first, context.environment.shardCount > 1 {
            let name = NodeList(keyed.call.node.pointee.funcname, keyed.call.node.pointee.n_funcname).strings.joined(separator: ".")
            throw Refusal(
                "0A000", "function \(name), which belongs to one shard, cannot be used together with sharded tables",
                hint: "Call it in a statement of its own: it may belong to another shard than the statement's rows.")
        }
        if usage.hasLocksOrNotifications, context.environment.shardCount > 1 {
            throw Refusal(
                "0A000", "advisory locks and notifications cannot be used together with sharded tables",
                hint: "They are those of one server, the lowest shard, for all clients: SELECT pg_advisory_lock(...) in a statement of its own.")
        }
        if usage.hasSessionFunctions {
            throw Refusal(
                "0A000", "functions of the server session cannot be used together with sharded tables", hint: "Run two statements.")
        }
    }

    /// What `route` says, for reasons.
    func describe(_ route: Route) -> String {
        switch route {
        case .keys(let conditions): return conditions.map(describe).joined(separator: " and ")
        case .keyGroups(let groups): return groups.map { $0.map(describe).joined(separator: " and ") }.joined(separator: "; ")
        case .any: return "any"
        case .catalog: return "catalog"
        case .all: return "all"
        case .home: return "home"
        case .participant: return "the block's shard"
        case .writer: return "the shard that the transaction writes"
        case .shard(let shard): return "shard \(shard)"
        }
    }

    private func describe(_ condition: KeyCondition) -> String {
        if condition.isArrayParameter { return "key = ANY (\(condition.operands.map(describe).joined()))" }
        if condition.operands.count == 1 { return "key = \(describe(condition.operands[0]))" }
        return "key IN (\(condition.operands.map(describe).joined(separator: ", ")))"
    }

    private func describe(_ operand: KeyOperand) -> String {
        switch operand {
        case .constant(let value): "\(value)"
        case .literal(let offset): context.literal(at: offset)
        case .parameter(let number): "$\(number)"
        case .null: "NULL"
        }
    }

    /// The refusal of a statement that would need the rows of many shards in one place.
    func refusal(_ reason: String) -> Refusal {
        Refusal(
            "0A000", "cannot run this statement over several shards: \(reason)",
            hint: "Bind the sharding key of every sharded table to constants, join by the sharding keys, or split the statement.")
    }

    /// The error of a name that could not be resolved, or of what the analysis cannot follow.
    func checkBinding() throws(Refusal) {
        if let error = binder.unknownTable ?? binder.firstError { throw error }
        if let unsupported = binder.unsupported { throw refusal(unsupported) }
        if binder.aggregateCount > StatementSize.maximumTargetCount {
            throw refusal("more than \(StatementSize.maximumTargetCount) aggregate function calls")
        }
    }

    /// Fetched columns travel as parameters behind the client's own.
    func checkParameterCount(own: Int, fetched: Int) throws(Refusal) {
        guard own + fetched > StatementSize.maximumParameterCount else { return }
        throw refusal("more than \(StatementSize.maximumParameterCount) parameters and fetched columns")
    }

    static let inexactText = Refusal(
        "0A000", "values of several shards must be fetched for this statement, and DateStyle or extra_float_digits writes them inexactly",
        hint: "SET datestyle TO ISO and extra_float_digits TO 1, which are PostgreSQL's defaults.")

    /// - Throws: if the session's settings write values of these types inexactly.
    func checkExactText(_ types: [SQLType]) throws(Refusal) {
        guard context.environment.writesExactText || types.allSatisfy({ context.hasPlainText($0.oid) }) else { throw Self.inexactText }
    }

    /// A finisher's text must parse, name no sharded table, and resolve all its names.
    /// - Parameter types: of the values that it reads from texts.
    func checkFinisher(_ text: String, reading types: [SQLType]) throws(Refusal) -> Bool {
        try checkExactText(types)
        let bound = Binder(context.replacingText(text))
        guard let tree = try? ParseTree(text), tree.statements.count == 1, let select = tree.statements[0].node.selectStmt else {
            throw SelectRewriting.notUnderstood
        }
        _ = bound.bindQuery(select, parent: nil)
        let usage = StatementUsage(bound)
        guard !usage.hasSharded, bound.firstError == nil, bound.unknownTable == nil else {
            throw SelectRewriting.notUnderstood
        }
        return usage.hasReference || usage.hasSystem || bound.calls.contains { context.facts(of: $0.node)?.mayReadTables ?? true }
    }
}
