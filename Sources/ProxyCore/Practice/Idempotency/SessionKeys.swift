// SessionKeys: the keys of a session: which statement is part of a request, how a transaction gets its key, and SET of it.
//
// A key that is set for the session is for the next transaction that claims it, and gone with that, however it ends: nothing that comes by chance, such as
// a pool's question whether the connection is alive, can be taken for the request. What only reads outside a block does not claim it. One that is set by
// SET LOCAL, or by a comment, is that transaction's alone.
import Primitives
import QueryPlanning
import WireProtocol

extension Worker {
    /// The statement is part of a request under a key, or would begin one.
    func isKeyed(_ plan: StatementPlan, _ session: UnsafeMutablePointer<Session>) -> Bool {
        if plan.idempotencyKey == nil, session.pointee.isPlain { return false }
        guard session.pointee.status != TransactionStatus.failed.rawValue else { return false }
        if case .transaction(.begin) = plan.action { return false }
        if plan.idempotencyKey != nil { return true }
        guard hasKey(session), plan.keyTreatment != .runsAlways else { return false }
        return !plan.onlyReads || isWithinRequest(session)
    }

    /// What the session runs next is in a block, or behind what has claimed its key; else a statement that only reads is no request.
    private func isWithinRequest(_ session: UnsafeMutablePointer<Session>) -> Bool {
        guard let transaction = session.pointee.detail?.transaction else { return false }
        return transaction.isExplicit || transaction.idempotentRequest != nil
    }

    /// What the session runs next is part of a request. Only for sessions that are not plain.
    @inline(never)
    func hasKey(_ session: UnsafeMutablePointer<Session>) -> Bool {
        guard let detail = session.pointee.detail else { return false }
        if let transaction = detail.transaction, transaction.isExplicit || transaction.idempotentRequest != nil { return transaction.idempotentRequest != nil }
        return detail.idempotencyKey != nil
    }

    /// What carries out a statement.
    /// - Parameter isAlone: it is the only one of its message.
    func carryingOut(_ call: StatementCall, _ index: Int32, parent: Execution, isAlone: Bool) -> Execution {
        guard isKeyed(call.plan, sessions.at(index)) else { return StatementExecution(worker: self, session: index, parent: parent, call: call) }
        return KeyedExecution(worker: self, session: index, parent: parent, call: call, isAlone: isAlone)
    }

    /// Gives the open transaction the key that the statement, or else the session, names.
    /// - Returns: why it cannot have it.
    func attachKey(_ index: Int32, _ plan: StatementPlan) -> DatabaseMessage? {
        guard let detail = sessions.at(index).pointee.detail, let transaction = detail.transaction else { return nil }
        if let request = transaction.idempotentRequest {
            guard let key = plan.idempotencyKey, key != request.key else { return nil }
            return DatabaseMessage(
                error: .activeSQLTransaction, "the transaction has another idempotency key: \"\(request.key)\"", hint: "One transaction has one key; COMMIT first.")
        }
        guard let key = plan.idempotencyKey ?? detail.idempotencyKey else { return nil }
        return attach(IdempotentRequest(key: key), transaction, detail)
    }

    private func attach(_ request: IdempotentRequest, _ transaction: Transaction, _ detail: SessionDetail) -> DatabaseMessage? {
        let hasSavepoint = transaction.steps.contains { if case .savepoint = $0 { true } else { false } }
        if hasSavepoint || transaction.participants.contains(where: { $0.effect != .reads }) {
            return DatabaseMessage(
                error: .activeSQLTransaction, "an idempotency key must be set before the transaction changes anything",
                detail: "What came before it would be done again by a retry.", hint: "Set it before BEGIN, or right behind it.")
        }
        if transaction.isReadOnly {
            return DatabaseMessage(
                error: .readOnlySQLTransaction, "a READ ONLY transaction cannot have an idempotency key",
                detail: "The key and the answer are stored in the transaction.",
                hint: "Leave READ ONLY out, or the key.")
        }
        if detail.portals.contains(where: { $0.value.isOpen }) {
            return DatabaseMessage(
                error: .activeSQLTransaction, "an idempotency key must be set before portals of its transaction are bound", hint: "Set it before BEGIN, or right behind it.")
        }
        transaction.idempotentRequest = request
        return nil
    }

    /// What must be done with the request before its transaction may commit; nil: nothing.
    func storingExecution(_ transaction: Transaction, _ index: Int32, parent: Execution) -> Execution? {
        guard let request = transaction.idempotentRequest, let home = request.home else { return nil }
        if request.isShort { return FailingExecution(worker: self, session: index, parent: parent, request.otherRequest) }
        guard request.mustBeStored else { return nil }
        request.isStored = true
        return AskExecution(worker: self, session: index, parent: parent, shards: [home], text: request.storingText, effect: .writes)
    }

