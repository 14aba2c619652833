// RollbackExecution: ends a transaction block without a trace.

/// ROLLBACK on every participant.
final class RollbackExecution: Execution {
    override func resume() {
        guard let transaction = worker.sessions.at(session).pointee.detail?.transaction, legs.isEmpty else { return }
        for participant in transaction.participants where !worker.isOver(participant) { ask(addLeg(link: participant.link), "ROLLBACK") }
        if !hasOutstanding { allReady() }
    }

    override func allReady() {
        worker.endTransaction(session, committed: false)
        finish(.success)
    }
}
