// SetOperationPlanner: UNION, INTERSECT and EXCEPT at the top over many shards.
import CPGQuery
import ResultMerging

extension ScatterPlanner {
    func planSetOperation(_ kind: SetOperator, isAll: Bool, _ left: BoundQuery, _ right: BoundQuery) throws(Refusal) -> Result {
        try setRowPlanner(kind, isAll: isAll, left, right).plan()
    }

    func setRowPlanner(_ kind: SetOperator, isAll: Bool, _ left: BoundQuery, _ right: BoundQuery) throws(Refusal) -> SetRowPlanner {
        guard let node = query.node else { throw planner.refusal("a statement of this form") }
        let placed = analysis.setOperationState(query)
        var removesDuplicates = false
        if case .other = placed, kind == .union, !isAll, leaves([left, right]).allSatisfy({ isPutTogether($0) }) {
            removesDuplicates = true
        } else {
            try check(placed)
        }
        let limits = try RowLimits(node.pointee)
        let rewriting = try SelectRewriting(context, node)
        return SetRowPlanner(self, node.pointee, rewriting, limits, removesDuplicates: removesDuplicates)
    }

    /// The arms of nested UNIONs: where duplicates go at the top, it does not matter that they go below.
    private func leaves(_ queries: [BoundQuery]) -> [BoundQuery] {
        queries.flatMap { query in
            if case .setOperation(.union, _, let left, let right) = query.body, !query.hasLimit { return leaves([left, right]) }
            return [query]
        }
    }

    /// Each shard's rows together hold every row, some perhaps more than once.
    private func isPutTogether(_ query: BoundQuery) -> Bool {
        switch analysis.analyse(query, Facts()).state {
        case .replicated: true
        case .partitioned(let partition): partition.required.isEmpty
        case .other: false
        }
    }
}

extension PlacementAnalysis {
    /// The state of a set operation without its own LIMIT, which at the top is the proxy's.
    func setOperationState(_ query: BoundQuery) -> RelationState {
        guard case .setOperation(let kind, let isAll, let left, let right) = query.body else { return .other("a statement of this form") }
        return analyseSetOperation(kind, isAll: isAll, analyse(left, Facts()), analyse(right, Facts()), left, right).state
    }
}

/// Order, DISTINCT and LIMIT over the rows of a set operation; its columns are known by position only.
struct SetRowPlanner {
    let scatter: ScatterPlanner
    let select: PgQuery__SelectStmt
    let rewriting: SelectRewriting
    let limits: RowLimits
    let removesDuplicates: Bool
    private var columns: [BoundColumn] { scatter.query.columns }
    private var context: AnalysisContext { scatter.context }

    init(
        _ scatter: ScatterPlanner, _ select: PgQuery__SelectStmt, _ rewriting: SelectRewriting, _ limits: RowLimits, removesDuplicates: Bool
    ) {
        self.scatter = scatter
        self.select = select
        self.rewriting = rewriting
        self.limits = limits
        self.removesDuplicates = removesDuplicates
    }

    func plan() throws(Refusal) -> ScatterPlanner.Result {
        let keys = try sortKeys()
        if keys.isEmpty, !removesDuplicates, !limits.hasExpression {
            let text = try rewriting.shardText(hidden: [], limits: limits)
            return .init(
                plan: ScatterPlan(
                    shardText: text, merge: MergePlan(visibleColumnCount: columns.count), limit: limits.limitCount, offset: limits.offsetCount),
                reason: "concatenate")
        }
        let isOrdered = keys.allSatisfy { key in !key.hasOperator && (columns[key.column].type.map(context.isMergeable) ?? false) }
        let isDistinct = !removesDuplicates || !columns.isEmpty && columns.allSatisfy { $0.type.map(context.hasByteEquality) ?? false }
        return isOrdered && isDistinct && !limits.hasExpression ? try merge(keys) : try finish(keys)
    }

    private struct Key {
        let column: Int
        let suffix: String
        let isDescending: Bool
        let nullsFirst: Bool
        let hasOperator: Bool
    }

    private func sortKeys() throws(Refusal) -> [Key] {
        var keys: [Key] = []
        for (index, sort) in NodeList(select.sort_clause, select.n_sort_clause).nodes.compactMap(\.sortBy).enumerated() {
            if case (.integer(let ordinal), let location)? = Node(sort.pointee.node)?.literal, !columns.indices.contains(Int(ordinal) - 1) {
                throw Refusal(
                    "42P10", "ORDER BY position \(ordinal) is not in select list", position: context.characterPosition(ofByte: location))
            }
            guard let column = column(Node(sort.pointee.node)) else {
                throw scatter.planner.refusal("ORDER BY of a set operation by something else than a column")
            }
            let operators = NodeList(sort.pointee.use_op, sort.pointee.n_use_op).strings
            let isDescending = sort.pointee.sortby_dir == PG_QUERY__SORT_BY_DIR__SORTBY_DESC || operators == [">"]
            let nulls = sort.pointee.sortby_nulls
            let nullsFirst = nulls == PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_FIRST
                || (isDescending && nulls != PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_LAST)
            keys.append(
                Key(
                    column: column, suffix: rewriting.orderItem(index).suffix, isDescending: isDescending, nullsFirst: nullsFirst,
                    hasOperator: !operators.isEmpty && operators != ["<"] && operators != [">"]))
        }
        return keys
    }

