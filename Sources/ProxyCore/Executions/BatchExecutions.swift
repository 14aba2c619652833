// BatchStatementExecution: one Execute of the extended protocol that takes more than passing it on.
// BatchEndExecution: Sync of a batch that ran over several shards.
import Primitives
import QueryPlanning
import WireProtocol

final class BatchStatementExecution: Execution {
    private let call: StatementCall
    private var isStarted = false
    /// The portal that is executed.
    var portalName: [UInt8] = []
    /// It was not executed yet: its rows are kept.
    var isOpening = false

    init(worker: Worker, session: Int32, call: StatementCall) {
        self.call = call
        super.init(worker: worker, session: session, parent: nil)
    }

    override func resume() {
        guard !isStarted else { return }
        isStarted = true
        worker.start(worker.carryingOut(call, session, parent: self, isAlone: true), on: session)
    }

    override func childFinished(_ child: Execution, _ outcome: Outcome) {
        let filled = endDiversion()
        if case .failure(let message) = outcome {
            worker.tellError(session, message)
            worker.failBatch(session)
        } else if let filled, !isOpening, worker.sessions.at(session).pointee.phase != .leaving {
            filled.fetch(call.maximumRows, into: &worker.output(ofSession: session).pointee.output)
        }
        finish(.success)
    }

    /// Answers go to the client again; returns the portal's rows, which later Executes fetch.
    private func endDiversion() -> PortalBuffer? {
        let record = worker.sessions.at(session)
        guard record.pointee.isDiverted, let detail = record.pointee.detail else { return nil }
        record.pointee.isDiverted = false
        let buffer = detail.diversion
        detail.diversion = nil
        detail.portals[portalName]?.buffer = buffer
        return buffer
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
