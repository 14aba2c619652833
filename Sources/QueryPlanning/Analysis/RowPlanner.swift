// RowPlanner: SELECTs whose rows are final on each shard. What remains is order, DISTINCT and LIMIT over all shards: done
// in the proxy where it knows the types' order and equality, by a finisher where only PostgreSQL does.
import CPGQuery
import ResultMerging

struct RowPlanner {
    let scatter: ScatterPlanner
    let level: BoundLevel
    let rewriting: SelectRewriting
    let limits: RowLimits
    /// DISTINCT must be applied over all shards.
    let removesDuplicates: Bool
    private var context: AnalysisContext { scatter.context }

    init(
        _ scatter: ScatterPlanner, _ level: BoundLevel, _ rewriting: SelectRewriting, _ limits: RowLimits, removesDuplicates: Bool
    ) {
        self.scatter = scatter
        self.level = level
        self.rewriting = rewriting
        self.limits = limits
        self.removesDuplicates = removesDuplicates
    }

    func plan() throws(Refusal) -> ScatterPlanner.Result {
        let keys = try sortItems()
        if level.hasUnknownTargets { throw scatter.planner.refusal("columns of a type that is not known") }
        if keys.isEmpty, !removesDuplicates, !limits.isPresent { return concatenation() }
        if let merge = try merge(keys) { return merge }
        return try finish(keys)
    }

    private func concatenation() -> ScatterPlanner.Result {
        let text = rewriting.text(rewriting.clauses.whole)
        return .init(
            plan: ScatterPlan(shardText: text, merge: MergePlan(visibleColumnCount: level.targets.count)), reason: "concatenate")
    }

    // MARK: Sort keys

    /// One ORDER BY item.
    struct SortItem {
        let item: ResolvedItem
        let expression: String
        let suffix: String
        let type: SQLType?
        let isDescending: Bool
        let nullsFirst: Bool
        /// USING with an operator that is not a type's plain order.
        let hasOperator: Bool
    }

    private func sortItems() throws(Refusal) -> [SortItem] {
        guard let node = scatter.query.node else { return [] }
        let sorts = NodeList(node.pointee.sort_clause, node.pointee.n_sort_clause).nodes.compactMap(\.sortBy)
        var items: [SortItem] = []
        for (index, sort) in sorts.enumerated() {
            let item = level.ordering[index]
            if level.isDistinct, level.distinctOn.isEmpty, item.target == nil {
                throw Refusal("42P10", "for SELECT DISTINCT, ORDER BY expressions must appear in select list")
            }
            items.append(sortItem(sort.pointee, item, index))
        }
        return items
    }

    private func sortItem(_ sort: PgQuery__SortBy, _ item: ResolvedItem, _ index: Int) -> SortItem {
        let (written, suffix) = rewriting.orderItem(index)
        let operators = NodeList(sort.use_op, sort.n_use_op).strings
        let isDescending = sort.sortby_dir == PG_QUERY__SORT_BY_DIR__SORTBY_DESC || operators == [">"]
        let nullsFirst =
            switch sort.sortby_nulls {
            case PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_FIRST: true
            case PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_LAST: false
            default: isDescending
            }
        return SortItem(
            item: item, expression: item.target.map { targetText($0) } ?? written, suffix: suffix, type: type(of: item),
            isDescending: isDescending, nullsFirst: nullsFirst,
            hasOperator: !operators.isEmpty && operators != ["<"] && operators != [">"])
    }

    private func type(of item: ResolvedItem) -> SQLType? {
        if let target = item.target { return targetType(target) }
        return item.expression.flatMap { scatter.binder.inferType($0) }
    }

    private func targetType(_ index: Int) -> SQLType? { scatter.binder.column(of: level.targets[index]).type }

    private func targetText(_ index: Int) -> String {
        let target = level.targets[index]
        guard target.expression != nil else { return target.starReference.map(SQLText.quoted).joined(separator: ".") }
        return rewriting.targetExpression(target.item)
    }

    /// Refuses to compute a target twice when that may give two values.
    private func checkRepeatable(_ item: ResolvedItem) throws(Refusal) {
        if item.target != nil, scatter.isVolatile(item.expression) {
            throw scatter.planner.refusal("ORDER BY or DISTINCT of a volatile column")
        }
    }

    // MARK: In the proxy

    /// The merge plan, nil when the proxy cannot do it.
    private func merge(_ keys: [SortItem]) throws(Refusal) -> ScatterPlanner.Result? {
        let isOrdered = keys.allSatisfy { key in !key.hasOperator && key.type.map(context.isMergeable) ?? false }
        let distinct = distinctItems()
        let isDistinct = distinct.allSatisfy { item in type(of: item).map(context.hasByteEquality) ?? false }
        guard isOrdered, isDistinct, !limits.hasExpression else { return nil }
        var hidden = HiddenColumns(visibleCount: level.targets.count)
        var sortKeys: [SortKey] = []
        for key in keys {
            try checkRepeatable(key.item)
            sortKeys.append(
                SortKey(
                    column: hidden.position(of: key.expression, key.item), typeOID: key.type?.oid ?? 0, isDescending: key.isDescending,
                    nullsFirst: key.nullsFirst))
        }
        var distinctColumns: [Int] = []
        for item in distinct {
            try checkRepeatable(item)
            guard let text = text(of: item, keys) else { return nil }
            distinctColumns.append(hidden.position(of: text, item))
        }
        let merge = MergePlan(
            visibleColumnCount: level.targets.count, sortKeys: sortKeys, distinctColumns: distinctColumns)
        let text = try rewriting.shardText(hidden: hidden.columns, limits: limits)
        return .init(
            plan: ScatterPlan(shardText: text, merge: merge, limit: limits.limitCount, offset: limits.offsetCount),
            reason: mergeReason(keys, distinct))
    }

