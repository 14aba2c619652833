// Rules 7 to 10: projection, grouping, DISTINCT, windows, LIMIT.
import CPGQuery

extension PlacementAnalysis {
    /// The state of a SELECT's rows, with K among its output columns.
    func outputState(
        _ level: BoundLevel, _ input: RelationState, _ query: BoundQuery, isExistence: Bool = false
    ) -> RelationState {
        var state = grouped(level, input, query)
        state = windowed(level, state, query)
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
    func grouped(_ level: BoundLevel, _ state: RelationState, _ query: BoundQuery) -> RelationState {
        guard level.isGrouped else { return state }
        guard let partition = state.partition else {
            return hasOneResult(level) ? state : certain(state, level, query, "an aggregate of rows in no certain order in a part that every shard computes")
        }
        if level.grouping.contains(where: { $0.everySetContains { isKey($0, partition) } }) {
            return level.hasPlainGroups ? state : .partitioned(withKeysOfAllSets(partition, level))
        }
        return keptWhenBound(partition, level, "an aggregate of rows on many shards")
    }

    /// A key that is not in each of the grouping sets is NULL in the rows of the others.
    private func withKeysOfAllSets(_ partition: Partition, _ level: BoundLevel) -> Partition {
        var partition = partition
        partition.keys = partition.keys.filter { key in
            isOuter(key, level) || level.grouping.contains { $0.everySetContains { $0.variable == key } }
        }
        return partition
    }

    /// Rule 9.
    func windowed(_ level: BoundLevel, _ state: RelationState, _ query: BoundQuery) -> RelationState {
        guard level.hasWindows else { return state }
        guard let partition = state.partition else {
            let isOne = level.windows.allSatisfy { isOrderless($0, level) }
            return isOne ? state : certain(state, level, query, "a window over rows in no certain order in a part that every shard computes")
        }
        let isExact = level.windows.allSatisfy { window in
            window.partition.contains { binder.variable($0).map(partition.keys.contains) ?? false }
        }
        return isExact ? state : keptWhenBound(partition, level, "a window over rows on many shards")
    }

    func distinct(_ level: BoundLevel, _ state: RelationState, _ query: BoundQuery) -> RelationState {
        guard level.isDistinct else { return state }
        guard let partition = state.partition else {
            let isOne = level.distinctOn.isEmpty || ordersTotally(level)
            return isOne ? state : certain(state, level, query, "DISTINCT ON of rows in no certain order in a part that every shard computes")
        }
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
}
