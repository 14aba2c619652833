// AddressedStatement: a statement for the one shard that its client has named, by `SET pgbraid.shard` or by a comment in front of it.
//
// It is planned as if the shard were the only one, and passes through there. What would make shards unlike, put a row on a shard that its
// key does not name, or do in a function what nobody sees, is refused; settings are the session's as ever.
import CPGQuery
import Primitives
import ShardMap

struct AddressedStatement {
    private let context: AnalysisContext
    private let shard: ShardIndex
    /// The statement where the shard is the only one.
    private let alone: AnalysisContext

    /// nil where no shard is named.
    /// - Throws: 22023 for a shard that the cluster has not.
    init?(_ context: AnalysisContext) throws(Refusal) {
        guard let number = context.environment.addressedShard else { return nil }
        guard (0..<context.environment.shardCount).contains(number) else { throw Self.missing(number, of: context.environment.shardCount) }
        self.context = context
        shard = ShardIndex(number)
        alone = context.addressing(nil, shardCount: 1)
    }

    static func missing(_ number: Int, of count: Int) -> Refusal {
        Refusal("22023", "shard \(number) does not exist", hint: "The cluster has shards 0 to \(count - 1).")
    }

    /// - Throws: for what one shard alone must not do.
    func plan(_ node: Node, _ entry: StatementFamily.Entry) throws(Refusal) -> StatementPlan {
        switch entry.family {
        case .query: return try plan(query: node)
        case .insert, .explain, .copy: break
        default:
            throw Refusal(
                "0A000", "\(entry.command) cannot be addressed to one shard", detail: "The shards would not be alike behind it.",
                hint: "RESET pgbraid.shard first.")
        }
        if let query = node.explainStmt.flatMap({ Node($0.pointee.query) }) {
            guard query.insertStmt != nil || query.isQuery else {
                throw Refusal("0A000", "EXPLAIN of this statement cannot be addressed to one shard", hint: "RESET pgbraid.shard first.")
            }
            try check(query)
        } else {
            try check(node)
        }
        return try passed(StatementClassifier(context: alone).plan(node))
    }

    /// A query, or UPDATE, DELETE or MERGE.
    func plan(query node: Node) throws(Refusal) -> StatementPlan {
        let plan = try StatementPlanner.plan(node, alone)
        switch plan.action {
        case .setting, .place, .sagaStep: return try StatementPlanner.plan(node, context.addressing(nil, shardCount: context.environment.shardCount))
        default: break
        }
        try check(node)
        return try passed(plan)
    }

    /// The plan for the only shard, on the one that is named.
    private func passed(_ plan: StatementPlan) throws(Refusal) -> StatementPlan {
        switch plan.action {
        case .passThrough(.home): throw temporary
        case .passThrough: return plan.changed(action: .passThrough(.shard(shard)))
        case .refuse(let refusal): throw refusal
        default: throw Refusal("0A000", "this statement cannot be addressed to one shard", hint: "RESET pgbraid.shard first.")
        }
    }

    private var temporary: Refusal {
        Refusal("0A000", "temporary tables are on the session's own connection, and not on a shard that is named", hint: "RESET pgbraid.shard first.")
    }

    // MARK: What may be done

    private func check(_ node: Node) throws(Refusal) {
        if TableReference.all(in: node).contains(where: { $0.isTemporary(in: context) }) { throw temporary }
        try checkChanges(node)
        try checkCopy(node)
        try checkFunctions(node)
    }

    /// Functions that nobody has read, also in views, might change what is to be alike on all shards.
    private func checkFunctions(_ node: Node) throws(Refusal) {
        if callsOwnOnly(node) { return }
        var inspection = ExpressionInspection(context)
        inspection.add(node)
        for table in TableReference.all(in: node) {
            guard let relation = table.relation(in: context), relation.kind == "v", let definition = relation.viewDefinition else { continue }
            let tree = try ParseTree(definition)
            for statement in tree.statements { inspection.add(statement.node) }
        }
        var unseen: String?
        TreeWalk.nodes(under: node) { child in
            guard unseen == nil, let call = child.funcCall else { return unseen == nil ? .descend : .stop }
            let names = NodeList(call.pointee.funcname, call.pointee.n_funcname).strings
            if names.last == "setval" || (context.facts(of: call)?.effect ?? .unknown) == .unknown {
                unseen = names.joined(separator: ".")
            }
            return .descend
        }
        if let unseen { throw hidden("function \(unseen)") }
        let acting: Set<FunctionEffect> = [.setting, .sessionAdvisoryLock, .advisoryUnlock, .executesText, .largeObject, .administrative]
        if !inspection.effects.isDisjoint(with: acting) || inspection.effects.contains(.unknown) { throw hidden("a function in it") }
    }

