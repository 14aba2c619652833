// PreparedCommandExecution: PREPARE, EXECUTE and DEALLOCATE in SQL. Names share one namespace with the protocol's.
//
// PREPARE runs on a link as the client wrote it, so that PostgreSQL checks it and tells the parameters' types, and is
// deallocated there at once: what stays is a shared statement like any other. EXECUTE binds its arguments to it; where a Parse has
// left types of its parameters open, a shard is asked for them first.
import Primitives
import QueryPlanning
import WireProtocol

final class PreparedCommandExecution: Execution {
    private let call: StatementCall
    private let command: PreparedCommand
    private var isStarted = false
    private var parameterTypes: [UInt32] = []
    /// What EXECUTE has asked a shard to describe.
    private var described: (statement: SharedStatement, call: StatementCall)?

    init(worker: Worker, session: Int32, parent: Execution?, call: StatementCall, command: PreparedCommand) {
        self.call = call
        self.command = command
        super.init(worker: worker, session: session, parent: parent)
    }

    private var detail: SessionDetail? { worker.sessions.at(session).pointee.detail }

    override func resume() {
        guard !isStarted else { return }
        switch command {
        case .deallocate(let name): deallocate(name)
        case .prepare(let name, _, _): prepare(name)
        case .execute(let name, let arguments): execute(name, arguments)
        }
    }

    private func fail(_ state: SQLState, _ message: String, hint: String? = nil) {
        finish(.failure(DatabaseMessage(error: state, message, hint: hint)))
    }

    private func number(of name: String) -> UInt32 {
        Array(name.utf8).withUnsafeBytes { detail?.statements.number(of: $0) ?? 0 }
    }

    // MARK: PREPARE

    /// What statements are called on the links.
    private static let ownNames = "pgbraid_"

    private func prepare(_ name: String) {
        guard number(of: name) == 0 else {
            return fail(.duplicatePreparedStatement, "prepared statement \"\(name)\" already exists")
        }
        guard !name.hasPrefix(Self.ownNames) else {
            return fail(.reservedName, "names of prepared statements that begin with \(Self.ownNames) are the proxy's own")
        }
        switch worker.enlist(session, shard: worker.anyShard(session), effect: .reads) {
        case .waiting: return
        case .failed(let message): return finish(.failure(message))
        case .link(let link):
            isStarted = true
            let leg = addLeg(link: link)
            ask(leg, String(decoding: call.text, as: UTF8.self))
            let output = worker.output(ofLink: link)
            output.pointee.output.writeDescribe(.statement, name: name)
            output.pointee.output.writeSync()
            expectReady(leg)
            ask(leg, "DEALLOCATE \(quoteIdentifier(name))")
        }
    }

    override func frame(_ frame: UnsafeRawBufferPointer, type: UInt8, leg: Int) {
        if type == BackendMessageType.parameterDescription, let message = try? ParameterDescriptionMessage(frame) {
            parameterTypes = (0..<message.parameterCount).map { message.parameterType($0) }
        }
        collect(frame, type: type, leg: leg)
    }

    override func allReady() {
        let leg = legs[0]
        if !leg.isLost {
            worker.links.at(leg.link).pointee.task = nil
            if detail?.transaction == nil { worker.giveBack(leg.link, from: session) }
        }
        if let failure { return finish(.failure(failure)) }
        guard case .prepare(let name, _, let body) = command else { return }
        let environment = worker.planningEnvironment(session).number
        let statement = Array(body.utf8).withUnsafeBytes {
            worker.statements.hold(text: $0, parameterTypes: parameterTypes, environment: environment, reading: detail.map { worker.reading(session, $0) } ?? [])
        }
        Array(name.utf8).withUnsafeBytes { detail?.statements.add($0, number: statement.number) }
        worker.tellComplete(session, "PREPARE")
        finish(.success)
    }

    // MARK: EXECUTE

    private func execute(_ name: String, _ arguments: [ExecuteArgument]) {
        isStarted = true
        guard let statement = worker.statements.at(number(of: name)) else {
            return fail(.invalidSQLStatementName, "prepared statement \"\(name)\" does not exist")
        }
        do throws(DatabaseMessage) {
            let plan = try worker.currentPlan(of: statement, session: session)
            if case .prepared(.execute) = plan.action {
                return fail(.featureNotSupported, "EXECUTE of a statement that is an EXECUTE itself is not supported")
            }
            var other = StatementCall(plan: plan, text: statement.text)
            other.parameterTypes = statement.knownTypes
            guard statement.hasOpenParameters(arguments.count) else { return bind(other, name, arguments) }
            described = (statement, other)
            worker.start(ParameterTypesExecution(worker: worker, session: session, parent: self, call: other), on: session)
        } catch {
            finish(.failure(error))
        }
    }

    /// - Parameter statement: with the types of all its parameters.
    private func bind(_ statement: StatementCall, _ name: String, _ arguments: [ExecuteArgument]) {
        guard arguments.count == statement.parameterTypes.count else {
            return finish(
                .failure(
                    DatabaseMessage(
                        error: .syntaxError, "wrong number of parameters for prepared statement \"\(name)\"",
                        detail: "Expected \(statement.parameterTypes.count) parameters but got \(arguments.count).")))
        }
        var values: [[UInt8]?] = []
        for (argument, type) in zip(arguments, statement.parameterTypes) {
            switch argument.value(ofType: type) {
            case .null?: values.append(nil)
            case .text(let value)?: values.append(Array(value.utf8))
            case nil:
                return fail(
                    .featureNotSupported, "EXECUTE takes literals of the parameters' types only, not \(argument.text)",
                    hint: "Write the value as a number, a string, true, false or NULL, or bind it through the driver.")
            }
        }
        var frame = ByteQueue(pool: worker.streams.pool.reference)
        defer { frame.free() }
        frame.writeBind(values: values, resultFormats: call.resultFormats)
        var bound = statement
        bound.bind = Array(frame.readable)
        bound.wantsDescription = call.wantsDescription
        worker.start(StatementExecution(worker: worker, session: session, parent: self, call: bound), on: session)
    }

    override func childFinished(_ child: Execution, _ outcome: Outcome) {
        guard let types = (child as? ParameterTypesExecution)?.types, case .success = outcome, let described,
            case .execute(let name, let arguments) = command
        else { return finish(outcome) }
        described.statement.describedTypes = types
        var other = described.call
        other.parameterTypes = types
        bind(other, name, arguments)
    }

    // MARK: DEALLOCATE

    private func deallocate(_ name: String?) {
        isStarted = true
        guard let detail else { return }
        if let name {
            let number = Array(name.utf8).withUnsafeBytes { detail.statements.remove($0) }
            guard number != 0 else {
                return fail(.invalidSQLStatementName, "prepared statement \"\(name)\" does not exist")
            }
            worker.statements.release(number)
        } else {
            for number in detail.statements.removeAll() { worker.statements.release(number) }
        }
        worker.tellComplete(session, name == nil ? "DEALLOCATE ALL" : "DEALLOCATE")
        finish(.success)
    }
}

extension SharedStatement {
    /// With so many arguments it is not certain from its Parse what types its parameters have, or how many there are.
    fileprivate func hasOpenParameters(_ argumentCount: Int) -> Bool {
        knownTypes.contains(0) || describedTypes.isEmpty && parameterTypes.count != argumentCount
    }
}
