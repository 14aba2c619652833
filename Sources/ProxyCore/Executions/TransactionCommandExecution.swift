// TransactionCommandExecution: BEGIN, COMMIT, ROLLBACK, SAVEPOINT and their family, as one PostgreSQL answers them.
import Primitives
import QueryPlanning
import WireProtocol

final class TransactionCommandExecution: Execution {
    private let call: StatementCall
    private let command: TransactionCommand
    private var isStarted = false
    /// What the block that AND CHAIN opens has of the one that ends.
    private var chained: TransactionCharacteristics?
    /// Why the block was rolled back, where the client must hear that instead of the tag.
    private var endingError: DatabaseMessage?

    init(worker: Worker, session: Int32, parent: Execution?, call: StatementCall, command: TransactionCommand) {
        self.call = call
        self.command = command
        super.init(worker: worker, session: session, parent: parent)
    }

    private var record: UnsafeMutablePointer<Session> { worker.sessions.at(session) }
    private var transaction: Transaction? { record.pointee.detail?.transaction }

    override func resume() {
        guard !isStarted else { return }
        isStarted = true
        switch command {
        case .begin(let modes, let tag): begin(modes: modes, tag: tag)
        case .commit(let chain): commit(chain: chain)
        case .rollback(let chain): rollBack(chain: chain)
        case .savepoint(let name): savepoint(name)
        case .release(let name): release(name)
        case .rollbackTo(let name): rollBackTo(name)
        case .prepare: end(PrepareTransactionExecution(worker: worker, session: session, parent: self, call: call))
        case .commitPrepared(let gid), .rollbackPrepared(let gid):
            worker.start(
                FinishPreparedExecution(worker: worker, session: session, parent: self, command: call.plan.commandName, gid: gid),
                on: session)
        }
    }

    private func fail(_ state: SQLState, _ message: String, hint: String? = nil) {
        finish(.failure(DatabaseMessage(error: state, message, hint: hint)))
    }

    private func done(_ tag: String) {
        worker.tellComplete(session, tag)
        finish(.success)
    }

    private func warn(_ state: SQLState, _ text: String) {
        worker.warn(session, DatabaseMessage(notice: .warning, state, text))
    }

    private func begin(modes: String, tag: String) {
        guard let transaction else {
            worker.openTransaction(session, isExplicit: true, modes: modes)
            if let problem = worker.attachKey(session, call.plan) { return refuseBlock(problem) }
            return done(tag)
        }
        if let problem = worker.attachKey(session, call.plan) { return finish(.failure(problem)) }
        if transaction.isExplicit { warn(.activeSQLTransaction, "there is already a transaction in progress") }
        guard !modes.isEmpty else { return begun() }
        // Its shards are in a block: to them the modes are those of SET TRANSACTION, and may come too late.
        worker.start(
            SettingExecution(
                worker: worker, session: session, parent: self,
                call: StatementCall(plan: call.plan, text: Array("SET TRANSACTION \(modes)".utf8)), command: .setTransaction(modes: modes),
                isPartOfBegin: true), on: session)
    }

    /// No block begins that cannot have its key.
    private func refuseBlock(_ problem: DatabaseMessage) {
        worker.endTransaction(session, committed: false)
        finish(.failure(problem))
    }

    /// BEGIN in a block that was open already: the client's own from now on.
    private func begun() {
        transaction?.isExplicit = true
        record.pointee.status = TransactionStatus.inTransaction.rawValue
        if case .begin(_, let tag) = command { done(tag) }
    }

    private func commit(chain: Bool) {
        guard let transaction else {
            if chain { return fail(.noActiveSQLTransaction, "COMMIT AND CHAIN can only be used in transaction blocks") }
            warn(.noActiveSQLTransaction, "there is no transaction in progress")
            return done("COMMIT")
        }
        if !transaction.isExplicit {
            if chain { return fail(.noActiveSQLTransaction, "COMMIT AND CHAIN can only be used in transaction blocks") }
            warn(.noActiveSQLTransaction, "there is no transaction in progress")
        }
        let hasFailed = record.pointee.status == TransactionStatus.failed.rawValue
        if chain { chained = TransactionCharacteristics(transaction, hasFailed: hasFailed) }
        if hasFailed {
            endingError = transaction.takeUntoldLoss()
            return end(RollbackExecution(worker: worker, session: session, parent: self))
        }
        end(CommitExecution(worker: worker, session: session, parent: self))
    }

    private func rollBack(chain: Bool) {
        guard let transaction else {
            if chain { return fail(.noActiveSQLTransaction, "ROLLBACK AND CHAIN can only be used in transaction blocks") }
            warn(.noActiveSQLTransaction, "there is no transaction in progress")
            return done("ROLLBACK")
        }
        if !transaction.isExplicit {
            if chain { return fail(.noActiveSQLTransaction, "ROLLBACK AND CHAIN can only be used in transaction blocks") }
            warn(.noActiveSQLTransaction, "there is no transaction in progress")
        }
        if chain {
            chained = TransactionCharacteristics(transaction, hasFailed: record.pointee.status == TransactionStatus.failed.rawValue)
        }
        end(RollbackExecution(worker: worker, session: session, parent: self))
    }

    private func end(_ child: Execution) { worker.start(child, on: session) }

    // MARK: Savepoints

