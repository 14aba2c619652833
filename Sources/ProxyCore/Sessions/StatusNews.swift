// StatusNews: ParameterStatus messages that answer statements the proxy carried out itself.
//
// PostgreSQL 14 and later report a changed setting once, before ReadyForQuery, with its last value and only when that
// is not what the client knows already. What passes through keeps its place; what executions collect waits here.
import WireProtocol

extension Worker {
    /// Keeps a ParameterStatus for the next ReadyForQuery.
    func noteParameterStatus(_ index: Int32, _ frame: UnsafeRawBufferPointer) {
        guard let detail = sessions.at(index).pointee.detail, let status = try? ParameterStatusMessage(frame) else { return }
        noteParameterStatus(index, detail, name: status.name.text, value: status.value.text)
    }

    private func noteParameterStatus(_ index: Int32, _ detail: SessionDetail, name: String, value: String) {
        detail.statusNews.removeAll { $0.name == name }
        detail.statusNews.append((name, value))
        sessions.at(index).pointee.hasStatusNews = true
    }

    /// Whether a message that passes tells the client something; from now on it knows.
    func isStatusNew(_ index: Int32, _ frame: UnsafeRawBufferPointer) -> Bool {
        guard let detail = sessions.at(index).pointee.detail, let status = try? ParameterStatusMessage(frame) else { return true }
        let (name, value) = (status.name.text, status.value.text)
        detail.statusNews.removeAll { $0.name == name }
        if detail.toldStatus[name] == value { return false }
        detail.toldStatus[name] = value
        return true
    }

    /// Tells the client what it does not know yet. Called before ReadyForQuery.
    @inline(never)
    func tellStatusNews(_ index: Int32) {
        let session = sessions.at(index)
        session.pointee.hasStatusNews = false
        guard let detail = session.pointee.detail else { return }
        for (name, value) in detail.statusNews where detail.toldStatus[name] != value {
            detail.toldStatus[name] = value
            output(ofSession: index).pointee.output.writeParameterStatus(name: name, value: value)
        }
        detail.statusNews = []
        guard !detail.heldNotifications.isEmpty else { return }
        guard session.pointee.status == TransactionStatus.idle.rawValue, !session.pointee.isDiverted else {
            return session.pointee.hasStatusNews = true
        }
        detail.heldNotifications.withUnsafeBytes { output(ofSession: index).pointee.output.append($0) }
        detail.heldNotifications = []
    }

    /// What a fresh session with these settings is told, in the server's order.
    func loginStatus(_ pool: Pool, settings number: UInt32) -> [(name: String, value: String)] {
        let changed = pool.reported[number] ?? []
        return pool.parameterStatus.map { status in (status.name, changed.last { $0.name == status.name }?.value ?? status.value) }
    }

    /// The session's settings are those of its login again.
    func noteLoginStatus(_ index: Int32) {
        let session = sessions.at(index)
        guard let detail = session.pointee.detail else { return }
        for (name, value) in loginStatus(pools[Int(session.pointee.pool)], settings: session.pointee.settings) {
            noteParameterStatus(index, detail, name: name, value: value)
        }
    }
}
