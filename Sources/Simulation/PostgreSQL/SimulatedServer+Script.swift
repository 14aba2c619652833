// The simple protocol: the statements of one Query, one transaction unless they say otherwise.
import Primitives
import WireProtocol

extension SimulatedServer {
    static var failedBlock: StatementError {
        StatementError("25P02", "current transaction is aborted, commands ignored until end of transaction block")
    }

    /// Runs the next statement of the present Query.
    func runScript(_ backend: Backend) {
        guard backend.scriptPosition < backend.script.count else {
            backend.outbox.writeEmptyQueryResponse()
            backend.isScriptRunning = false
            return writeReady(backend)
        }
        let statement = backend.script[backend.scriptPosition]
        do throws(StatementError) {
            if backend.isCancelled { throw .cancelled }
            if backend.block == .failed, !statement.isAllowedInFailedBlock { throw Self.failedBlock }
            openTransaction(backend)
            let context = ExecutionContext(parameters: [], snapshot: snapshot(of: backend, for: statement), isDescribed: false)
            guard case .done(let tag) = try execute(statement, backend, context) else { return }
            let isLast = backend.scriptPosition == backend.script.count - 1
            guard isLast, backend.block == .implicit else { return finishStatement(backend, tag: tag) }
            guard let transaction = backend.transaction else {
                backend.block = .none
                return finishStatement(backend, tag: tag)
            }
            commit(transaction, backend, then: .statement(tag: tag))
        } catch {
            fail(backend, error)
        }
    }

    /// Every statement runs in a transaction; outside a block in one of its own.
    func openTransaction(_ backend: Backend) {
        if backend.block == .none { backend.block = .implicit }
        if backend.transaction == nil, backend.block != .failed { backend.transaction = ServerTransaction() }
    }

    /// What the statement sees.
    func snapshot(of backend: Backend, for statement: Statement) -> Int {
        guard let transaction = backend.transaction, transaction.isRepeatableRead else { return storage.lastCommit }
        if transaction.snapshot == nil {
            switch statement {
            case .begin, .commit, .rollback, .savepoint, .release, .rollbackTo, .prepare, .set, .setRole, .reset, .setConstraints: break
            default: transaction.snapshot = storage.lastCommit
            }
        }
        return transaction.snapshot ?? storage.lastCommit
    }

    /// Commits a transaction: writes the log if it changed anything.
    func commit(_ transaction: ServerTransaction, _ backend: Backend, then completion: Completion) {
        guard !transaction.changes.isEmpty else {
            makeVisible(backend)
            return answer(completion, backend)
        }
        let record = LogRecord.commit(transaction.changes)
        guard transaction.commitsSynchronously else {
            writeAsynchronously(record)
            makeVisible(backend)
            return answer(completion, backend)
        }
        write(record, backend, then: completion)
    }

    private func answer(_ completion: Completion, _ backend: Backend) {
        switch completion {
        case .commit: finishStatement(backend, tag: "COMMIT")
        case .statement(let tag): finishStatement(backend, tag: tag)
        case .sync: writeReady(backend)
        case .prepare, .endPrepared: break
        }
    }
}
