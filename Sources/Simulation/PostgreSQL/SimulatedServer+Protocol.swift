// The wire protocol: frames in, statements run one at a time, answers out.
import Primitives
import WireProtocol

extension SimulatedServer {
    /// Does the next thing the backend has to do; false when there is none.
    func takeStep(_ backend: Backend) -> Bool {
        if backend.executing != nil {
            runExecute(backend)
            return true
        }
        if backend.isScriptRunning {
            runScript(backend)
            return true
        }
        return backend.phase == .starting ? takeStartup(backend) : takeFrame(backend)
    }

    private func takeStartup(_ backend: Backend) -> Bool {
        guard case .packet(let length) = StartupPacket.scan(backend.inbox.readable) else { return false }
        let packet = UnsafeRawBufferPointer(rebasing: backend.inbox.readable[..<length])
        guard let startup = try? StartupPacket(packet) else { return fail("a startup packet does not parse", backend) }
        backend.inbox.consume(length)
        switch startup {
        case .startup(let message): begin(backend, message)
        case .cancelRequest(let key):
            cancel(key)
            end(backend)
        case .sslRequest, .gssEncryptionRequest: return fail("encryption was asked for", backend)
        }
        return true
    }

    private func begin(_ backend: Backend, _ message: StartupMessage) {
        backend.user = message.user ?? ""
        backend.phase = .ready
        backend.outbox.writeAuthenticationOk()
        for (name, value) in [("client_encoding", "UTF8"), ("server_version", "15.0"), ("standard_conforming_strings", "on")] {
            backend.outbox.writeParameterStatus(name: name, value: value)
        }
        backend.outbox.writeBackendKeyData(backend.key)
        writeReady(backend)
    }

    func writeReady(_ backend: Backend) {
        backend.isCancelled = false
        backend.outbox.writeReadyForQuery(backend.status)
        flush(backend)
    }

    /// Something the model does not do: the run fails.
    private func fail(_ what: String, _ backend: Backend) -> Bool {
        world.violate("s\(number) \(what)")
        end(backend)
        return false
    }

    private func takeFrame(_ backend: Backend) -> Bool {
        let scan = FrameScanner.frame(in: backend.inbox.readable, at: 0, limit: 1 << 20)
        guard case .frame(let header) = scan else { return scan == .incomplete ? false : fail("got a broken frame", backend) }
        // The process notices that its peer is gone when it next writes to it: perhaps only after this.
        if backend.hasPeerClosed, world.dice.chance(30) { return false }
        let frame = Array(backend.inbox.readable[..<header.length])
        backend.inbox.consume(header.length)
        do {
            try frame.withUnsafeBytes { try handle($0, type: header.type, backend) }
        } catch let error as UnknownStatement {
            return fail("does not know \(error.text)", backend)
        } catch {
            return fail("cannot read a frame of type \(header.type): \(error)", backend)
        }
        return true
    }

    private func handle(_ frame: UnsafeRawBufferPointer, type: UInt8, _ backend: Backend) throws {
        if backend.skipsToSync, type != FrontendMessageType.sync, type != FrontendMessageType.terminate { return }
        switch type {
        case FrontendMessageType.query:
            backend.script = try world.reader.read(QueryMessage(frame).text)
            backend.scriptPosition = 0
            backend.isScriptRunning = true
        case FrontendMessageType.parse: try parse(ParseMessage(frame), backend)
        case FrontendMessageType.bind: try bind(BindMessage(frame), backend)
        case FrontendMessageType.describe: try describe(DescribeMessage(frame), backend)
        case FrontendMessageType.execute:
            let name = String(decoding: try ExecuteMessage(frame).portal, as: UTF8.self)
            backend.executing = backend.portals[name]
            if backend.executing == nil { fail(backend, StatementError("34000", "portal \"\(name)\" does not exist")) }
        case FrontendMessageType.close:
            try close(CloseMessage(frame), backend)
        case FrontendMessageType.flush: flush(backend)
        case FrontendMessageType.sync: sync(backend)
        case FrontendMessageType.terminate: end(backend)
        default: throw ProtocolViolation("unknown message")
        }
    }

    /// The present statement, and with it the text or pipeline, has failed.
    func fail(_ backend: Backend, _ error: StatementError) {
        backend.outbox.writeErrorResponse(DatabaseMessage(error: error.sqlState, error.message))
        // PostgreSQL sends errors and notices at once (send_message_to_frontend in elog.c).
        flush(backend)
        world.trace { "s\(self.number) b\(backend.number) \(error.sqlState.rawValue) \(error.message)" }
        let wasScript = backend.isScriptRunning
        backend.isScriptRunning = false
        backend.executing = nil
        backend.isCancelled = false
        switch backend.block {
        case .explicit: backend.block = .failed
        case .none, .implicit: backend.block = .none
        case .failed: break
        }
        if let transaction = backend.transaction {
            giveUpAdvisoryLocks(of: transaction.lockOwner)
            // What it locked is free as soon as it failed; a block is over only when the client ends it. With a savepoint
            // to go back to the locks stay.
            if backend.block != .failed || transaction.savepoints.isEmpty {
                abort(transaction)
                backend.transaction = nil
            }
        }
        if wasScript { writeReady(backend) } else { backend.skipsToSync = true }
    }

    private func sync(_ backend: Backend) {
        backend.skipsToSync = false
        if backend.block != .explicit, backend.block != .failed { backend.portals = [:] }
        guard backend.block == .implicit, let transaction = backend.transaction else {
            if backend.block == .implicit { backend.block = .none }
            return writeReady(backend)
        }
        commit(transaction, backend, then: .sync)
    }
}