    private func mergeReason(_ keys: [SortItem], _ distinct: [ResolvedItem]) -> String {
        let parts = [keys.isEmpty ? "concatenate" : "merge by ORDER BY", distinct.isEmpty ? nil : "make distinct", limits.isPresent ? "cut" : nil]
        return parts.compactMap { $0 }.joined(separator: ", ")
    }

    /// What rows are compared by for DISTINCT over all shards.
    private func distinctItems() -> [ResolvedItem] {
        guard removesDuplicates else { return [] }
        if !level.distinctOn.isEmpty { return level.distinctOn }
        return level.targets.indices.map { index in
            ResolvedItem(expression: level.targets[index].expression, variable: level.targets[index].variable, target: index)
        }
    }

    /// The text of a DISTINCT item: a target's, or that of the ORDER BY item that is the same expression.
    private func text(of item: ResolvedItem, _ keys: [SortItem]) -> String? {
        if let target = item.target { return targetText(target) }
        guard let expression = item.expression else { return nil }
        return keys.first { key in key.item.expression.map { scatter.binder.isSame($0, expression) } ?? false }?.expression
            ?? distinctOnText(expression)
    }

    private func distinctOnText(_ expression: Node) -> String? {
        let list = NodeList(rewriting.select.pointee.distinct_clause, rewriting.select.pointee.n_distinct_clause).nodes
        let range = rewriting.clauses.distinct
        guard let index = list.firstIndex(of: expression), range.count > 4 else { return nil }
        let items = rewriting.tokens.items(range.lowerBound + 3..<range.upperBound - 1)
        return items.indices.contains(index) ? rewriting.text(items[index]) : nil
    }

    // MARK: By a finisher

    /// Lets PostgreSQL order, make distinct and cut the shards' rows.
    private func finish(_ keys: [SortItem]) throws(Refusal) -> ScatterPlanner.Result {
        try partialQuery(keys, names: nil).plan(scatter.planner)
    }

    /// - Parameter names: output names, where the query stands inside another one.
    func partialQuery(names: [String]?) throws(Refusal) -> PartialQuery { try partialQuery(try sortItems(), names: names) }

    private func partialQuery(_ keys: [SortItem], names: [String]?) throws(Refusal) -> PartialQuery {
        var draft = FinisherDraft(hidden: HiddenColumns(visibleCount: level.targets.count))
        for index in level.targets.indices {
            // Columns must stay apart even when two targets are alike.
            guard let type = targetType(index), let column = draft.rows.add("target \(index)", type, isKey: false, context) else {
                throw scatter.planner.refusal("the type of column \(index + 1) is not known, and its rows must be ordered or made distinct")
            }
            draft.outputs.append(column)
        }
        var order: [String] = []
        for key in keys {
            let column = try column(of: key.item, key.expression, key.type, &draft)
            order.append(column + (key.suffix.isEmpty ? "" : " " + key.suffix))
        }
        if names != nil, limits.isPresent, !limits.hasTies, !removesDuplicates { order.append(PartialRows.place) }
        var distinctOn: [String] = []
        if removesDuplicates {
            for item in level.distinctOn { distinctOn.append(try column(of: item, text(of: item, keys) ?? "", type(of: item), &draft)) }
        }
        // A query without columns still has rows.
        if draft.rows.columns.isEmpty {
            draft.rows.addRowMark("1", .int4, context)
            _ = draft.hidden.position(of: "1", ResolvedItem())
        }
        let outputs = zip(draft.outputs, names ?? []).map { "\($0) AS \(SQLText.quoted($1))" }
        var before = "SELECT "
        if removesDuplicates { before += distinctOn.isEmpty ? "DISTINCT " : "DISTINCT ON (\(distinctOn.joined(separator: ", "))) " }
        before += (names == nil ? draft.outputs : outputs).joined(separator: ", ") + " FROM "
        var after = order.isEmpty ? "" : " ORDER BY " + order.joined(separator: ", ")
        // Its text stands without the statement's WITH.
        guard level.sublinks.allSatisfy({ $0.clause != .limit || scatter.binder.isSelfContained($0) }) else {
            throw scatter.planner.refusal("a LIMIT that reads a WITH item")
        }
        for range in rewriting.clauses.limits { after += " " + rewriting.text(range) }
        return PartialQuery(
            shardText: try rewriting.shardText(hidden: draft.hidden.columns, limits: limits), rows: draft.rows, before: before,
            after: after, reason: "finisher orders the rows")
    }

    private struct FinisherDraft {
        var rows = PartialRows()
        var outputs: [String] = []
        var hidden: HiddenColumns
    }

    /// The finisher's column for an ORDER BY or DISTINCT item; not a target's, it travels hidden.
    private func column(
        of item: ResolvedItem, _ text: String, _ type: SQLType?, _ draft: inout FinisherDraft
    ) throws(Refusal) -> String {
        if let target = item.target { return draft.outputs[target] }
        guard let type, let column = draft.rows.add(text, type, isKey: false, context) else {
            throw scatter.planner.refusal("the type of an ORDER BY or DISTINCT expression is not known")
        }
        _ = draft.hidden.position(of: text, item)
        return column
    }
}

/// Hidden columns behind the visible ones; equal texts share one.
struct HiddenColumns {
    let visibleCount: Int
    private(set) var columns: [HiddenColumn] = []

    init(visibleCount: Int) { self.visibleCount = visibleCount }

    mutating func position(of text: String, _ item: ResolvedItem) -> Int {
        let index = columns.firstIndex { $0.text == text } ?? columns.count
        if index == columns.count { columns.append(HiddenColumn(text: text, expression: item.expression)) }
        return visibleCount + index
    }
}
