// Transaction control, settings, and the proxy's own questions.
import Primitives
import QueryPlanning
import WireProtocol

extension SimulatedServer {
    func control(_ statement: Statement, _ backend: Backend) throws(StatementError) -> Progress {
        switch statement {
        case .begin(let isRepeatableRead):
            backend.block = .explicit
            backend.transaction?.isRepeatableRead = isRepeatableRead
            return .done(tag: "BEGIN")
        case .commit: return try end(backend, isCommit: true)
        case .rollback: return try end(backend, isCommit: false)
        case .savepoint(let name):
            guard let transaction = backend.transaction else { throw Self.failedBlock }
            transaction.savepoints.append((name, transaction.changes.accounts.count))
            return .done(tag: "SAVEPOINT")
        case .release(let name):
            let place = try savepoint(name, backend)
            backend.transaction?.savepoints.removeSubrange(place...)
            return .done(tag: "RELEASE")
        case .rollbackTo(let name): return try rollBack(to: name, backend)
        case .prepare(let gid): return try prepare(gid, backend)
        case .commitPrepared(let gid): return try endPrepared(gid, isCommit: true, backend)
        case .rollbackPrepared(let gid): return try endPrepared(gid, isCommit: false, backend)
        default: preconditionFailure("no transaction control")
        }
    }

    private func end(_ backend: Backend, isCommit: Bool) throws(StatementError) -> Progress {
        guard isCommit, backend.block != .failed, let transaction = backend.transaction else {
            if let transaction = backend.transaction { abort(transaction) }
            backend.transaction = nil
            backend.block = .none
            return .done(tag: "ROLLBACK")
        }
        try checkConstraints(transaction, endsBlockOf: backend)
        commit(transaction, backend, then: .commit)
        return .committing
    }

    /// What deferred triggers check at the end of a transaction.
    /// - Parameter backend: with COMMIT and PREPARE the block is over even when they fail.
    private func checkConstraints(
        _ transaction: ServerTransaction, endsBlockOf backend: Backend? = nil
    ) throws(StatementError) {
        guard !transaction.changes.accounts.isEmpty, !transaction.areConstraintsChecked else { return }
        transaction.areConstraintsChecked = true
        guard !world.isHealing, world.dice.chance(world.climate.violatedConstraints) else { return }
        backend?.block = .implicit
        throw StatementError("23503", "update violates a deferred constraint")
    }

    private func savepoint(_ name: String, _ backend: Backend) throws(StatementError) -> Int {
        guard let place = backend.transaction?.savepoints.lastIndex(where: { $0.name == name }) else {
            throw StatementError("3B001", "savepoint \"\(name)\" does not exist")
        }
        return place
    }

    private func rollBack(to name: String, _ backend: Backend) throws(StatementError) -> Progress {
        let place = try savepoint(name, backend)
        if let transaction = backend.transaction {
            let kept = transaction.savepoints[place].accounts
            transaction.changes.accounts.removeLast(transaction.changes.accounts.count - kept)
            transaction.savepoints.removeSubrange((place + 1)...)
            for index in storage.accounts.indices where transaction.id != 0 && storage.accounts[index].lockedBy == transaction.id {
                if !transaction.changes.accounts.contains(where: { $0.account == index }) { storage.accounts[index].lockedBy = 0 }
            }
            wakeWaiters(of: transaction.id)
        }
        backend.block = .explicit
        return .done(tag: "ROLLBACK")
    }

    // MARK: Prepared transactions

    private func prepare(_ gid: String, _ backend: Backend) throws(StatementError) -> Progress {
        guard backend.block == .explicit, let transaction = backend.transaction else { return try end(backend, isCommit: false) }
        try checkConstraints(transaction, endsBlockOf: backend)
        if storage.prepared(gid) != nil {
            throw StatementError("42710", "transaction identifier \"\(gid)\" is already in use")
        }
        if transaction.id == 0 { transaction.id = storage.newTransactionID() }
        let record = LogRecord.prepare(gid: gid, owner: backend.effectiveRole, transaction.changes, at: world.now)
        write(record, backend, then: .prepare(gid: gid))
        return .committing
    }

    private func endPrepared(_ gid: String, isCommit: Bool, _ backend: Backend) throws(StatementError) -> Progress {
        guard backend.block == .implicit else {
            throw StatementError("25001", "\(isCommit ? "COMMIT" : "ROLLBACK") PREPARED cannot run inside a transaction block")
        }
        guard let place = storage.prepared(gid) else {
            throw StatementError("42704", "prepared transaction with identifier \"\(gid)\" does not exist")
        }
        let work = storage.prepared[place]
        if work.isBusy { throw StatementError("55000", "prepared transaction with identifier \"\(gid)\" is busy") }
        guard backend.effectiveRole == work.owner || backend.effectiveRole == ProxyParts.adminUser else {
            throw StatementError("42501", "permission denied to finish prepared transaction")
        }
        storage.prepared[place].isBusy = true
        backend.transaction = nil
        backend.block = .none
        write(
            isCommit ? .commitPrepared(gid: gid, work.changes) : .rollbackPrepared(gid: gid, work.changes), backend,
            then: .endPrepared(gid: gid, isCommit: isCommit))
        return .committing
    }

    // MARK: Settings

    func setting(_ statement: Statement, _ backend: Backend) throws(StatementError) -> Progress {
        switch statement {
        case .set(let name, let value, _):
            if name == "synchronous_commit" { backend.transaction?.commitsSynchronously = value != "off" }
            if name == "lock_timeout", value.hasSuffix("ms"), let limit = Int64(value.dropLast(2)) {
                backend.transaction?.lockTimeout = .milliseconds(limit)
            }
            return .done(tag: "SET")
        case .reset(let name):
            if name == "role" { backend.role = nil }
            return .done(tag: "RESET")
        case .setRole(let role):
            backend.role = role
            return .done(tag: "SET")
        case .setConstraints:
            if let transaction = backend.transaction { try checkConstraints(transaction) }
            return .done(tag: "SET CONSTRAINTS")
        default:
            guard backend.block == .implicit else { throw StatementError("25001", "DISCARD ALL cannot run inside a transaction block") }
            backend.role = nil
            backend.instanceLocks = []
            backend.statements = [:]
            return .done(tag: "DISCARD ALL")
        }
    }
}
