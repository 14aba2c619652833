// SettingExecution: SET, RESET, SHOW of session settings, DISCARD.
//
// A setting is checked by the shard that runs the statement first; only then it becomes the session's. Within a block
// every participant runs it, and shards that join later are sent it before their first statement.
import Primitives
import QueryPlanning
import WireProtocol

final class SettingExecution: Execution {
    private let call: StatementCall
    private let command: SettingCommand
    /// What set_config has set on the link that answered it, and is to be so elsewhere.
    private let assignments: [SettingAssignment]
    /// BEGIN tells the client that it is done, and is in no need of the block that SET TRANSACTION warns of.
    private let isPartOfBegin: Bool
    private var wasSent = false
    /// Those that have what the session has set.
    private var settledLinks: [Int32] = []

    init(
        worker: Worker, session: Int32, parent: Execution?, call: StatementCall, command: SettingCommand,
        assignments: [SettingAssignment] = [], isPartOfBegin: Bool = false
    ) {
        self.isPartOfBegin = isPartOfBegin
        self.call = call
        self.command = command
        self.assignments = assignments
        super.init(worker: worker, session: session, parent: parent)
    }

    private var record: UnsafeMutablePointer<Session> { worker.sessions.at(session) }

    override func resume() {
        guard !wasSent else { return }
        switch command {
        case .discardAll: return discardAll()
        case .discardPlans, .discardSequences, .discardTemporary, .set, .reset, .resetAll, .setTransaction, .setSessionCharacteristics,
            .setConstraints, .configure, .show:
            break
        }
        guard let detail = record.pointee.detail else { return }
        if let refusal = detail.transaction?.refusal(ofSetting: command.changedNames) { return finish(.failure(refusal)) }
        if case .discardTemporary = command, detail.transaction != nil {
            // Those with the session's temporary tables become participants.
            for pinned in detail.pinnedLinks {
                switch worker.enlist(session, shard: worker.links.at(pinned.link).pointee.shard, effect: .reads, takesSnapshot: takesSnapshot) {
                case .link: continue
                case .waiting: return
                case .failed(let message): return finish(.failure(message))
                }
            }
        }
        var links = detail.transaction?.participants.map(\.link) ?? []
        if links.isEmpty {
            let shard = detail.pinnedLinks.first.map { worker.links.at($0.link).pointee.shard } ?? worker.anyShard(session)
            switch worker.enlist(session, shard: shard, effect: .reads, takesSnapshot: takesSnapshot) {
            case .waiting: return
            case .failed(let message): return finish(.failure(message))
            case .link(let link): links = [link]
            }
        }
        if detail.transaction == nil {
            // A link with older settings gets all of them before its next statement; what is discarded is discarded on each.
            let current = detail.pinnedLinks.map(\.link).filter { discards || worker.links.at($0).pointee.settings == record.pointee.settings }
            links += current.filter { !links.contains($0) }
        }
        wasSent = true
        settledLinks = links
        worker.start(
            BroadcastExecution(
                worker: worker, session: session, parent: self, text: shardText, links: links), on: session)
    }

    /// PostgreSQL takes the block's snapshot for what is no SET (`PlannedStmtRequiresSnapshot` in src/backend/tcop/pquery.c), as are some of the
    /// proxy's own words for a RESET.
    private var takesSnapshot: Bool {
        switch command {
        case .reset(let name, _): loginSettings.entries.contains { $0.name == name && $0.configured != nil }
        case .resetAll: loginSettings.entries.contains { $0.configured != nil }
        default: discards
        }
    }

    private var discards: Bool {
        switch command {
        case .discardPlans, .discardSequences, .discardTemporary: true
        default: false
        }
    }

    /// In the same block as before while it is carried out.
    private var needsReadOnlySavepoint: Bool {
        guard case .setTransaction(let modes) = command else { return false }
        return record.pointee.detail?.transaction?.needsReadOnlySavepoint(modes) == true
    }

    private var loginSettings: SettingList {
        record.pointee.detail.map { worker.startupSettings($0) } ?? SettingList()
    }

