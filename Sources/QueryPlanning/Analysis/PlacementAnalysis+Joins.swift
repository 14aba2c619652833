// Rules 2 to 5: joins.

extension PlacementAnalysis {
    /// Rule 2. `equalities`: the group's own conjuncts.
    func combineInner(_ members: [Placed], _ level: BoundLevel, _ equalities: Facts) -> Placed {
        let confinement = members.reduce(Confinement.none) { $0.merged($1.confinement) }
        for member in members {
            if case .other = member.state { return Placed(state: member.state, confinement: confinement) }
        }
        let partitions = members.compactMap(\.state.partition)
        return Placed(state: joined(partitions, level, equalities), confinement: confinement)
    }

    private func joined(_ partitions: [Partition], _ level: BoundLevel, _ equalities: Facts) -> RelationState {
        guard var result = partitions.first else { return .replicated }
        var facts = equalities
        for partition in partitions { uniteKeys(of: partition, in: &facts) }
        for other in partitions.dropFirst() {
            guard isTied(result, other, facts) else { return .other(untied(result, other)) }
        }
        if let key = result.keys.first { result.keys = facts.equals(of: key) }
        let anchored = partitions.contains { partition in !partition.required.contains { isLocal($0, level) } }
        guard let required = settled(partitions.flatMap(\.required), keys: result.keys, level, isAnchored: anchored) else {
            return .other("a subquery that is cut off or grouped for each row of a table that every shard has")
        }
        result.required = required
        return .partitioned(result)
    }

    private func isLocal(_ variables: [Variable], _ level: BoundLevel) -> Bool {
        variables.contains { binder.entries[$0.entry].level == level.id }
    }

    func isOuter(_ variable: Variable, _ level: BoundLevel) -> Bool { binder.entries[variable.entry].level != level.id }

    func uniteKeys(of partition: Partition, in facts: inout Facts) {
        guard let first = partition.keys.first else { return }
        for key in partition.keys.dropFirst() { facts.unite(first, key) }
    }

    /// Whether both lie together and a key of one equals a key of the other.
    func isTied(_ one: Partition, _ other: Partition, _ facts: Facts) -> Bool {
        guard one.isColocated(with: other), let key = one.keys.first, let otherKey = other.keys.first else { return false }
        return facts.equals(of: key).contains(otherKey)
    }

    private func untied(_ one: Partition, _ other: Partition) -> String {
        one.isColocated(with: other)
            ? "\"\(one.tableName)\" and \"\(other.tableName)\" are not joined by their sharding keys"
            : "\"\(one.tableName)\" and \"\(other.tableName)\" are sharded differently"
    }

    /// What is still required outside this level; nil when something can no longer be met.
    /// - Parameters:
    ///   - keys: the key's variables on this level.
    ///   - isAnchored: some partitioned relation here stands by itself.
    func settled(
        _ required: [[Variable]], keys: [Variable], _ level: BoundLevel, isAnchored: Bool
    ) -> [[Variable]]? {
        var open: [[Variable]] = []
        for variables in required {
            if isAnchored, variables.contains(where: keys.contains) { continue }
            let outer = variables.filter { isOuter($0, level) }
            if outer.isEmpty { return nil }
            if !open.contains(outer) { open.append(outer) }
        }
        return open
    }

    /// Rule 3: `preserved LEFT JOIN nullable`.
    func analysePreserving(
        _ preserved: JoinTree, _ nullable: JoinTree, _ on: [Predicate], _ level: BoundLevel, _ facts: Facts
    ) -> Placed {
        let left = analyse(preserved, level, facts)
        var inner = facts.adding(on)
        addExports(nullable, to: &inner)
        let right = analyse(nullable, level, inner)
        let confinement = left.confinement.merged(right.confinement)
        return Placed(state: preserving(left.state, right.state, on, level), confinement: confinement)
    }

