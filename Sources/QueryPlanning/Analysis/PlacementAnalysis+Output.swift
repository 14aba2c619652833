// Rules 7 to 10: projection, grouping, DISTINCT, windows, LIMIT.
import CPGQuery

extension PlacementAnalysis {
    /// The state of a SELECT's rows, with K among its output columns.
    func outputState(
        _ level: BoundLevel, _ input: RelationState, _ query: BoundQuery, isExistence: Bool = false
    ) -> RelationState {
        var state = grouped(level, input)
        state = windowed(level, state)
        state = distinct(level, state, query)
        state = project(state, query.columns, level)
        return limited(state, query, level, isExistence)
    }

    /// Outer columns a relation is bound to.
    private func outerKeys(_ partition: Partition, _ level: BoundLevel) -> [Variable] {
        partition.keys.filter { isOuter($0, level) }
    }

    /// Exact for one outer row at a time, whatever is done to the rows; else the reason why not.
    private func keptWhenBound(_ partition: Partition, _ level: BoundLevel, _ reason: String) -> RelationState {
        let outer = outerKeys(partition, level)
        return outer.isEmpty ? .other(reason) : bound(partition, outer)
    }

    private func isKey(_ item: ResolvedItem, _ partition: Partition) -> Bool {
        item.variable.map(partition.keys.contains) ?? false
    }

    /// Rule 8: whether each group's rows are on one shard.
    func grouped(_ level: BoundLevel, _ state: RelationState) -> RelationState {
        guard level.isGrouped, let partition = state.partition else { return state }
        if level.grouping.contains(where: { $0.everySetContains { isKey($0, partition) } }) { return state }
        return keptWhenBound(partition, level, "an aggregate of rows on many shards")
    }

    /// Rule 9.
    func windowed(_ level: BoundLevel, _ state: RelationState) -> RelationState {
        guard level.hasWindows, let partition = state.partition else { return state }
        let isExact = level.windowPartitions.allSatisfy { items in
            items.contains { binder.variable($0).map(partition.keys.contains) ?? false }
        }
        return isExact ? state : keptWhenBound(partition, level, "a window over rows on many shards")
    }

    func distinct(_ level: BoundLevel, _ state: RelationState, _ query: BoundQuery) -> RelationState {
        guard level.isDistinct, let partition = state.partition else { return state }
        let isExact = level.distinctOn.isEmpty
            ? query.columns.contains { $0.source.map(partition.keys.contains) ?? false }
            : level.distinctOn.contains { isKey($0, partition) }
        return isExact ? state : keptWhenBound(partition, level, "DISTINCT over rows on many shards")
    }

    /// Rule 7: K is what remains of it among the output columns.
    func project(_ state: RelationState, _ columns: [BoundColumn], _ level: BoundLevel) -> RelationState {
        guard var partition = state.partition else { return state }
        partition.keyColumns = columns.indices.filter { columns[$0].source.map(partition.keys.contains) ?? false }
        partition.keys = outerKeys(partition, level)
        return .partitioned(partition)
    }

    /// Rule 10.
    func limited(_ state: RelationState, _ query: BoundQuery, _ level: BoundLevel?, _ isExistence: Bool) -> RelationState {
        guard query.hasLimit, !(isExistence && keepsExistence(query)) else { return state }
        switch state {
        case .other: return state
        case .replicated:
            // Of a correlated subquery each row of the outer query asks on one shard only.
            let isCertain = query.isCorrelated || level.map(hasOneOrder) ?? false
            return isCertain ? state : .other("LIMIT without a total order in a part that every shard computes")
        case .partitioned(var partition):
            if !partition.keys.isEmpty {
                if !partition.required.contains(partition.keys) { partition.required.append(partition.keys) }
                return .partitioned(partition)
            }
            return .other("LIMIT over rows on many shards below the top")
        }
    }

    /// LIMIT with a positive constant does not change whether there are rows.
    func keepsExistence(_ query: BoundQuery) -> Bool {
        guard let node = query.node, node.pointee.limit_offset == nil,
            case .integer(let count)? = Node(node.pointee.limit_count)?.literal?.value
        else { return false }
        return count > 0
    }

    /// Its rows come in the same order wherever the tables hold the same rows.
    func hasOneOrder(_ level: BoundLevel) -> Bool { isOneRow(level) || hasTotalOrder(level) }

    private func isOneRow(_ level: BoundLevel) -> Bool { level.hasAggregates && level.grouping.isEmpty }

    /// Fetched rows that are ordered by their place in the end.
    private func endsWithPlace(_ level: BoundLevel) -> Bool {
        guard level.entries.count == 1, !level.isGrouped, !level.isDistinct, level.entries[0].name == PartialRows.name,
            let last = level.ordering.last?.variable, last.entry == level.entries[0].id, level.entries[0].columns.indices.contains(last.column)
        else { return false }
        return level.entries[0].columns[last.column].name == PartialRows.placeName
    }

    private func hasTotalOrder(_ level: BoundLevel) -> Bool {
        if endsWithPlace(level) { return true }
        guard level.entries.count == 1, !level.isGrouped, !level.isDistinct, case .table(let relation) = level.entries[0].source,
            !relation.primaryKey.isEmpty
        else { return false }
        let ordered = level.ordering.compactMap(\.variable)
        return relation.primaryKey.allSatisfy { ordered.contains(Variable(entry: level.entries[0].id, column: $0)) }
    }
}
