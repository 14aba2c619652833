// GroupedSubquery: which subqueries of WHERE can be grouped by the columns that tie them to the rows outside and joined, and where
// their parts stand in the text.
//
// A row without a group is dropped, as it was: the aggregates are NULL for it, and the comparison with them. A row meets one
// group at most, since keys that are equal are so by the equality they are grouped by. All groups are computed, also those of no
// row, which therefore must not be able to fail: no division, no integers that overflow.
import CPGQuery

/// Where the parts of such a subquery stand.
struct GroupedSubquery {
    struct Key {
        /// `t.k = level.k`
        let conjunct: Range<Int>
        let inner: String
        let outer: String
    }
    private let planner: GatherPlanner
    private let inner: BoundLevel
    private let select: PgQuery__SelectStmt
    private(set) var keys: [Key] = []
    /// The query's tokens without its parentheses, the first of its target, and FROM.
    let subquery: Range<Int>
    let target: Int
    let source: Int
    /// The comparison with it, and the token WHERE of the level around.
    let comparison: Range<Int>
    let filter: Int

    init?(_ sublink: BoundSublink, _ level: BoundLevel, _ query: BoundQuery, _ planner: GatherPlanner) {
        let tokens = planner.tokens
        guard sublink.clause == .filter, sublink.node.pointee.sub_link_type == PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK,
            level.targets.allSatisfy({ $0.expression != nil }), case .select(let inner) = sublink.query.body,
            let statement = sublink.query.node, let node = Node(sublink.node.pointee.subselect),
            let filter = query.node.flatMap({ Node($0.pointee.where_clause) }), query.node?.pointee.n_from_clause ?? 0 > 0,
            let comparison = Self.comparison(filter, with: sublink, planner), Self.isPlain(statement.pointee),
            let subquery = tokens.range(of: node, planner.context),
            let compared = tokens.range(ofExpression: comparison, planner.context),
            let place = Self.whereToken(before: compared.lowerBound, tokens),
            let rewriting = try? SelectRewriting(planner.context.narrowed(to: tokens.bytes(subquery)), statement),
            let target = tokens.index(startingAt: rewriting.tokens.bytes(rewriting.clauses.targets).lowerBound),
            let source = tokens.index(startingAt: rewriting.tokens.bytes(rewriting.clauses.source).lowerBound)
        else { return nil }
        self.planner = planner
        self.inner = inner
        select = statement.pointee
        self.subquery = subquery
        self.target = target
        self.source = source
        self.comparison = compared
        self.filter = place
        let isSteady = inner.calls.allSatisfy { planner.context.knowledge(of: $0.node) == .stable }
        guard isSteady, inner.sublinks.isEmpty, isSafeTarget, findKeys() else { return nil }
    }

    // MARK: The level around

    /// The conjunct that compares something else with the subquery.
    private static func comparison(_ filter: Node, with sublink: BoundSublink, _ planner: GatherPlanner) -> Node? {
        if let bool = filter.boolExpr, bool.pointee.boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR {
            return NodeList(bool.pointee.args, bool.pointee.n_args).nodes.lazy.compactMap { comparison($0, with: sublink, planner) }.first
        }
        guard let expression = filter.operatorExpression, expression.pointee.kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP,
            let left = Node(expression.pointee.lexpr), let right = Node(expression.pointee.rexpr)
        else { return nil }
        let names = NodeList(expression.pointee.name, expression.pointee.n_name).strings
        let isComparison = names.count == 1 && ["<", ">", "<=", ">=", "=", "<>"].contains(names[0])
            && planner.context.environment.catalog.facts.operators[names[0]] == nil
        guard isComparison else { return nil }
        if left.subLink == sublink.node { return isSteady(right, planner) ? filter : nil }
        return right.subLink == sublink.node && isSteady(left, planner) ? filter : nil
    }

    private static func isSteady(_ node: Node, _ planner: GatherPlanner) -> Bool {
        TreeWalk.nodes(under: node) { node in
            if node.subLink != nil { return .stop }
            guard let call = node.funcCall else { return .descend }
            return planner.context.knowledge(of: call) == .stable ? .descend : .stop
        }
    }