    /// Nothing but one call of a function of the proxy's own that is declared to act on one shard, with constants and parameters.
    private func callsOwnOnly(_ node: Node) -> Bool {
        guard let select = node.selectStmt?.pointee, StatementPlanner.isTargetListOnly(select) else { return false }
        let targets = NodeList(select.target_list, select.n_target_list).nodes
        guard targets.count == 1, let call = targets[0].resTarget.flatMap({ Node($0.pointee.val)?.funcCall }),
            NodeList(call.pointee.funcname, call.pointee.n_funcname).strings.first == ProxyTables.schema, context.facts(of: call)?.place == .writer
        else { return false }
        return NodeList(call.pointee.args, call.pointee.n_args).nodes.allSatisfy(Self.isPlain)
    }

    /// A constant or a parameter, cast to a type of PostgreSQL's at most.
    private static func isPlain(_ node: Node) -> Bool {
        guard let cast = node.typeCast?.pointee else { return node.paramRef != nil || node.literal != nil }
        guard let type = cast.type_name?.pointee, NodeList(type.names, type.n_names).strings.first == "pg_catalog", let inner = Node(cast.arg) else { return false }
        return inner.typeCast == nil && isPlain(inner)
    }

    private func hidden(_ what: String) -> Refusal {
        Refusal("0A000", "\(what) cannot be called on one shard that is named: it may do what concerns all of them", hint: "RESET pgbraid.shard first.")
    }

    private func checkCopy(_ node: Node) throws(Refusal) {
        guard let statement = node.copyStmt?.pointee else { return }
        if CopyOptionReader.format(statement) == .binary {
            throw Refusal("0A000", "COPY in binary format cannot be addressed to one shard", hint: "Use text, or RESET pgbraid.shard first.")
        }
        guard statement.is_from != 0 else { return }
        guard let name = statement.relation.map({ TableReference($0) }), let relation = name.relation(in: context) else { return }
        try check(relation, placesRows: true)
    }

    private func checkChanges(_ node: Node) throws(Refusal) {
        var changes: [(target: Message<PgQuery__RangeVar>?, placesRows: Bool, assigned: [String])] = []
        var makesTable = false
        TreeWalk.nodes(under: node) { child in
            if let select = child.selectStmt?.pointee, select.into_clause != nil { makesTable = true }
            if let insert = child.insertStmt?.pointee { changes.append((insert.relation, true, [])) }
            if let update = child.updateStmt?.pointee { changes.append((update.relation, false, names(NodeList(update.target_list, update.n_target_list)))) }
            if let delete = child.deleteStmt?.pointee { changes.append((delete.relation, false, [])) }
            if let merge = child.mergeStmt?.pointee { changes.append((merge.relation, true, [])) }
            return .descend
        }
        if makesTable {
            throw Refusal("0A000", "SELECT INTO cannot be addressed to one shard", detail: "The shards would not be alike behind it.", hint: "RESET pgbraid.shard first.")
        }
        for change in changes {
            guard let relation = change.target.flatMap({ TableReference($0).relation(in: context) }) else { continue }
            try check(relation, placesRows: change.placesRows, assigned: change.assigned)
        }
    }

    private func names(_ targets: NodeList) -> [String] { targets.nodes.compactMap(\.resTarget).map { text($0.pointee.name) } }

    /// - Parameter placesRows: new rows come in.
    private func check(_ relation: Relation, placesRows: Bool, assigned: [String] = []) throws(Refusal) {
        switch relation.placement {
        case .local: return
        case .sharded(let key, _):
            if placesRows { throw refusal(relation, "its rows belong on the shards of their keys") }
            if assigned.contains(relation.columns[key].name) { throw refusal(relation, "a row with another key belongs on another shard") }
        case .reference: throw refusal(relation, "it has the same rows on all shards")
        case .system: throw Refusal("42501", "permission denied for table \(relation.name)")
        case .unusable: throw refusal(relation, "where its rows belong is not known")
        }
    }

    private func refusal(_ relation: Relation, _ reason: String) -> Refusal {
        Refusal("0A000", "\"\(relation.name)\" cannot be changed like this on one shard: \(reason)", hint: "RESET pgbraid.shard first.")
    }
}

extension Node {
    fileprivate var isQuery: Bool { selectStmt != nil || updateStmt != nil || deleteStmt != nil || mergeStmt != nil }
}
