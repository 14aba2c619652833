// InsertOneShard: an INSERT with WITH, subqueries or joins in it, when all of it is confined to one shard: the rows it writes,
// and the sharded tables it reads, by constants that name the same shard. Decided by the analyser's rules.
import CPGQuery

extension StatementClassifier {
    /// The pass-through plan; nil where the statement is not confined to one shard, or it cannot be told.
    func planConfined(_ node: Node, _ target: InsertTarget, _ key: ShardedKey) -> StatementPlan? {
        guard key.maximumCharacters == nil, !context.acrossShards, !hasSubqueryBesideSource(target) else { return nil }
        let written = ExpressionInspection(node, context)
        let isPlain = target.statement.with_clause == nil && !written.hasSubquery && target.source?.isPlainValues ?? true
        let values = target.source.flatMap { $0.isPlainValues ? try? valueRows($0, target) : nil }
        guard !isPlain, let inspection = try? inspectInsert(node, target, rows: values ?? []), inspection.sessionEffect == nil,
            !inspection.effects.contains(.catalogRead), !hasUnknownDefault(inspection, written)
        else { return nil }
        return try? StatementPlanner(context).planConfinedInsert(node)
    }

    /// A column's default calls what may read other shards' rows too.
    func hasUnknownDefault(_ inspection: ExpressionInspection, _ written: ExpressionInspection) -> Bool {
        inspection.effects.contains(.unknown) && !written.effects.contains(.unknown)
    }

    /// The plan by which each shard inserts the rows that it yields itself; nil where they would belong elsewhere.
    func planPushed(_ node: Node, _ target: InsertTarget, _ key: ShardedKey) throws(Refusal) -> StatementPlan? {
        guard key.maximumCharacters == nil, let source = target.source, !source.isPlainValues, !hasSubqueryBesideSource(target) else { return nil }
        let inspection = try inspectInsert(node, target, rows: [])
        guard inspection.sessionEffect == nil, inspection.effects.isDisjoint(with: [.unknown, .transactionTime, .catalogRead, .shardLocal]) else {
            return nil
        }
        return try? StatementPlanner(context).planPushedInsert(node, key)
    }

    /// In ON CONFLICT and RETURNING, where the analyser's rules for a query's source do not look.
    func hasSubqueryBesideSource(_ target: InsertTarget) -> Bool {
        var inspection = ExpressionInspection(context)
        if let conflict = target.statement.on_conflict_clause { inspection.add(below: conflict) }
        for item in NodeList(target.statement.returning_list, target.statement.n_returning_list).nodes { inspection.add(item) }
        return inspection.hasSubquery
    }
}

extension StatementPlanner {
    /// How many columns the source of an INSERT has; nil where that is not known.
    func insertedWidth(_ node: Node) -> Int? {
        guard let source = binder.bindModification(node, parent: nil)?.0.source, !binder.hasUnknownTargets(source) else { return nil }
        return source.columns.count
    }

    fileprivate func planConfinedInsert(_ node: Node) throws(Refusal) -> StatementPlan? {
        guard let (modification, _) = binder.bindModification(node, parent: nil), modification.kind == .insert else { return nil }
        let usage = StatementUsage(binder)
        try refuseReferenceWrites()
        guard usage.hasSharded, try planWithoutSharding(usage, "INSERT", effect: .writes) == nil else { return nil }
        let confinement = try modificationConfinement().reduce(insertConfinement(modification)) { $0.merged($1) }
        try checkBinding()
        return planOneShard(confinement, usage, "INSERT", effect: .writes)
    }
}