    private func preserving(
        _ left: RelationState, _ right: RelationState, _ on: [Predicate], _ level: BoundLevel
    ) -> RelationState {
        switch (left, right) {
        case (.other, _): return left
        case (_, .other): return right
        case (_, .replicated): return left
        case (.replicated, .partitioned(let partition)): return preservedReplica(partition, on, level)
        case (.partitioned(var result), .partitioned(let other)):
            var facts = Facts(on)
            uniteKeys(of: result, in: &facts)
            uniteKeys(of: other, in: &facts)
            guard isTied(result, other, facts) else { return .other(untied(result, other)) }
            let anchored = !result.required.contains { isLocal($0, level) }
            guard let required = settled(other.required, keys: result.keys, level, isAnchored: anchored) else {
                return .other("a subquery that is cut off or grouped for each row of a table that every shard has")
            }
            for variables in required where !result.required.contains(variables) { result.required.append(variables) }
            return .partitioned(result)
        }
    }

    /// A replicated row without a match would appear once a shard, unless the matches are those of one outer row.
    private func preservedReplica(_ partition: Partition, _ on: [Predicate], _ level: BoundLevel) -> RelationState {
        var facts = Facts(on)
        uniteKeys(of: partition, in: &facts)
        let outer = partition.keys.first.map { facts.equals(of: $0) }?.filter { isOuter($0, level) } ?? []
        guard !outer.isEmpty else {
            return .other("an outer join keeps the rows of a table that every shard has, against \"\(partition.tableName)\"")
        }
        return bound(partition, outer)
    }

    /// A relation that is exact for one outer row at a time.
    func bound(_ partition: Partition, _ outer: [Variable]) -> RelationState {
        var result = partition
        result.keys = outer
        result.keyColumns = []
        if !result.required.contains(outer) { result.required.append(outer) }
        return .partitioned(result)
    }

    /// Rule 4.
    func analyseFull(
        _ left: JoinTree, _ right: JoinTree, _ on: [Predicate], _ merged: RangeEntry?, _ level: BoundLevel, _ facts: Facts
    ) -> Placed {
        let sides = [left, right]
        let placed = sides.map { analyse($0, level, facts) }
        var confinement = Confinement.none
        for (index, side) in sides.enumerated() {
            confinement = confinement.merged(
                confinedByMatching(side, against: sides[1 - index], on, level, facts) ?? placed[index].confinement)
        }
        return Placed(state: full(placed[0].state, placed[1].state, on, merged), confinement: confinement)
    }

    /// What the condition of a FULL JOIN confines a side to. It says nothing of rows without a match, so it counts only where these
    /// are dropped again: where the facts from above hold of the other side's columns, which are NULL there. What the other side's own
    /// subquery says of its rows is no such fact.
    private func confinedByMatching(
        _ side: JoinTree, against other: JoinTree, _ on: [Predicate], _ level: BoundLevel, _ facts: Facts
    ) -> Confinement? {
        // Only for single tables: analysing whole joins twice would double the work at each level.
        guard case .entry = side, facts.mention(anyOf: other.entries) else { return nil }
        return analyse(side, level, facts.adding(on)).confinement
    }

    private func full(_ left: RelationState, _ right: RelationState, _ on: [Predicate], _ merged: RangeEntry?) -> RelationState {
        switch (left, right) {
        case (.other, _): return left
        case (_, .other): return right
        case (.replicated, .replicated): return .replicated
        case (.partitioned(var result), .partitioned(let other)):
            var facts = Facts(on)
            uniteKeys(of: result, in: &facts)
            uniteKeys(of: other, in: &facts)
            guard isTied(result, other, facts) else { return .other(untied(result, other)) }
            guard result.required.isEmpty, other.required.isEmpty else {
                return .other("a FULL JOIN of subqueries that are cut off or grouped for each outer row")
            }
            let keys = result.keys.first.map { facts.equals(of: $0) } ?? []
            result.keys = mergedKeys(merged, keys)
            return .partitioned(result)
        case (.replicated, .partitioned), (.partitioned, .replicated):
            return .other("a FULL JOIN keeps the rows of a table that every shard has")
        }
    }

    private func mergedKeys(_ merged: RangeEntry?, _ keys: [Variable]) -> [Variable] {
        guard let merged, case .mergedColumns(let pairs) = merged.source else { return [] }
        return pairs.indices.filter { keys.contains(pairs[$0].left) && keys.contains(pairs[$0].right) }
            .map { Variable(entry: merged.id, column: $0) }
    }
}
