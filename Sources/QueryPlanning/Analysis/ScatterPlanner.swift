// ScatterPlanner: plans a SELECT over many shards: put together, merged in order, or finished on one of them.
import CPGQuery
import ResultMerging

/// Plans one top-level SELECT whose rows come from several shards.
struct ScatterPlanner {
    let planner: StatementPlanner
    let query: BoundQuery
    var context: AnalysisContext { planner.context }
    var binder: Binder { planner.binder }
    var analysis: PlacementAnalysis { planner.analysis }

    struct Result {
        let plan: ScatterPlan
        let reason: String
    }

    init(_ planner: StatementPlanner, _ query: BoundQuery) {
        self.planner = planner
        self.query = query
    }

    func plan() throws(Refusal) -> Result {
        switch query.body {
        case .select(let level): return try planLevel(level)
        case .setOperation(let kind, let isAll, let left, let right): return try planSetOperation(kind, isAll: isAll, left, right)
        case .values, .recursive, .modification: throw planner.refusal("a statement of this form")
        }
    }

    private func planLevel(_ level: BoundLevel) throws(Refusal) -> Result {
        guard let node = query.node else { throw planner.refusal("a statement of this form") }
        let input = analysis.analyseInput(level, Facts()).state
        try check(input)
        let limits = try RowLimits(node.pointee)
        try checkLocking(node.pointee, limits)
        let rewriting = try SelectRewriting(context, node)
        let grouped = analysis.grouped(level, input)
        if case .other = grouped { return try AggregatePlanner(self, level, rewriting, limits).plan() }
        if case .other(let reason) = analysis.windowed(level, grouped) { throw planner.refusal(reason) }
        let isDistinct: Bool
        if case .other = analysis.distinct(level, grouped, query) { isDistinct = true } else { isDistinct = false }
        return try RowPlanner(self, level, rewriting, limits, removesDuplicates: isDistinct).plan()
    }

    func check(_ state: RelationState) throws(Refusal) {
        switch state {
        case .other(let reason): throw planner.refusal(reason)
        case .replicated: throw planner.refusal("nothing in it is sharded")
        case .partitioned(let partition):
            if !partition.required.isEmpty { throw planner.refusal("a subquery that is not tied to a sharding key") }
        }
    }

    private func checkLocking(_ select: PgQuery__SelectStmt, _ limits: RowLimits) throws(Refusal) {
        if select.limit_option == PG_QUERY__LIMIT_OPTION__LIMIT_OPTION_WITH_TIES { throw planner.refusal("FETCH FIRST ... WITH TIES") }
        let locking = NodeList(select.locking_clause, select.n_locking_clause).nodes.compactMap(\.lockingClause)
        if limits.isPresent, locking.contains(where: { $0.pointee.wait_policy == PG_QUERY__LOCK_WAIT_POLICY__LockWaitSkip }) {
            throw planner.refusal("SKIP LOCKED with LIMIT")
        }
    }

    /// Whether an expression may give another value when it is computed again.
    func isVolatile(_ node: Node?) -> Bool {
        guard let node else { return false }
        return !TreeWalk.nodes(under: node) { node in
            guard let call = node.funcCall else { return .descend }
            switch context.knowledge(of: call) {
            case .stable, .transactionTime: return .descend
            default: return .stop
            }
        }
    }
}
