// GatherConditions: what may be left out of fetched tables already on the shards: rows that fail a conjunct of WHERE or ON.
//
// A conjunct says something of a table's rows where none of them can be replaced by NULLs before it is tried, and where a row
// that fails it is not kept: conditions of inner joins and WHERE, and those of an outer join for its other side.
import CPGQuery

struct GatherConditions {
    private let planner: StatementPlanner
    private let level: BoundLevel
    /// Conjuncts, with the FROM items they may be tried for early.
    private var conjuncts: [(node: Node, entries: Set<Int>)] = []

    init(_ query: BoundQuery, _ level: BoundLevel, _ planner: StatementPlanner) {
        self.planner = planner
        self.level = level
        guard let select = query.node?.pointee else {
            add(query.filterNode, for: Self.neverNulled(level.from))
            return
        }
        var entries: Set<Int> = []
        for item in NodeList(select.from_clause, select.n_from_clause).nodes { entries.formUnion(add(item)) }
        add(Node(select.where_clause), for: entries)
    }

    /// The FROM items of UPDATE and DELETE whose rows no outer join replaces by NULLs.
    private static func neverNulled(_ tree: JoinTree) -> Set<Int> {
        switch tree {
        case .entry(let entry): [entry.id]
        case .inner(let members, _): members.reduce(into: []) { $0.formUnion(neverNulled($1)) }
        case .outer(.left, let left, _, _, _): neverNulled(left)
        case .outer(.right, _, let right, _, _): neverNulled(right)
        case .outer(.full, _, _, _, _): []
        }
    }

    private mutating func add(_ condition: Node?, for entries: Set<Int>) {
        guard let condition, !entries.isEmpty else { return }
        conjuncts += Self.conjuncts(of: condition).map { ($0, entries) }
    }

    static func conjuncts(of condition: Node) -> [Node] {
        guard let bool = condition.boolExpr, bool.pointee.boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR else { return [condition] }
        return NodeList(bool.pointee.args, bool.pointee.n_args).nodes.flatMap { conjuncts(of: $0) }
    }

    /// Adds the conditions inside a FROM item; the entries that are not replaced by NULLs in it.
    private mutating func add(_ item: Node) -> Set<Int> {
        guard let join = item.joinExpr else { return Set(level.entries.filter { $0.node == item }.map(\.id)) }
        guard let leftNode = Node(join.pointee.larg), let rightNode = Node(join.pointee.rarg) else { return [] }
        let left = add(leftNode)
        let right = add(rightNode)
        let condition = Node(join.pointee.quals)
        switch join.pointee.jointype {
        case PG_QUERY__JOIN_TYPE__JOIN_INNER:
            add(condition, for: left.union(right))
            return left.union(right)
        case PG_QUERY__JOIN_TYPE__JOIN_LEFT:
            add(condition, for: right)
            return left
        case PG_QUERY__JOIN_TYPE__JOIN_RIGHT:
            add(condition, for: left)
            return right
        default: return []
        }
    }

    /// What the conjuncts say of these tables alone, in the words of a query that has just them in FROM.
    /// - Returns: texts, each with the conjunct that is true of all rows for which the text is; nil where that is not certain.
    func about(_ tables: [FetchedTable]) -> [(conjunct: Node?, text: String)] {
        conjuncts.compactMap { node, entries in
            if isAbout(node, tables, entries) { return text(node, tables).map { (node, $0) } }
            return part(of: node, tables, entries).map { (nil, $0) }
        }
    }

    private func text(_ node: Node, _ tables: [FetchedTable]) -> String? {
        try? ExpressionPrinter(rewriting: nil).printReplacing(node) { node throws(Refusal) in
            guard let variable = planner.binder.variable(node) else { return nil }
            return tables.first { $0.entry.id == variable.entry }?.reference(variable.column)
        }
    }

    /// What a disjunction says of the tables, when each of its sides says something.
    private func part(of node: Node, _ tables: [FetchedTable], _ entries: Set<Int>) -> String? {
        guard let bool = node.boolExpr, bool.pointee.boolop == PG_QUERY__BOOL_EXPR_TYPE__OR_EXPR else { return nil }
        var sides: [String] = []
        for side in NodeList(bool.pointee.args, bool.pointee.n_args).nodes {
            let own = Self.conjuncts(of: side).filter { isAbout($0, tables, entries) }.compactMap { text($0, tables) }
            if own.isEmpty { return nil }
            sides.append("(\(own.joined(separator: " AND ")))")
        }
        return "(\(sides.joined(separator: " OR ")))"
    }

    /// A condition about no table at all may have to leave out rows of others too.
    private func isAbout(_ node: Node, _ tables: [FetchedTable], _ entries: Set<Int>) -> Bool {
        var hasColumn = false
        let isOnlyAboutThem = TreeWalk.nodes(under: node) { node in
            if node.subLink != nil { return .stop }
            if let call = node.funcCall, planner.context.knowledge(of: call) != .stable { return .stop }
            guard node.columnRef != nil else { return .descend }
            hasColumn = true
            return isColumn(node, tables, entries) ? .skip : .stop
        }
        return hasColumn && isOnlyAboutThem
    }

    /// Whether a reference is a table's column as it is: USING may have given it another type.
    private func isColumn(_ node: Node, _ tables: [FetchedTable], _ entries: Set<Int>) -> Bool {
        guard let variable = planner.binder.variable(node), entries.contains(variable.entry),
            tables.contains(where: { $0.entry.id == variable.entry })
        else { return false }
        return planner.binder.inferType(node) == planner.binder.type(of: variable)
    }
}
