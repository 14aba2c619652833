// Rule 6: subqueries in expressions.
import CPGQuery

extension PlacementAnalysis {
    /// The level's input with one of its subqueries taken into account.
    func apply(_ sublink: BoundSublink, to input: Placed, _ level: BoundLevel, _ facts: Facts) -> Placed {
        let isExistence = sublink.node.pointee.sub_link_type == PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK
        var placed = analyse(sublink.query, facts, isExistence: isExistence)
        confineCompared(sublink, &placed, facts)
        let confinement = input.confinement.merged(placed.confinement)
        return Placed(state: state(input.state, with: placed.state, sublink, level), confinement: confinement)
    }

    /// `key IN (SELECT key ...)`: where the key is bound outside, only that key's rows matter inside.
    private func confineCompared(_ sublink: BoundSublink, _ placed: inout Placed, _ facts: Facts) {
        guard placed.confinement.unbound != nil, let partition = placed.state.partition, let placement = partition.placement else { return }
        let conditions = sublink.comparedColumns.filter { partition.keyColumns.contains($0.position) }
            .flatMap { facts.constants(of: $0.variable) }.compactMap { context.condition($0, placement) }
        if !conditions.isEmpty { placed.confinement = .bound(conditions) }
    }

    private func state(
        _ outer: RelationState, with inner: RelationState, _ sublink: BoundSublink, _ level: BoundLevel
    ) -> RelationState {
        switch (outer, inner) {
        case (.other, _): return outer
        case (_, .other(let reason)): return .other("in a subquery: " + reason)
        case (_, .replicated):
            let isArray = sublink.node.pointee.sub_link_type == PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK
            if !isArray || hasOneOrder(ofArray: sublink) { return outer }
            return .other("an array of rows in no certain order in a part that every shard computes")
        case (.replicated, .partitioned(let partition)): return replicatedOver(partition, level)
        case (.partitioned(let around), .partitioned(let partition)): return within(around, partition, sublink, level)
        }
    }

    /// A replicated level with a bound subquery is bound to the same outer row.
    private func replicatedOver(_ partition: Partition, _ level: BoundLevel) -> RelationState {
        var facts = Facts(level.filter)
        uniteKeys(of: partition, in: &facts)
        let outer = partition.keys.first.map { facts.equals(of: $0) }?.filter { isOuter($0, level) } ?? []
        guard !outer.isEmpty else {
            return .other("a subquery on sharded table \"\(partition.tableName)\" where every shard computes the same")
        }
        return bound(partition, outer)
    }

    private func within(
        _ around: Partition, _ partition: Partition, _ sublink: BoundSublink, _ level: BoundLevel
    ) -> RelationState {
        guard around.isColocated(with: partition) else {
            return .other("a subquery on \"\(partition.tableName)\", which is sharded differently")
        }
        if partition.keys.contains(where: around.keys.contains) {
            guard let required = settled(partition.required, keys: around.keys, level, isAnchored: true) else {
                return .other("a subquery that is not tied to the sharding key")
            }
            var result = around
            for variables in required where !result.required.contains(variables) { result.required.append(variables) }
            return .partitioned(result)
        }
        let isCompared = sublink.comparedColumns.contains {
            around.keys.contains($0.variable) && partition.keyColumns.contains($0.position)
        }
        if isCompared, partition.required.isEmpty { return .partitioned(around) }
        return .other("a subquery on \"\(partition.tableName)\" that is not tied to the sharding key")
    }
}
