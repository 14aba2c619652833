// CompoundExecution: base of executions that run several statements in place of one of the client's, all in one transaction: the
// client's block, or one of their own that they commit or roll back at the end.
import Primitives
import WireProtocol

class CompoundExecution: DivertingExecution {
    /// There was no block: the transaction is for this statement alone.
    private(set) final var ownsTransaction = false
    private var problem: DatabaseMessage?
    private var isEnding = false

    final var transaction: Transaction? { record.pointee.detail?.transaction }

    /// Opens a transaction unless there is one.
    final func openOwnTransaction(_ open: () -> Void) {
        guard transaction == nil else { return }
        ownsTransaction = true
        open()
    }

    /// Everything is done, or cannot be done: commits or undoes it. `concluded` follows.
    final func end(_ problem: DatabaseMessage?) {
        self.problem = problem
        guard ownsTransaction else { return concluded(problem) }
        isEnding = true
        worker.start(
            problem == nil
                ? CommitExecution(worker: worker, session: session, parent: self)
                : RollbackExecution(worker: worker, session: session, parent: self),
            on: session)
    }

    /// One of the statements has ended.
    func stepFinished(_ child: Execution, _ outcome: Outcome) {}

    /// - Parameter problem: why nothing was done; nil: it is done.
    func concluded(_ problem: DatabaseMessage?) {}

    override final func childFinished(_ child: Execution, _ outcome: Outcome) {
        endDiversion()
        guard isEnding else { return stepFinished(child, outcome) }
        if let commit = child as? CommitExecution {
            if case .failure(let message) = outcome {
                problem = message
            } else if !commit.didCommit {
                problem = DatabaseMessage(error: .transactionRollback, "the statement was rolled back on a shard")
            }
        }
        concluded(problem)
    }
}

extension DatabaseMessage {
    /// Without the place in a text that is not the client's.
    var withoutPosition: DatabaseMessage {
        var message = self
        message.fields.removeAll { $0.code == DatabaseMessage.FieldCode.position }
        return message
    }
}