    /// The WHERE that a condition at `index` belongs to.
    private static func whereToken(before index: Int, _ tokens: TokenList) -> Int? {
        var depth = 0
        for position in stride(from: index - 1, through: 1, by: -1) {
            let kind = tokens[position].kind
            if TokenList.closes(kind) { depth += 1 }
            if TokenList.opens(kind) {
                if depth == 0 { return nil }
                depth -= 1
            }
            if depth == 0, kind == PG_QUERY__TOKEN__WHERE { return position }
        }
        return nil
    }

    // MARK: The subquery

    private static func isPlain(_ select: PgQuery__SelectStmt) -> Bool {
        select.op == PG_QUERY__SET_OPERATION__SETOP_NONE && select.n_group_clause == 0 && select.having_clause == nil
            && select.n_sort_clause == 0 && select.limit_count == nil && select.limit_offset == nil && select.n_distinct_clause == 0
            && select.n_window_clause == 0 && select.with_clause == nil && select.n_locking_clause == 0 && select.where_clause != nil
            && select.n_target_list == 1
    }

    /// An aggregate of a column, or such an aggregate with numeric constants, which is NULL over no rows and never fails.
    private var isSafeTarget: Bool {
        guard let written = NodeList(select.target_list, 1)[0]?.resTarget, nonEmptyText(written.pointee.name) == nil,
            let value = Node(written.pointee.val)
        else { return false }
        let type = planner.planner.binder.inferType(value)?.oid
        return isAggregate(value, of: ["min", "max"]) || (type == TypeOID.int8 && isAggregate(value, of: ["sum"])) || isProduct(value)
    }

    private func isProduct(_ node: Node) -> Bool {
        guard planner.planner.binder.inferType(node)?.oid == TypeOID.numeric else { return false }
        if isAggregate(node, of: ["sum", "avg", "min", "max"]) { return true }
        guard let expression = node.operatorExpression, expression.pointee.kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP,
            let left = Node(expression.pointee.lexpr), let right = Node(expression.pointee.rexpr)
        else { return false }
        let names = NodeList(expression.pointee.name, expression.pointee.n_name).strings
        guard names.count == 1, ["+", "-", "*"].contains(names[0]), planner.context.environment.catalog.facts.operators[names[0]] == nil
        else { return false }
        return (left.literal != nil && isProduct(right)) || (right.literal != nil && isProduct(left))
    }

    private func isAggregate(_ node: Node, of names: Set<String>) -> Bool {
        guard let call = node.funcCall, call.pointee.over == nil, call.pointee.agg_filter == nil, call.pointee.n_args == 1,
            call.pointee.n_agg_order == 0, planner.context.isAggregate(call), planner.context.facts(of: call)?.isBuiltIn == true,
            let name = FunctionNames.name(of: call), names.contains(name), let argument = NodeList(call.pointee.args, 1)[0],
            let variable = planner.planner.binder.variable(argument), isInner(variable)
        else { return false }
        return true
    }

    private func isInner(_ variable: Variable) -> Bool { planner.planner.binder.entries[variable.entry].level == inner.id }

    /// Conjuncts that tie it to rows outside; false where something else does.
    private mutating func findKeys() -> Bool {
        guard let filter = Node(select.where_clause) else { return false }
        for conjunct in GatherConditions.conjuncts(of: filter) where usesOuter(conjunct) {
            guard let key = key(conjunct) else { return false }
            keys.append(key)
        }
        return !keys.isEmpty && NodeList(select.from_clause, select.n_from_clause).nodes.allSatisfy { !usesOuter($0) }
    }

    private func usesOuter(_ node: Node) -> Bool {
        !TreeWalk.nodes(under: node) { node in
            guard node.columnRef != nil, let variable = planner.planner.binder.variable(node) else { return .descend }
            return isInner(variable) ? .skip : .stop
        }
    }

    private func key(_ conjunct: Node) -> Key? {
        let binder = planner.planner.binder
        guard case .equal(let one, let other)? = binder.predicates(conjunct).first, binder.predicates(conjunct).count == 1,
            let expression = conjunct.operatorExpression, let left = Node(expression.pointee.lexpr), let right = Node(expression.pointee.rexpr),
            binder.variable(left) != nil, binder.variable(right) != nil, isInner(one) != isInner(other),
            let range = planner.tokens.range(ofExpression: conjunct, planner.context)
        else { return nil }
        let printer = ExpressionPrinter(rewriting: nil)
        guard let first = try? printer.print(left), let second = try? printer.print(right) else { return nil }
        return isInner(one) ? Key(conjunct: range, inner: first, outer: second) : Key(conjunct: range, inner: second, outer: first)
    }
}
