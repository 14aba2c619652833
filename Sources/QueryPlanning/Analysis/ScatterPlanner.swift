// ScatterPlanner: plans a SELECT over many shards.
import CPGQuery
import ResultMerging

/// Plans one top-level SELECT whose rows come from several shards.
struct ScatterPlanner {
    let planner: StatementPlanner
    let query: BoundQuery
    var context: AnalysisContext { planner.context }
    var binder: Binder { planner.binder }

    init(_ planner: StatementPlanner, _ query: BoundQuery) {
        self.planner = planner
        self.query = query
    }

    func plan() throws(Refusal) -> (plan: ScatterPlan, reason: String) {
        let placed = planner.analysis.analyse(query, Facts())
        switch placed.state {
        case .other(let reason): throw planner.refusal(reason)
        case .replicated: throw planner.refusal("nothing in it is sharded")
        case .partitioned: break
        }
        guard let node = query.node, node.pointee.n_sort_clause == 0 else { throw planner.refusal("ORDER BY") }
        return (
            ScatterPlan(shardText: context.statementText, merge: MergePlan(visibleColumnCount: query.columns.count)), "concatenate"
        )
    }
}
