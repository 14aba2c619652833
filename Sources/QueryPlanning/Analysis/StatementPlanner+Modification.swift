// Plans for UPDATE, DELETE and MERGE.
import ShardMap

extension StatementPlanner {
    func planModification(_ modification: BoundModification, _ query: BoundQuery) throws(Refusal) -> StatementPlan {
        let usage = StatementUsage(binder)
        let command = commandName(modification.kind)
        try refuseReferenceWrites()
        try checkViewTarget(modification, isItem: false)
        if case .table(let relation) = modification.target.source, relation.schema == "pg_catalog", relation.name == "pg_settings" {
            throw Refusal(
                "0A000", "settings cannot be changed through view \"pg_settings\": another server may run the next statement",
                hint: "Use SET or set_config.")
        }
        if case .table(let relation) = modification.target.source, relation.placement == .reference {
            return try planReferenceWrite(modification, query, relation, usage)
        }
        if let plan = try planWithoutSharding(usage, command, effect: .writes) { return plan }
        let input = analysis.analyseInput(modification.level, Facts())
        var confinement = try modificationConfinement().reduce(input.confinement) { $0.merged($1) }
        if let change = keyChange(modification) {
            guard modification.kind == .update, binder.modifications.isEmpty else { throw keyChangeRefusal(change) }
            return try planKeyChange(change, query, confinement, usage)
        }
        if modification.kind == .merge { confinement = try confinement.merged(insertedConfinement(modification)) }
        if let plan = planOneShard(confinement, usage, command, effect: .writes) { return plan }
        try checkBinding()
        return try planAcrossShards(modification, query, input.state, confinement, usage)
    }

    private func commandName(_ kind: BoundModification.Kind) -> String {
        switch kind {
        case .insert: "INSERT"
        case .update: "UPDATE"
        case .delete: "DELETE"
        case .merge: "MERGE"
        }
    }

    private func planAcrossShards(
        _ modification: BoundModification, _ query: BoundQuery, _ state: RelationState, _ confinement: Confinement, _ usage: StatementUsage
    ) throws(Refusal) -> StatementPlan {
        try checkPushedItems()
        try checkWrittenDefaults(modification)
        if modification.kind == .merge { return try planMerge(modification, query, state, confinement, usage) }
        switch state {
        case .other(let reason): return try planFetched(modification, query, usage, tag: .sum, instead: refusal(reason))
        case .replicated: throw refusal("the table to change is not sharded")
        case .partitioned: break
        }
        let route = confinement.route ?? .all
        return plan(
            .modify(route, text: nil, tag: .sum), commandName(modification.kind), usage, effect: .writes,
            reason: "each shard its rows, over \(describe(route))")
    }

    /// SET column = DEFAULT is evaluated on each shard by itself.
    private func checkWrittenDefaults(_ modification: BoundModification) throws(Refusal) {
        guard case .table(let relation) = modification.target.source else { return }
        let written = modification.assignments + modification.insertedRows.flatMap { $0 }
        for assignment in written where assignment.value?.setToDefault != nil {
            guard let column = relation.columns.first(where: { $0.name == assignment.column }) else { continue }
            try checkDefault(column)
        }
    }

    /// The plan that fetches what lies elsewhere; where that is not possible either, the first refusal says more.
    func planFetched(
        _ modification: BoundModification, _ query: BoundQuery, _ usage: StatementUsage, tag: TagCombination, instead refusal: Refusal
    ) throws(Refusal) -> StatementPlan {
        let fetched: FetchedModificationPlan
        do throws(Refusal) {
            fetched = try GatherPlanner(self, query).planModification(modification, usage, tag: tag)
        } catch {
            var refusal = refusal
            if error.message != refusal.message { refusal.detail = refusal.detail ?? error.message }
            throw refusal
        }
        let route = tag == .first ? .all : analysis.targetConfinement(modification).route ?? .all
        return plan(
            .modifyFetched(route, fetched), commandName(modification.kind), usage, effect: .writes,
            lockedTable: tag == .first && !namesOneRow(modification) ? modification.lockableTarget : nil,
            reason: "each shard its rows with what was fetched, over \(describe(route))")
    }

    // MARK: Reference tables