    /// The statement for the shards. What RESET goes back to is the value of the client's startup packet, which a link
    /// does not know.
    private var shardText: String {
        let text = String(decoding: call.text, as: UTF8.self)
        let entries = loginSettings.entries
        switch command {
        case .reset(let name, let isLocal):
            return ([text] + entries.filter { $0.name == name }.map { isLocal ? $0.localStatement : $0.statement }).joinedAsScript
        case .resetAll: return ([text] + entries.map(\.statement)).joinedAsScript
        case .configure: return assignments.map(\.statement).joinedAsScript
        case .setTransaction where needsReadOnlySavepoint: return "SAVEPOINT \(Transaction.readOnlySavepoint);\(text)"
        default: return text
        }
    }

    /// The shards may have been sent more than the client's own statement.
    private var hasSeveralTags: Bool {
        switch command {
        case .reset, .resetAll: true
        default: false
        }
    }

    override func childFinished(_ child: Execution, _ outcome: Outcome) {
        if case .failure = outcome {
            releaseIfLoose()
            return finish(outcome)
        }
        if case .discardAll = command, let detail = record.pointee.detail { return forgetAll(detail) }
        let text = String(decoding: call.text, as: UTF8.self)
        switch command {
        case .set(let name, let isLocal): note(isLocal: isLocal, step: text) { $0.set(name, statement: text) }
        case .reset(let name, let isLocal):
            let entry = loginSettings.entries.first { $0.name == name }
            note(isLocal: isLocal, step: shardText) { list in
                // Before what the session has set goes in the block even what nothing is set for.
                if let entry { list.set(entry) } else if isLocal { list.set(name, statement: text) } else { list.reset(name) }
            }
        case .resetAll:
            let entries = loginSettings.entries
            if let detail = record.pointee.detail { worker.resetKey(detail) }
            note(isLocal: false, step: shardText) { list in
                list.resetAll()
                for entry in entries { list.set(entry) }
            }
        case .setTransaction(let modes):
            if needsReadOnlySavepoint, let detail = record.pointee.detail {
                detail.transaction?.noteSavepoint(Transaction.readOnlySavepoint, of: detail)
            }
            note(isLocal: true, step: text) { _ in }
            if let transaction = record.pointee.detail?.transaction, let level = IsolationLevel(modes: modes) {
                worker.setIsolation(level, of: transaction)
            }
        case .setConstraints: note(isLocal: true, step: text) { _ in }
        case .setSessionCharacteristics(let modes): note(isLocal: false, step: text) { $0.setDefaults(of: modes) }
        case .configure:
            for assignment in assignments {
                note(assignment.name, isLocal: assignment.isLocal, step: assignment.statement) { $0.set(assignment) }
            }
            releaseIfLoose()
            return finish(.success)
        case .discardTemporary:
            record.pointee.detail?.temporaryTables = []
            record.pointee.detail?.transaction?.hasChangedSettings = true
            worker.renewEnvironment(of: session)
        case .show, .discardAll, .discardPlans, .discardSequences: break
        }
        // Before the end, which may free the session.
        releaseIfLoose()
        if isPartOfBegin { return finish(.success) }
        warnOfBatch()
        worker.tellComplete(session, hasSeveralTags ? call.plan.commandName : (child as? BroadcastExecution)?.tag ?? call.plan.commandName)
        finish(.success)
    }

    /// In a batch outside a block PostgreSQL warns of what lasts for the transaction, and has it last up to Sync; the shard is in a block.
    private func warnOfBatch() {
        guard !call.wantsDescription, let transaction = record.pointee.detail?.transaction, !transaction.isExplicit else { return }
        let command: String
        switch self.command {
        case .set(_, isLocal: true), .reset(_, isLocal: true): command = "SET LOCAL"
        case .setTransaction: command = "SET TRANSACTION"
        case .setConstraints: command = "SET CONSTRAINTS"
        default: return
        }
        worker.warn(
            session,
            DatabaseMessage(notice: .warning, .noActiveSQLTransaction, "\(command) can only be used in transaction blocks"))
    }

    /// Keeps what was set: for the session, for the links that have it, and for shards that join the block later.
    /// - Parameter name: of the setting, where the command does not tell.
    private func note(_ name: String? = nil, isLocal: Bool, step: String, _ change: (inout SettingList) -> Void) {
        guard let detail = record.pointee.detail else { return }
        if let transaction = detail.transaction {
            if case .setTransaction = command { transaction.steps.append(.modes(step)) } else { transaction.steps.append(.setting(step)) }
            if isLocal { change(&transaction.localSettings) } else { endLocal(name, transaction) }
            transaction.hasChangedSettings = true
            record.pointee.environment = 0
        }
        guard !isLocal else { return }
        change(&detail.settings)
        guard detail.transaction == nil else { return }
        let number = worker.settingsTable.number(of: detail.settings)
        record.pointee.settings = number
        for link in settledLinks { worker.links.at(link).pointee.settings = number }
        worker.renewEnvironment(of: session)
        record.pointee.isPlain = worker.isPlainAtRest(session)
    }

