// What writes besides UPDATE and DELETE: MERGE over several shards, and data-modifying WITH items. Each shard runs the whole
// statement over its own rows, where that is exact.
import CPGQuery
import ShardMap

extension StatementPlanner {
    /// MERGE whose source is tied to the target by the sharding key, or whose source rows are on every shard and insert nothing; else
    /// the source is fetched.
    func planMerge(
        _ modification: BoundModification, _ query: BoundQuery, _ state: RelationState, _ confinement: Confinement, _ usage: StatementUsage
    ) throws(Refusal) -> StatementPlan {
        switch state {
        case .partitioned(let partition):
            try checkInsertedKeys(modification, partition)
            let route = confinement.route ?? .all
            return plan(
                .modify(route, text: nil, tag: .sum), "MERGE", usage, effect: .writes, reason: "each shard its rows, over \(describe(route))")
        case .other(let reason) where modification.insertedRows.isEmpty:
            return try planFetched(modification, query, usage, tag: .sum, instead: refusal(reason))
        case .other, .replicated:
            let dealt = try GatherPlanner(self, query).planDealtMerge(modification, usage)
            return plan(.modifyFetched(.all, dealt), "MERGE", usage, effect: .writes, reason: "each source row on the shard of its key")
        }
    }

    /// A row that MERGE inserts must belong to the shard of the source row it is made from.
    private func checkInsertedKeys(_ modification: BoundModification, _ partition: Partition) throws(Refusal) {
        guard !modification.insertedRows.isEmpty else { return }
        guard partition.required.isEmpty, case .table(let relation) = modification.target.source,
            case .sharded(let column, let placement) = relation.placement
        else { throw refusal("MERGE into this table") }
        try checkInsertedRows(modification, ShardedKey(column: column, placement: placement, relation: relation)) { partition.keys.contains($0) }
    }

    func checkInsertedRows(_ modification: BoundModification, _ key: ShardedKey, isKey: (Variable) -> Bool) throws(Refusal) {
        for row in modification.insertedRows {
            let value = row.first { $0.column == key.name }?.value
            guard key.maximumCharacters == nil, let variable = binder.variable(value), isKey(variable) else {
                throw refusal("MERGE inserts rows whose key is not the source's")
            }
            let given = Set(row.map(\.column))
            for column in key.relation.columns where !given.contains(column.name) { try checkDefault(column) }
        }
    }

    func checkDefault(_ column: Column) throws(Refusal) {
        var inspection = ExpressionInspection(context)
        try inspection.addDefault(of: column)
        if inspection.effects.isSubset(of: [.none, .sequenceWrite, .freshValue]) { return }
        throw refusal("the default of column \"\(column.name)\" is another on each shard")
    }

    /// Data-modifying WITH items over several shards: each must change each shard's own rows by itself.
    func checkPushedItems() throws(Refusal) {
        for modification in binder.modifications {
            guard analysis.returnedPartition(modification) != nil else { throw refusal("data-modifying WITH items must be confined to one shard") }
        }
    }

    /// SELECT with data-modifying WITH items whose rows are final on each shard.
    func planWritingSelect(_ query: BoundQuery, _ confinement: Confinement, _ usage: StatementUsage) throws(Refusal) -> StatementPlan {
        try checkPushedItems()
        try checkBinding()
        let scatter = try ScatterPlanner(self, query).plan().plan
        let isFinal = scatter.finisher == nil && scatter.limit == nil && scatter.offset == nil && scatter.merge.sortKeys.isEmpty
            && scatter.merge.distinctColumns.isEmpty && scatter.merge.aggregate == nil
        guard isFinal else { throw refusal("rows of data-modifying WITH items must be put in order, grouped or cut off") }
        let route = confinement.route ?? .all
        return plan(
            .modify(route, text: nil, tag: .sum), "SELECT", usage, effect: .writes, reason: "each shard its rows, over \(describe(route))")
    }

    /// INSERT ... SELECT whose rows stay on the shards that yield them; nil where they may not.
    func planPushedInsert(_ node: Node, _ key: ShardedKey) throws(Refusal) -> StatementPlan? {
        guard let (modification, _) = binder.bindModification(node, parent: nil), modification.kind == .insert,
            let source = modification.source, let position = modification.columns.firstIndex(of: key.name)
        else { return nil }
        let usage = StatementUsage(binder)
        try refuseReferenceWrites()
        guard usage.hasSharded, usage.unknownFunction == nil, try planWithoutSharding(usage, "INSERT", effect: .writes) == nil else { return nil }
        try checkPushedItems()
        try checkBinding()
        guard case .partitioned(let partition) = analysis.analyse(source, Facts()).state, partition.required.isEmpty,
            partition.placement?.isColocated(with: key.placement) == true, partition.keyColumns.contains(position)
        else { return nil }
        return plan(
            .modify(.all, text: nil, tag: .sum), "INSERT", usage, effect: .writes, insertsWhatItReads: true, reason: "each shard its own rows")
    }
}

extension PlacementAnalysis {
    /// How the rows lie that a data-modifying WITH item changes; nil where its shards would not change their rows each by itself.
    func returnedPartition(_ modification: BoundModification) -> Partition? {
        guard modification.kind == .update || modification.kind == .delete, case .table(let relation) = modification.target.source,
            relation.placement.isPartitioned, let partition = analyseInput(modification.level, Facts()).state.partition,
            partition.required.isEmpty
        else { return nil }
        return partition
    }

    /// The state of what a data-modifying WITH item returns.
    func returned(_ modification: BoundModification, _ query: BoundQuery) -> RelationState {
        guard var partition = returnedPartition(modification) else { return .other("a data-modifying WITH item") }
        let assigned = modification.assignedVariables
        partition.keyColumns = query.columns.indices.filter { index in
            guard let source = query.columns[index].source, !assigned.contains(source) else { return false }
            return partition.keys.contains(source)
        }
        partition.keys = []
        return .partitioned(partition)
    }
}
