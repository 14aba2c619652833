// BatchStatementExecution: one Execute of the extended protocol that takes more than passing it on.
// BatchEndExecution: Sync of a batch that ran over several shards.
import Primitives
import QueryPlanning
import WireProtocol

final class BatchStatementExecution: Execution {
    private let call: StatementCall
    private var isStarted = false

    init(worker: Worker, session: Int32, call: StatementCall) {
        self.call = call
        super.init(worker: worker, session: session, parent: nil)
    }

    override func resume() {
        guard !isStarted else { return }
        isStarted = true
        worker.start(StatementExecution(worker: worker, session: session, parent: self, call: call), on: session)
    }

    override func childFinished(_ child: Execution, _ outcome: Outcome) {
        if case .failure(let message) = outcome {
            worker.tellError(session, message)
            worker.failBatch(session)
        }
        finish(.success)
    }
}

final class BatchEndExecution: Execution {
    private let isFailed: Bool
    private var isStarted = false

    init(worker: Worker, session: Int32, isFailed: Bool) {
        self.isFailed = isFailed
        super.init(worker: worker, session: session, parent: nil)
    }

    override func resume() {
        guard !isStarted else { return }
        isStarted = true
        let child = isFailed
            ? RollbackExecution(worker: worker, session: session, parent: self)
            : CommitExecution(worker: worker, session: session, parent: self)
        worker.start(child, on: session)
    }

    override func childFinished(_ child: Execution, _ outcome: Outcome) {
        if case .failure(let message) = outcome { worker.tellError(session, message) }
        worker.writeReady(session)
        finish(.success)
    }
}
