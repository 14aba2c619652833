// Rule 11: set operations and recursive queries, by column position.

extension PlacementAnalysis {
    func analyseSetOperation(
        _ kind: SetOperator, isAll: Bool, _ left: Placed, _ right: Placed, _ leftQuery: BoundQuery, _ rightQuery: BoundQuery
    ) -> Placed {
        let confinement = left.confinement.merged(right.confinement)
        let shared = sharedColumns(left.state, right.state, leftQuery, rightQuery)
        let compared = comparedAsKeys(left.state, leftQuery, rightQuery)
        let state = setOperation(kind, isAll: isAll, left.state, right.state, shared, compared)
        return Placed(state: state, confinement: confinement)
    }

    /// Positions that hold the placement key on both sides, with one type.
    private func sharedColumns(
        _ left: RelationState, _ right: RelationState, _ leftQuery: BoundQuery, _ rightQuery: BoundQuery
    ) -> [Int] {
        guard let one = left.partition, let other = right.partition, one.isColocated(with: other) else { return [] }
        return one.keyColumns.filter { position in
            guard other.keyColumns.contains(position), leftQuery.columns.indices.contains(position),
                rightQuery.columns.indices.contains(position), let type = leftQuery.columns[position].type
            else { return false }
            return type.oid == rightQuery.columns[position].type?.oid
        }
    }

    /// Positions of the left side's placement key that the operation compares as keys are compared: rows it takes for the same lie on one
    /// shard.
    private func comparedAsKeys(_ left: RelationState, _ leftQuery: BoundQuery, _ rightQuery: BoundQuery) -> [Int] {
        (left.partition?.keyColumns ?? []).filter { position in
            guard leftQuery.columns.indices.contains(position), rightQuery.columns.indices.contains(position),
                let one = leftQuery.columns[position].type.flatMap({ binder.keyFamily($0) }),
                let other = rightQuery.columns[position].type.flatMap({ binder.keyFamily($0) })
            else { return false }
            return one == other
        }
    }

    private func setOperation(
        _ kind: SetOperator, isAll: Bool, _ left: RelationState, _ right: RelationState, _ shared: [Int], _ compared: [Int]
    ) -> RelationState {
        if case .other = left { return left }
        if case .other = right { return right }
        if let bound = boundTogether(left, right) { return bound }
        switch (left, right) {
        case (.replicated, .replicated): return .replicated
        case (.partitioned(let one), .partitioned(let other)):
            guard one.required.isEmpty, other.required.isEmpty else { return .other("a set operation of bound subqueries") }
            if shared.isEmpty, !(kind == .union && isAll) {
                return .other("\(name(kind)) of rows that lie on different shards")
            }
            return .partitioned(Partition(placement: one.placement, keys: [], keyColumns: shared, tableName: one.tableName))
        case (.partitioned(let one), .replicated) where kind != .union && !compared.isEmpty && one.required.isEmpty:
            return .partitioned(Partition(placement: one.placement, keys: [], keyColumns: compared, tableName: one.tableName))
        default: return .other("\(name(kind)) of a sharded table and rows that every shard has")
        }
    }

    private func name(_ kind: SetOperator) -> String {
        switch kind {
        case .union: "UNION"
        case .intersect: "INTERSECT"
        case .except: "EXCEPT"
        }
    }

    /// Both sides exact for one outer row at a time, on that row's shard.
    private func boundTogether(_ left: RelationState, _ right: RelationState) -> RelationState? {
        let partitions = [left, right].compactMap(\.partition)
        guard let first = partitions.first, partitions.allSatisfy({ $0.isColocated(with: first) }) else { return nil }
        let keys = first.keys.filter { key in partitions.allSatisfy { $0.keys.contains(key) } }
        guard !keys.isEmpty else { return nil }
        var required = [keys]
        for variables in partitions.flatMap(\.required) where !required.contains(variables) { required.append(variables) }
        return .partitioned(Partition(placement: first.placement, keys: keys, required: required, tableName: first.tableName))
    }

    /// The recursive term sees the working table in the state assumed for it; K shrinks until it holds.
    func analyseRecursion(
        _ number: Int, isAll: Bool, _ initial: BoundQuery, _ step: BoundQuery, _ facts: Facts, _ query: BoundQuery
    ) -> Placed {
        let start = analyse(initial, facts)
        var state = start.state
        for _ in 0...initial.columns.count {
            workingTables[number] = state
            let next = analyse(step, facts)
            workingTables[number] = nil
            let shared = sharedColumns(state, next.state, initial, step)
            let combined = setOperation(.union, isAll: isAll, state, next.state, shared, [])
            let confinement = start.confinement.merged(next.confinement)
            if combined.partition?.keyColumns == state.partition?.keyColumns || combined.partition == nil {
                return Placed(state: combined, confinement: confinement)
            }
            state = combined
        }
        return Placed(state: .other("a recursive query"), confinement: start.confinement)
    }
}
