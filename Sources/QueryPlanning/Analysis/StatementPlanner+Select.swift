// Plans for SELECT.
import CPGQuery
import ResultMerging

extension StatementPlanner {
    func planSelect(_ select: Message<PgQuery__SelectStmt>) throws(Refusal) -> StatementPlan {
        if let into = select.pointee.into_clause { return try planSelectInto(select.pointee, into.pointee) }
        if let call = try PlacementCall(select, context) { return placementPlan(call) }
        if let call = try SagaStepCall(select) { return sagaStepPlan(call) }
        let query = binder.bindQuery(select, parent: nil)
        try binder.checkSize()
        let usage = StatementUsage(binder)
        let effect: DataEffect = binder.modifications.isEmpty ? .reads : .writes
        if let locked = try planReferenceLocks(query, usage) { return locked }
        try refuseReferenceWrites()
        if let plan = planSettingCalls(query, usage) { return plan }
        if let plan = try planLogicalCatalog(query, usage) { return plan }
        if let plan = try planWithoutSharding(usage, "SELECT", effect: effect) { return plan }
        let placed = analysis.analyse(query, Facts())
        let confinement = try modificationConfinement().reduce(placed.confinement) { $0.merged($1) }
        if let plan = planOneShard(confinement, usage, "SELECT", effect: effect) { return plan }
        return try planAcrossShards(query, confinement, usage)
    }

    private func planSelectInto(_ select: PgQuery__SelectStmt, _ into: PgQuery__IntoClause) throws(Refusal) -> StatementPlan {
        guard let target = into.rel else { throw Refusal("XX000", "SELECT INTO names no table") }
        let reference = TableReference(target)
        guard !context.makesTemporary(target) else {
            throw Refusal("0A000", "SELECT INTO of a temporary table is not supported", hint: "Use CREATE TEMPORARY TABLE AS.")
        }
        return try StatementClassifier(context: context).selectInto(select, into, reference)
    }

    /// The pass-through plan when constants confine every sharded table.
    func planOneShard(
        _ confinement: Confinement, _ usage: StatementUsage, _ commandName: String, effect: DataEffect
    ) -> StatementPlan? {
        guard !context.acrossShards || context.environment.shardCount == 1 else { return nil }
        guard let route = confinement.route else {
            guard context.environment.shardCount == 1 else { return nil }
            return plan(.passThrough(.any), commandName, usage, effect: effect, reason: "the only shard")
        }
        return plan(.passThrough(route), commandName, usage, effect: effect, reason: "one shard: \(describe(route))")
    }

    /// FOR UPDATE of reference tables locks on every shard.
    private func planReferenceLocks(_ query: BoundQuery, _ usage: StatementUsage) throws(Refusal) -> StatementPlan? {
        guard let table = usage.lockedReference, context.environment.shardCount > 1 else { return nil }
        let hasOther = usage.hasSharded || usage.hasSystem || usage.hasTemporary || !binder.modifications.isEmpty
        guard !hasOther, case .replicated = analysis.analyse(query, Facts()).state else {
            throw Refusal(
                "0A000", "rows of reference table \"\(table)\" cannot be locked in this statement",
                hint: "Name the tables to lock: FOR UPDATE OF table.")
        }
        try checkBinding()
        return plan(
            .modify(.all, text: nil, tag: .first), "SELECT", usage, effect: .reads, reason: "all shards: locks rows of a reference table")
    }

    private func planAcrossShards(
        _ query: BoundQuery, _ confinement: Confinement, _ usage: StatementUsage
    ) throws(Refusal) -> StatementPlan {
        if !binder.modifications.isEmpty { return try planWritingSelect(query, confinement, usage) }
        try checkBinding()
        let scatter: ScatterPlanner.Result
        do throws(Refusal) {
            scatter = try ScatterPlanner(self, query).plan()
        } catch where error.sqlState == "0A000" {
            scatter = try gather(query, usage, instead: error)
        }
        if let finisher = scatter.plan.finisher {
            if finisher.rowWidth > StatementSize.maximumTargetCount {
                throw refusal("more than \(StatementSize.maximumTargetCount) columns of rows and partial results")
            }
            try checkParameterCount(own: finisher.firstArrayParameter - 1, fetched: finisher.arrayCount)
        }
        let route = confinement.route ?? .all
        let reason = "\(scatter.reason) over \(describe(route))"
        return plan(.scatter(route, scatter.plan), "SELECT", usage, effect: .reads, reason: reason)
    }

    /// The plan that fetches the sharded parts; where that is not possible either, the first refusal says more.
    private func gather(
        _ query: BoundQuery, _ usage: StatementUsage, instead refusal: Refusal
    ) throws(Refusal) -> ScatterPlanner.Result {
        do throws(Refusal) {
            return try GatherPlanner(self, query).plan(usage)
        } catch {
            var refusal = refusal
            if error.message != refusal.message { refusal.detail = refusal.detail ?? error.message }
            throw refusal
        }
    }
}
