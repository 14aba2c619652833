// The simple and frequent aggregates are combined in the proxy, without a finisher: plain groups whose equality is byte
// equality, outputs that are group columns or single calls of count, sum, min, max and the boolean aggregates.
import CPGQuery
import ResultMerging

extension AggregatePlanner {
    /// The plan without a finisher; nil where only PostgreSQL can make the final rows.
    func mergePlan() throws(Refusal) -> ScatterPlanner.Result? {
        let hasSublinks = level.sublinks.contains { $0.clause == .target || $0.clause == .ordering || $0.clause == .limit }
        guard level.hasPlainGroups, !level.hasHaving, !level.isDistinct, !level.hasWindows, !hasSublinks, !limits.hasExpression else { return nil }
        // What is compared is computed apart from what is shown.
        guard !level.targets.contains(where: { scatter.isVolatile($0.expression) }) else { return nil }
        var draft = MergeDraft(hidden: HiddenColumns(visibleCount: level.targets.count))
        for index in level.targets.indices where !addOutput(index, to: &draft) { return nil }
        guard try addGroups(to: &draft), try addOrder(to: &draft) else { return nil }
        let text = try rewriting.shardText(hidden: draft.hidden.columns, limits: limits, isPartial: true)
        let merge = MergePlan(
            visibleColumnCount: level.targets.count, sortKeys: draft.sortKeys,
            aggregate: AggregateMerge(
                outputs: draft.outputs, inputColumns: draft.inputs, outputTypeOIDs: draft.types, hiddenGroupColumns: draft.hiddenGroups))
        return .init(
            plan: ScatterPlan(shardText: text, merge: merge, limit: limits.limitCount, offset: limits.offsetCount),
            reason: "partial aggregates combined")
    }

    private struct MergeDraft {
        var hidden: HiddenColumns
        var outputs: [PartialCombination] = []
        var inputs: [Int] = []
        var types: [UInt32] = []
        var hiddenGroups: [Int] = []
        var sortKeys: [SortKey] = []
    }

    private var groups: [ResolvedItem] { level.grouping.flatMap(\.expressions) }

    private func addOutput(_ index: Int, to draft: inout MergeDraft) -> Bool {
        guard let expression = level.targets[index].expression, let type = binder.inferType(expression),
            let combination = combination(expression, type)
        else { return false }
        let item = ResolvedItem(expression: expression, target: index)
        draft.outputs.append(combination)
        draft.inputs.append(draft.hidden.position(of: rewriting.targetExpression(level.targets[index].item), item))
        draft.types.append(type.oid)
        return true
    }

    private func combination(_ expression: Node, _ type: SQLType) -> PartialCombination? {
        if groups.contains(where: { isSame($0, expression) }) { return context.hasByteEquality(type) ? .group : nil }
        guard let call = expression.funcCall, context.isAggregate(call), context.facts(of: call)?.isBuiltIn == true,
            let name = FunctionNames.name(of: call)
        else { return nil }
        switch name {
        case "min": return context.isMergeable(type) ? .minimum(typeOID: type.oid) : nil
        case "max": return context.isMergeable(type) ? .maximum(typeOID: type.oid) : nil
        case "bool_and", "every": return .boolAnd
        case "bool_or": return .boolOr
        case "count": return call.pointee.agg_distinct == 0 ? .count : nil
        case "sum" where call.pointee.agg_distinct == 0:
            if type.oid == TypeOID.int8 { return .sumBigint }
            return type.oid == TypeOID.numeric ? .sumNumeric : nil
        default: return nil
        }
    }

    /// Groups that the client does not see travel hidden.
    private func addGroups(to draft: inout MergeDraft) throws(Refusal) -> Bool {
        for item in groups {
            guard let expression = item.expression, let type = binder.inferType(expression), context.hasByteEquality(type) else { return false }
            let isShown = level.targets.contains { $0.expression.map { isSame(item, $0) } ?? false }
            if !isShown { draft.hiddenGroups.append(draft.hidden.position(of: try printer.print(expression), item)) }
        }
        return true
    }

    private func addOrder(to draft: inout MergeDraft) throws(Refusal) -> Bool {
        let sorts = NodeList(rewriting.select.pointee.sort_clause, rewriting.select.pointee.n_sort_clause).nodes.compactMap(\.sortBy)
        for (item, sort) in zip(level.ordering, sorts) {
            guard sort.pointee.n_use_op == 0, let expression = item.expression, let type = binder.inferType(expression),
                context.isMergeable(type), let column = try orderColumn(item, expression, draft)
            else { return false }
            let isDescending = sort.pointee.sortby_dir == PG_QUERY__SORT_BY_DIR__SORTBY_DESC
            let nulls = sort.pointee.sortby_nulls
            let nullsFirst = nulls == PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_FIRST
                || isDescending && nulls != PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_LAST
            draft.sortKeys.append(SortKey(column: column, typeOID: type.oid, isDescending: isDescending, nullsFirst: nullsFirst))
        }
        return true
    }

    /// The hidden column of a sort key: a target's, or a group's.
    private func orderColumn(_ item: ResolvedItem, _ expression: Node, _ draft: MergeDraft) throws(Refusal) -> Int? {
        if let target = item.target ?? level.targets.firstIndex(where: { $0.expression.map { isSame(item, $0) } ?? false }) {
            return draft.inputs[target]
        }
        guard groups.contains(where: { isSame($0, expression) }) else { return nil }
        let text = try printer.print(expression)
        return draft.hidden.columns.firstIndex { $0.text == text }.map { level.targets.count + $0 }
    }
}
