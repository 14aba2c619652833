// SELECT set_config(...): one shard answers it, then what it has set is the session's, as with SET.
import QueryPlanning
import WireProtocol

extension StatementExecution {
    /// Has one shard answer set_config.
    func configure(_ calls: [SettingCall]) {
        do throws(Refusal) {
            assignments = try (call.bind ?? []).withBytes { (bytes) throws(Refusal) -> [SettingAssignment] in
                try SettingAssignment.read(calls, bind: call.bind == nil ? nil : try? BindMessage(bytes))
            }
        } catch {
            return fail(DatabaseMessage(error))
        }
        guard worker.planningEnvironment(session).usesServerEncoding || assignments.allSatisfy({ $0.statement.utf8.allSatisfy { $0 < 0x80 } }) else {
            return fail(DatabaseMessage(error: .featureNotSupported, "set_config needs the server's client_encoding for this value"))
        }
        if let refusal = record.pointee.detail?.transaction?.refusal(ofSetting: assignments.map(\.name)) {
            assignments = []
            return fail(refusal)
        }
        pass(to: worker.anyShard(session))
    }

    /// Outside a block the link goes on with a setting that it is not known to have.
    var changesLinkUnseen: Bool {
        record.pointee.detail?.transaction == nil && assignments.contains { !$0.isLocal }
    }

    /// What was set is the session's, or the block's, on all its links.
    func settle() {
        let isInBlock = record.pointee.detail?.transaction != nil
        let lasting = assignments.filter { isInBlock || !$0.isLocal }
        assignments = []
        guard !lasting.isEmpty else { return completed() }
        run(
            SettingExecution(
                worker: worker, session: session, parent: self, call: call, command: .configure([]), assignments: lasting))
    }
}
