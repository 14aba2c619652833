// UPDATE and DELETE whose parts lie on different shards: every sharded table but the one to change is fetched, as for a SELECT,
// and each shard changes its own rows with what was fetched.
import CPGQuery

extension GatherPlanner {
    /// - Parameter tag: how the shards' answers become one; with `first` each of them must change the same rows.
    /// - Throws: 0A000 for what must not be fetched, or is not exact even then.
    func planModification(
        _ modification: BoundModification, _ usage: StatementUsage, tag: TagCombination
    ) throws(Refusal) -> FetchedModificationPlan {
        try checkGatherable(usage)
        try checkTarget(modification)
        guard modification.insertedRows.isEmpty else { throw planner.refusal("a statement of this form") }
        try replaceParts(of: modification)
        guard !parts.isEmpty else { throw planner.refusal("nothing could be fetched") }
        let layout = GatherLayout(parts, firstParameter: planner.binder.parameterCount + 1)
        var plan = try statement(layout, modification)
        plan.tag = tag
        try planner.checkFetchedModification(plan, reading: parts.flatMap { $0.columns.map(\.type) })
        return plan
    }

    func checkTarget(_ modification: BoundModification) throws(Refusal) {
        guard modification.kind != .insert else { throw planner.refusal("a statement of this form") }
        guard case .table(let relation) = modification.target.source, relation.kind == "r" || relation.kind == "p" else {
            throw planner.refusal("the table to change is a view")
        }
        if modification.level.usesSystemColumns { throw planner.refusal("system columns differ from shard to shard") }
    }

    private func replaceParts(of modification: BoundModification) throws(Refusal) {
        for table in query.commonTables {
            if table.isModifying { throw planner.refusal("data-modifying WITH items must be confined to one shard") }
            try replaceItem(table)
        }
        let conditions = GatherConditions(query, modification.level, planner)
        for entry in modification.level.entries where entry !== modification.target { try replace(entry, conditions) }
        for sublink in modification.level.sublinks {
            guard let node = Node(sublink.node.pointee.subselect) else { throw SelectRewriting.notUnderstood }
            try replaceNested(sublink.query, node, "subquery")
        }
    }

    func statement(_ layout: GatherLayout, _ modification: BoundModification) throws(Refusal) -> FetchedModificationPlan {
        let isMerge = modification.kind == .merge
        let actions = isMerge ? tokens.firstMergeAction : tokens.firstOutside(PG_QUERY__TOKEN__RETURNING)
        let returning = actions ?? tokens.count
        let whereIndex = isMerge
            ? tokens.lastOutside(PG_QUERY__TOKEN__ON, before: returning) : tokens.firstOutside(PG_QUERY__TOKEN__WHERE)
        guard (whereIndex != nil) == (modification.filterNode != nil), whereIndex ?? 0 < returning else { throw SelectRewriting.notUnderstood }
        let after = edited(returning..<tokens.count)
        return FetchedModificationPlan(
            shardText: layout.shardText, columnCounts: parts.map(\.columns.count), firstArrayParameter: planner.binder.parameterCount + 1, tag: .sum,
            textBefore: defining(layout, textOf: 0..<(whereIndex ?? returning)), keyword: isMerge ? "ON" : "WHERE", condition: whereIndex.map { edited($0 + 1..<returning) },
            textAfter: after.isEmpty ? "" : " " + after, targetName: SQLText.quoted(modification.target.name))
    }
}

extension StatementPlanner {
    /// The statement with fetched rows in place must parse, resolve all its names, and be exact on each shard by the rules for
    /// statements that fetch nothing.
    /// - Parameter change: what is different to those rules.
    func checkFetchedModification(
        _ plan: FetchedModificationPlan, reading types: [SQLType], change: (BoundModification) -> Void = { _ in }
    ) throws(Refusal) {
        try checkExactText(types)
        try checkParameterCount(own: plan.firstArrayParameter - 1, fetched: plan.columnCounts.reduce(0, +))
        guard let tree = try? ParseTree(plan.text), tree.statements.count == 1 else { throw SelectRewriting.notUnderstood }
        let inner = StatementPlanner(context.replacingText(plan.text))
        guard let (modification, _) = inner.binder.bindModification(tree.statements[0].node, parent: nil) else {
            throw SelectRewriting.notUnderstood
        }
        guard inner.binder.firstError == nil, inner.binder.unknownTable == nil, inner.binder.unsupported == nil else {
            throw SelectRewriting.notUnderstood
        }
        let sharded = inner.binder.entries.filter { entry in
            guard case .table(let relation) = entry.source else { return false }
            return relation.placement.isPartitioned && entry !== modification.target
        }
        guard sharded.isEmpty else { throw SelectRewriting.notUnderstood }
        change(modification)
        switch (inner.analysis.analyseInput(modification.level, Facts()).state, plan.tag) {
        case (.other(let reason), _): throw refusal(reason)
        case (.partitioned(let partition), .sum) where partition.required.isEmpty: return
        case (.replicated, .first) where !StatementUsage(inner.binder).hasVolatileFunctions:
            guard case .table(let relation) = modification.target.source else { return }
            if let column = try inner.differingDefault(modification, relation) { throw refusal("the default of column \"\(column)\" may differ") }
            // Fetched rows come in one order to all shards.
            if let reason = matchDependence(modification) ?? (inner.readsOtherRows(modification) ? Self.commitUnderWay : nil) {
                throw refusal(reason)
            }
        default: throw refusal("the shards would not change their rows alike")
        }
    }
}