    private func requireBlock(_ name: String) -> Transaction? {
        guard let transaction, transaction.isExplicit || command != .savepoint(name) else {
            fail(.noActiveSQLTransaction, "\(fullName) can only be used in transaction blocks")
            return nil
        }
        return transaction
    }

    /// The command's name as PostgreSQL's messages have it.
    private var fullName: String {
        switch command {
        case .release: "RELEASE SAVEPOINT"
        case .rollbackTo: "ROLLBACK TO SAVEPOINT"
        default: call.plan.commandName
        }
    }

    private func savepoint(_ name: String) {
        guard let transaction = requireBlock(name) else { return }
        broadcast(transaction)
    }

    private func release(_ name: String) {
        guard let transaction = requireBlock(name) else { return }
        guard transaction.hasSavepoint(name) else { return fail(.invalidSavepointSpecification, "savepoint \"\(name)\" does not exist") }
        broadcast(transaction)
    }

    private func rollBackTo(_ name: String) {
        guard let transaction = requireBlock(name) else { return }
        guard transaction.hasSavepoint(name) else { return fail(.invalidSavepointSpecification, "savepoint \"\(name)\" does not exist") }
        if transaction.hasLostParticipant {
            return fail(.inFailedSQLTransaction, "current transaction is aborted, commands ignored until end of transaction block")
        }
        broadcast(transaction)
    }

    private func broadcast(_ transaction: Transaction) {
        worker.start(
            BroadcastExecution(
                worker: worker, session: session, parent: self, text: String(decoding: call.text, as: UTF8.self),
                links: transaction.participants.map(\.link)), on: session)
    }

    private func savepointDone() {
        guard let transaction, let detail = record.pointee.detail else { return done(call.plan.commandName) }
        switch command {
        case .savepoint(let name):
            transaction.noteSavepoint(name, of: detail)
            done("SAVEPOINT")
        case .release(let name):
            if let depth = transaction.depth(ofSavepoint: name) { detail.released(savepoint: depth) }
            transaction.release(name)
            done("RELEASE")
        case .rollbackTo(let name):
            if let depth = transaction.depth(ofSavepoint: name) { detail.rolledBack(toSavepoint: depth) }
            if let settings = transaction.rollBack(to: name) {
                detail.settings = settings.session
                transaction.localSettings = settings.local
                detail.temporaryTables = settings.temporaryTables
                detail.temporaryVersion += 1
                if transaction.hasChangedSettings { record.pointee.environment = 0 }
            }
            record.pointee.status = TransactionStatus.inTransaction.rawValue
            transaction.hasLetGo = false
            // The DDL behind the savepoint is undone, and with it what was read of the catalog since.
            guard transaction.changesCatalog else { return done("ROLLBACK") }
            worker.start(PrivateCatalogExecution(worker: worker, session: session, parent: self), on: session)
        default: done(call.plan.commandName)
        }
    }

    override func childFinished(_ child: Execution, _ outcome: Outcome) {
        if child is FinishPreparedExecution || child is PrepareTransactionExecution { return finish(outcome) }
        if child is PrivateCatalogExecution {
            if case .failure = outcome { return finish(outcome) }
            return done("ROLLBACK")
        }
        if child is SettingExecution {
            if case .failure = outcome { return finish(outcome) }
            return begun()
        }
        if child is BroadcastExecution {
            if case .failure = outcome {
                // On some shards a savepoint is there, or gone, and on others not: what the client goes back to would not be the same.
                if child.legs.contains(where: { $0.error == nil && !$0.isLost }) { transaction?.hasLostParticipant = true }
                return finish(outcome)
            }
            return savepointDone()
        }
        if case .failure = outcome {
            record.pointee.status = TransactionStatus.idle.rawValue
            return finish(outcome)
        }
        if let endingError { return finish(.failure(endingError)) }
        let committed = (child as? CommitExecution)?.didCommit ?? false
        if let chained {
            worker.openTransaction(session, chained)
            if let problem = worker.attachKey(session, call.plan) { return refuseBlock(problem) }
        }
        done(committed ? "COMMIT" : "ROLLBACK")
    }
}

extension Transaction {
    func hasSavepoint(_ name: String) -> Bool { steps.contains(.savepoint(name)) }

    func noteSavepoint(_ name: String, of detail: SessionDetail) {
        steps.append(.savepoint(name))
        settingsAtSavepoint.append((detail.settings, localSettings, detail.temporaryTables))
    }

    /// Forgets the savepoint and those set after it; settings changed since stay. What SET TRANSACTION may say there, READ ONLY, ends with it.
    func release(_ name: String) {
        guard let index = steps.lastIndex(of: .savepoint(name)) else { return }
        let kept = steps[index...].filter { if case .setting = $0 { true } else { false } }
        let dropped = steps[index...].count { if case .savepoint = $0 { true } else { false } }
        steps.replaceSubrange(index..., with: kept)
        settingsAtSavepoint.removeLast(min(dropped, settingsAtSavepoint.count))
    }

    /// Forgets what came after the savepoint, which stays; returns the settings as they were then.
    func rollBack(to name: String) -> (session: SettingList, local: SettingList, temporaryTables: [String])? {
        guard let index = steps.lastIndex(of: .savepoint(name)) else { return nil }
        let later = steps[(index + 1)...].count { if case .savepoint = $0 { true } else { false } }
        steps.removeSubrange((index + 1)...)
        settingsAtSavepoint.removeLast(min(later, settingsAtSavepoint.count))
        return settingsAtSavepoint.last
    }
}