    /// The transaction has ended: the session's key was its, if it has claimed it, by whichever form it was named. One that was rolled back is tried again by who knows of it, and names
    /// the key again, as on a new connection; what comes behind it else is another request.
    func letGoOfKey(_ transaction: Transaction, _ detail: SessionDetail) {
        guard let request = transaction.idempotentRequest, request.state != .unclaimed, detail.idempotencyKey == request.key else { return }
        detail.idempotencyKey = nil
    }
}

extension Transaction {
    /// All that is stored of a request belongs to the role that has claimed its key.
    /// - Parameter names: of the settings that are to be changed, in lower case.
    func refusal(ofSetting names: [String]) -> DatabaseMessage? {
        guard let request = idempotentRequest, request.state != .unclaimed else { return nil }
        guard names.contains("role") || names.contains("session_authorization") else { return nil }
        return DatabaseMessage(
            error: .activeSQLTransaction, "the role cannot be changed in a transaction that has claimed an idempotency key",
            detail: "The key \"\(request.key)\" and what is stored under it belong to one role.", hint: "Change it before the first statement of the request, or behind COMMIT.")
    }
}

extension SettingCommand {
    /// The setting that it changes; set_config's are known with the values it is called with.
    var changedNames: [String] {
        switch self {
        case .set(let name, _), .reset(let name, _): [name]
        default: []
        }
    }
}

/// Ends at once with an error that was found before anything was asked.
final class FailingExecution: Execution {
    private let message: DatabaseMessage

    init(worker: Worker, session: Int32, parent: Execution?, _ message: DatabaseMessage) {
        self.message = message
        super.init(worker: worker, session: session, parent: parent)
    }

    override func resume() { finish(.failure(message)) }
}

extension StatementExecution {
    /// SET, RESET and SHOW of the key.
    func idempotencyKey(_ command: IdempotencyKeyCommand) {
        guard let detail = record.pointee.detail else { return }
        switch command {
        case .show: show(detail.transaction?.idempotentRequest?.key ?? detail.idempotencyKey ?? "")
        case .set(let key, let isLocal):
            if let problem = set(key, isLocal: isLocal, detail) { return fail(problem) }
            worker.tellComplete(session, call.plan.commandName)
            finish(.success)
        }
    }

    private func set(_ key: String?, isLocal: Bool, _ detail: SessionDetail) -> DatabaseMessage? {
        guard let transaction = detail.transaction, transaction.isExplicit else {
            if isLocal {
                return DatabaseMessage(
                    error: .noActiveSQLTransaction, "SET LOCAL \(IdempotencyKey.settingName) can only be used in transaction blocks", hint: "Use SET, or BEGIN first.")
            }
            detail.idempotencyKey = key
            record.pointee.isPlain = worker.isPlainAtRest(session)
            return nil
        }
        guard transaction.idempotentRequest?.state ?? .unclaimed == .unclaimed else {
            return DatabaseMessage(
                error: .activeSQLTransaction, "the transaction has an idempotency key already, and something was done under it", hint: "COMMIT or ROLLBACK first.")
        }
        transaction.idempotentRequest = nil
        if let key, let problem = worker.attachOwnKey(IdempotentRequest(key: key), transaction, detail) { return problem }
        if !isLocal { detail.idempotencyKey = key }
        return nil
    }

    private func show(_ key: String) {
        let output = worker.output(ofSession: session)
        if record.pointee.phase != .leaving {
            if call.wantsDescription { output.pointee.output.writeRowDescription(IdempotencyKeyCommand.columns) }
            output.pointee.output.writeDataRow(text: [key])
        }
        worker.tellComplete(session, "SHOW")
        finish(.success)
    }
}

extension Worker {
    fileprivate func attachOwnKey(_ request: IdempotentRequest, _ transaction: Transaction, _ detail: SessionDetail) -> DatabaseMessage? {
        attach(request, transaction, detail)
    }

    /// RESET ALL: as RESET of the key, but that a request which is under way goes on.
    func resetKey(_ detail: SessionDetail) {
        detail.idempotencyKey = nil
        if let transaction = detail.transaction, transaction.idempotentRequest?.state == .unclaimed { transaction.idempotentRequest = nil }
    }
}

extension IdempotencyKeyCommand {
    /// The OID of text (pg_type.dat).
    private static let textType: UInt32 = 25
    /// What SHOW returns.
    static let columns = [FieldDescription(name: IdempotencyKey.settingName, typeOID: textType, typeSize: -1)]
}

extension StatementPlan {
    /// What the proxy itself answers with, where that is rows.
    var answeredColumns: [FieldDescription]? {
        if case .idempotencyKey(.show) = action { IdempotencyKeyCommand.columns } else { nil }
    }
}
