// The extended protocol: Parse, Bind, Describe, Execute, Close. A portal's snapshot is taken at Bind.
import Primitives
import WireProtocol

extension SimulatedServer {
    func parse(_ message: ParseMessage, _ backend: Backend) throws {
        let statements = try world.reader.read(message.text)
        guard statements.count == 1 else { throw UnknownStatement(text: String(decoding: message.text, as: UTF8.self)) }
        backend.statements[String(decoding: message.name, as: UTF8.self)] = statements[0]
        backend.outbox.writeParseComplete()
    }

    func bind(_ message: BindMessage, _ backend: Backend) throws {
        let name = String(decoding: message.statement, as: UTF8.self)
        guard let statement = backend.statements[name] else {
            return fail(backend, StatementError("26000", "prepared statement \"\(name)\" does not exist"))
        }
        if backend.block == .failed, !statement.isAllowedInFailedBlock { return fail(backend, Self.failedBlock) }
        var parameters: [String?] = []
        message.forEachParameter { _, parameter in
            parameters.append(parameter.value.map { String(decoding: $0, as: UTF8.self) })
            if parameter.format != .text { world.violate("s\(number) was given a parameter that is not text") }
        }
        openTransaction(backend)
        let portal = Portal(
            statement: statement, parameters: parameters, snapshot: snapshot(of: backend, for: statement),
            formats: ResultFormats(message))
        backend.portals[String(decoding: message.portal, as: UTF8.self)] = portal
        backend.outbox.writeBindComplete()
    }

    func describe(_ message: DescribeMessage, _ backend: Backend) throws {
        let name = String(decoding: message.name, as: UTF8.self)
        let statement: Statement?
        var formats = ResultFormats.text
        if message.kind == .statement {
            statement = backend.statements[name]
            if let statement { backend.outbox.writeParameterDescription(statement.parameterTypes) }
        } else {
            statement = backend.portals[name]?.statement
            formats = backend.portals[name]?.formats ?? .text
        }
        guard let statement else { return fail(backend, StatementError("26000", "\"\(name)\" does not exist")) }
        describe(statement, formats, backend)
        if statement.columns == nil { backend.outbox.writeNoData() }
    }

    /// RowDescription of a statement that has rows.
    func describe(_ statement: Statement, _ formats: ResultFormats, _ backend: Backend) {
        guard let columns = statement.columns else { return }
        backend.outbox.writeRowDescription(
            columns.enumerated().map { place, column in
                FieldDescription(name: column.name, typeOID: column.type, format: formats.isBinary(place) ? .binary : .text)
            })
    }

    func close(_ message: CloseMessage, _ backend: Backend) throws {
        let name = String(decoding: message.name, as: UTF8.self)
        if message.kind == .statement { backend.statements[name] = nil } else { backend.portals[name] = nil }
        backend.outbox.writeCloseComplete()
    }

    /// Runs what Execute asked for.
    func runExecute(_ backend: Backend) {
        guard let portal = backend.executing else { return }
        do throws(StatementError) {
            if backend.isCancelled { throw .cancelled }
            openTransaction(backend)
            let context = ExecutionContext(parameters: portal.parameters, snapshot: portal.snapshot, isDescribed: true, formats: portal.formats)
            if case .done(let tag) = try execute(portal.statement, backend, context) { finishStatement(backend, tag: tag) }
        } catch {
            fail(backend, error)
        }
    }

    /// The tag of what just ran; what runs next is up to the caller's loop.
    func finishStatement(_ backend: Backend, tag: String) {
        backend.outbox.writeCommandComplete(tag)
        if backend.executing != nil {
            backend.executing = nil
            return
        }
        backend.scriptPosition += 1
        guard backend.scriptPosition >= backend.script.count else { return }
        backend.isScriptRunning = false
        writeReady(backend)
    }
}
