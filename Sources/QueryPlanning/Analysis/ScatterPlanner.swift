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

    /// The query as one that a single server makes from what the shards compute.
    /// - Parameter names: output names.
    func partialQuery(names: [String]) throws(Refusal) -> PartialQuery {
        switch query.body {
        case .select(let level):
            let step = try step(level)
            switch step.kind {
            case .rows(let removesDuplicates):
                return try RowPlanner(self, level, step.rewriting, step.limits, removesDuplicates: removesDuplicates).partialQuery(names: names)
            case .groups:
                do throws(Refusal) {
                    return try AggregatePlanner(self, level, step.rewriting, step.limits).partialQuery(names: names)
                } catch {
                    return try AggregatePlanner(self, level, step.rewriting, step.limits, input: .rows).partialQuery(names: names)
                }
            case .windows: return try AggregatePlanner(self, level, step.rewriting, step.limits, input: .rows).partialQuery(names: names)
            }
        case .setOperation(let kind, let isAll, let left, let right):
            return try setRowPlanner(kind, isAll: isAll, left, right).partialQuery(names: names)
        case .values, .recursive, .modification: throw planner.refusal("a query of this form")
        }
    }

    /// What remains to be done with the shards' rows of a level.
    private struct Step {
        enum Kind {
            /// The rows are final but for order, DISTINCT and LIMIT.
            case rows(removesDuplicates: Bool)
            /// Groups lie on several shards.
            case groups
            /// Windows reach over several shards.
            case windows
        }
        let kind: Kind
        let rewriting: SelectRewriting
        let limits: RowLimits
    }

    private func step(_ level: BoundLevel) throws(Refusal) -> Step {
        guard let node = query.node else { throw planner.refusal("a statement of this form") }
        let input = analysis.analyseInput(level, Facts()).state
        try check(input)
        let limits = try RowLimits(node.pointee)
        try checkLocking(node.pointee, limits)
        let rewriting = try SelectRewriting(context, node)
        let grouped = analysis.grouped(level, input, query)
        let kind: Step.Kind
        if case .other = grouped {
            kind = .groups
        } else if case .other = analysis.windowed(level, grouped, query) {
            kind = .windows
        } else if case .other = analysis.distinct(level, grouped, query) {
            kind = .rows(removesDuplicates: true)
        } else {
            kind = .rows(removesDuplicates: false)
        }
        return Step(kind: kind, rewriting: rewriting, limits: limits)
    }

    private func planLevel(_ level: BoundLevel) throws(Refusal) -> Result {
        let step = try step(level)
        switch step.kind {
        case .rows(let removesDuplicates):
            return try RowPlanner(self, level, step.rewriting, step.limits, removesDuplicates: removesDuplicates).plan()
        case .groups:
            do throws(Refusal) {
                return try AggregatePlanner(self, level, step.rewriting, step.limits).plan()
            } catch where error.sqlState == "0A000" {
                return try AggregatePlanner(self, level, step.rewriting, step.limits, input: .rows).plan()
            }
        case .windows: return try AggregatePlanner(self, level, step.rewriting, step.limits, input: .rows).plan()
        }
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