    /// What is set or reset for the session is so in the block, too, whatever SET LOCAL has said before.
    private func endLocal(_ name: String?, _ transaction: Transaction) {
        if let name { return transaction.localSettings.reset(name) }
        switch command {
        case .set(let name, _), .reset(let name, _): transaction.localSettings.reset(name)
        case .resetAll: transaction.localSettings = SettingList()
        default: break
        }
    }

    private func releaseIfLoose() {
        guard let first = settledLinks.first, let detail = record.pointee.detail, detail.transaction == nil else { return }
        if worker.links.at(first).pointee.session == session { worker.giveBack(first, from: session) }
    }

    private func discardAll() {
        guard let detail = record.pointee.detail else { return }
        if let refusal = call.refusalInBlock(detail.transaction) { return finish(.failure(refusal)) }
        wasSent = true
        // What the client asks next must find it done on the shards.
        guard detail.pinnedLinks.isEmpty else {
            return worker.start(
                BroadcastExecution(worker: worker, session: session, parent: self, text: "DISCARD ALL", links: detail.pinnedLinks.map(\.link)),
                on: session)
        }
        forgetAll(detail)
    }

    private func forgetAll(_ detail: SessionDetail) {
        for pinned in detail.pinnedLinks {
            worker.links.at(pinned.link).pointee.isTainted = true
            worker.release(pinned.link)
        }
        detail.pinnedLinks = []
        detail.cursors.removeAll()
        detail.portals = [:]
        record.pointee.hasPortals = false
        detail.temporaryTables = []
        detail.idempotencyKey = nil
        for number in detail.statements.removeAll() { worker.statements.release(number) }
        detail.settings = worker.startupSettings(detail)
        record.pointee.settings = worker.settingsTable.number(of: detail.settings)
        worker.renewEnvironment(of: session)
        record.pointee.isPlain = worker.isPlainAtRest(session)
        worker.noteLoginStatus(session)
        worker.tellComplete(session, "DISCARD ALL")
        finish(.success)
    }
}

/// Checks the settings of a startup packet on a link, and learns what the server reports of them.
final class StartupSettingsExecution: Execution {
    var number: UInt32 = 0
    private var reported: [(name: String, value: String)] = []
    private var wasSent = false

    override func resume() {
        guard !wasSent else { return }
        switch worker.lease(session, shard: worker.anyShard(session)) {
        case .waiting: return
        case .failed(let message): return fail(message)
        case .link(let link):
            wasSent = true
            let leg = addLeg(link: link)
            for script in worker.settingsTable.scripts(from: worker.links.at(link).pointee.settings, to: number) { ask(leg, script) }
            worker.links.at(link).pointee.settings = number
        }
    }

    override func frame(_ frame: UnsafeRawBufferPointer, type: UInt8, leg: Int) {
        if type == BackendMessageType.parameterStatus, let status = try? ParameterStatusMessage(frame) {
            reported.append((status.name.text, status.value.text))
            return
        }
        collect(frame, type: type, leg: leg)
    }

    override func allReady() {
        let leg = legs[0]
        if let failure {
            if !leg.isLost { worker.links.at(leg.link).pointee.isTainted = true }
            release(leg)
            return fail(failure)
        }
        let pool = worker.pools[Int(worker.sessions.at(session).pointee.pool)]
        pool.reported[number] = reported
        pool.staleReports.remove(number)
        release(leg)
        worker.sessions.at(session).pointee.settings = number
        finish(.success)
        if worker.sessions.at(session).pointee.phase == .loggingIn { worker.finishLogin(session) }
    }

    private func release(_ leg: Leg) {
        guard !leg.isLost else { return }
        worker.links.at(leg.link).pointee.task = nil
        worker.giveBack(leg.link, from: session)
    }

    private func fail(_ message: DatabaseMessage) {
        var fatal = message
        fatal.severity = .fatal
        let (worker, session) = (worker, session)
        finish(.success)
        if worker.sessions.at(session).pointee.phase == .loggingIn { worker.endSession(session, fatal) }
    }
}