    private func planReferenceWrite(
        _ modification: BoundModification, _ query: BoundQuery, _ relation: Relation, _ usage: StatementUsage
    ) throws(Refusal) -> StatementPlan {
        let command = commandName(modification.kind)
        if context.environment.shardCount == 1 {
            return plan(.passThrough(.any), command, usage, effect: .writes, reason: "the only shard")
        }
        try checkBinding()
        if modification.kind != .delete { try context.checkKeyCascades(from: relation, setting: Set(modification.assignments.map(\.column))) }
        if modification.kind != .update { try context.checkKeyCascades(from: relation, setting: nil) }
        if let reason = try differences(modification, relation, usage) {
            if usage.hasSharded {
                let refusal = Refusal(
                    "0A000", "cannot change reference table \"\(relation.name)\" alike on all shards: \(reason)",
                    hint: "Compute the values first and write them as constants.")
                return try planFetched(modification, query, usage, tag: .first, instead: refusal)
            }
            let replay = try ReplayPlanner(planner: self, modification: modification, relation: relation).plan(usage, because: reason)
            return plan(.modifyReplayed(replay), command, usage, effect: .writes, reason: "the lowest shard, then the same rows on all: \(reason)")
        }
        if namesOneRow(modification) {
            return plan(.modify(.all, text: nil, tag: .first), command, usage, effect: .writes, reason: "all shards alike: reference table")
        }
        return planReferenceRows(modification, relation, usage)
    }

    /// Which rows WHERE finds, a commit on its way from shard to shard decides: each shard would find its own.
    private func planReferenceRows(_ modification: BoundModification, _ relation: Relation, _ usage: StatementUsage) -> StatementPlan {
        let command = commandName(modification.kind)
        let replayPlanner = ReplayPlanner(planner: self, modification: modification, relation: relation)
        // Images of all rows of a table could be too many, and its writers are waited for anyway.
        if modification.filterNode != nil, let replay = try? replayPlanner.plan(usage, because: Self.commitUnderWay) {
            let reason = "the lowest shard, then the same rows on all: a commit may be under way"
            return plan(.modifyReplayed(replay), command, usage, effect: .writes, reason: reason)
        }
        return plan(
            .modify(.all, text: nil, tag: .first), command, usage, effect: .writes, lockedTable: modification.lockableTarget,
            reason: "all shards alike, behind the table's other writers: reference table")
    }

    /// WITH items that write reference tables would write one copy only.
    func refuseReferenceWrites() throws(Refusal) {
        guard context.environment.shardCount > 1 else { return }
        for modification in binder.modifications {
            try checkViewTarget(modification, isItem: true)
            guard case .table(let relation) = modification.target.source, relation.placement == .reference else { continue }
            throw Refusal(
                "0A000", "reference table \"\(relation.name)\" cannot be changed inside WITH", hint: "Run it as a statement of its own.")
        }
    }

    // MARK: The sharding key

    /// The target's key column.
    func key(of modification: BoundModification) -> (variable: Variable, placement: KeyPlacement, name: String)? {
        guard case .table(let relation) = modification.target.source,
            case .sharded(let column, let placement) = relation.placement
        else { return nil }
        return (Variable(entry: modification.target.id, column: column), placement, relation.columns[column].name)
    }

    /// Refuses to set the sharding key to anything but what it is.
    func checkKeyIsKept(_ modification: BoundModification) throws(Refusal) {
        if let change = keyChange(modification) { throw keyChangeRefusal(change) }
    }

    private func keyChangeRefusal(_ change: KeyChange) -> Refusal {
        Refusal(
            "0A000", "changing the sharding key \"\(change.key.name)\" is not supported here",
            hint: "DELETE the row and INSERT it with the new key, in one transaction.")
    }

    /// The first assignment that sets the sharding key to anything but what it is.
    private func keyChange(_ modification: BoundModification) -> KeyChange? {
        guard let key = key(of: modification), context.environment.shardCount > 1, case .table(let relation) = modification.target.source else {
            return nil
        }
        let facts = Facts(modification.level.filter)
        for assignment in modification.assignments where assignment.column == key.name {
            if let value = assignment.value, binder.variable(value) == key.variable { continue }
            let constant = assignment.value.flatMap { binder.constantTerm($0) }
            let isSame = constant.map { constant in
                facts.constants(of: key.variable).contains {
                    $0.terms.count == 1 && !$0.isArray && $0.terms[0].value == constant.value && $0.terms[0].castTypeOID == constant.castTypeOID
                }
            }
            if isSame == true { continue }
            let stored = ShardedKey(column: key.variable.column, placement: key.placement, relation: relation)
            return KeyChange(planner: self, modification: modification, relation: relation, key: stored, value: assignment.value)
        }
        return nil
    }
}
