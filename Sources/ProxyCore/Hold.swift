import QueryPlanning
import ResultMerging
import Primitives
final class FinisherExecution: Execution { init(worker: Worker, session: Int32, parent: Execution?, call: StatementCall, plan: ScatterPlan, finisher: Finisher, shards: [ShardIndex]) { super.init(worker: worker, session: session, parent: parent) } }