    private func column(_ node: Node?) -> Int? {
        if case .integer(let ordinal)? = node?.literal?.value { return columns.indices.contains(Int(ordinal) - 1) ? Int(ordinal) - 1 : nil }
        guard let name = node?.columnRef.flatMap({ NodeList($0.pointee.fields, $0.pointee.n_fields).strings.last }) else { return nil }
        let found = columns.indices.filter { columns[$0].name == name }
        return found.count == 1 ? found[0] : nil
    }

    /// The operation without ORDER BY and LIMIT.
    private func inner() -> String {
        var editing = TextEditing(context)
        if !rewriting.clauses.orderClause.isEmpty { editing.replace(rewriting.tokens.bytes(rewriting.clauses.orderClause), with: "") }
        for range in rewriting.clauses.limits { editing.replace(rewriting.tokens.bytes(range), with: "") }
        return editing.text(of: rewriting.tokens.bytes(rewriting.clauses.whole))
    }

    /// The columns as they are for the client, and those the proxy reads again behind them.
    private func merge(_ keys: [Key]) throws(Refusal) -> ScatterPlanner.Result {
        let read = removesDuplicates ? Array(columns.indices) : columns.indices.filter { index in keys.contains { $0.column == index } }
        let aliases = columns.indices.map { "k\($0 + 1)" }
        var text = "SELECT pgbraid_rows.*, " + read.map { "pgbraid_keys.\(aliases[$0])" }.joined(separator: ", ")
            + " FROM (\(inner())) AS pgbraid_rows "
            + "CROSS JOIN LATERAL (SELECT pgbraid_rows.*) AS pgbraid_keys (\(aliases.joined(separator: ", ")))"
        if !keys.isEmpty { text += " ORDER BY " + keys.map { "\($0.column + 1) \($0.suffix)" }.joined(separator: ", ") }
        if let clause = limits.shardClause { text += " " + clause }
        try verify(text)
        let count = columns.count
        let sortKeys = keys.map { key in
            SortKey(
                column: count + (read.firstIndex(of: key.column) ?? 0), typeOID: columns[key.column].type?.oid ?? 0,
                isDescending: key.isDescending, nullsFirst: key.nullsFirst)
        }
        let merge = MergePlan(
            visibleColumnCount: count, sortKeys: sortKeys, distinctColumns: removesDuplicates ? read.map { count + $0 } : [])
        return .init(
            plan: ScatterPlan(shardText: text, merge: merge, limit: limits.limitCount, offset: limits.offsetCount),
            reason: removesDuplicates ? "merge and make distinct" : "merge by ORDER BY")
    }

    private func finish(_ keys: [Key]) throws(Refusal) -> ScatterPlanner.Result {
        try partialQuery(keys, names: nil).plan(scatter.planner)
    }

    /// - Parameter names: output names, where the query stands inside another one.
    func partialQuery(names: [String]?) throws(Refusal) -> PartialQuery { try partialQuery(try sortKeys(), names: names) }

    private func partialQuery(_ keys: [Key], names: [String]?) throws(Refusal) -> PartialQuery {
        if columns.isEmpty { throw scatter.planner.refusal("a set operation without columns") }
        var rows = PartialRows()
        var outputs: [String] = []
        for (index, column) in columns.enumerated() {
            guard let type = column.type, let output = rows.add("column \(index)", type, isKey: false, context) else {
                throw scatter.planner.refusal("the type of column \(index + 1) is not known, and its rows must be ordered or made distinct")
            }
            outputs.append(output)
        }
        let shown = names.map { zip(outputs, $0).map { "\($0) AS \(SQLText.quoted($1))" } } ?? outputs
        var after = keys.isEmpty ? "" : " ORDER BY " + keys.map { "\(outputs[$0.column]) \($0.suffix)" }.joined(separator: ", ")
        // Its text stands without the statement's WITH.
        guard scatter.query.limitLevel?.sublinks.allSatisfy({ scatter.binder.isSelfContained($0) }) ?? true else {
            throw scatter.planner.refusal("a LIMIT that reads a WITH item")
        }
        for range in rewriting.clauses.limits { after += " " + rewriting.text(range) }
        return PartialQuery(
            shardText: try rewriting.shardText(hidden: [], limits: limits), rows: rows,
            before: "SELECT " + (removesDuplicates ? "DISTINCT " : "") + shown.joined(separator: ", ") + " FROM ", after: after,
            reason: "finisher orders the rows")
    }

    /// The wrapped operation is the client's.
    private func verify(_ text: String) throws(Refusal) {
        guard let tree = try? ParseTree(text), let new = tree.statements.first?.node.selectStmt,
            let join = NodeList(new.pointee.from_clause, new.pointee.n_from_clause).first??.joinExpr,
            let inner = Node(join.pointee.larg)?.rangeSubselect.flatMap({ Node($0.pointee.subquery)?.selectStmt }),
            inner.pointee.op == select.op, inner.pointee.all == select.all, SelectRewriting.isSame(inner.pointee.larg, select.larg),
            SelectRewriting.isSame(inner.pointee.rarg, select.rarg),
            SelectRewriting.isSame(inner.pointee.with_clause, select.with_clause)
        else { throw SelectRewriting.notUnderstood }
    }
}
