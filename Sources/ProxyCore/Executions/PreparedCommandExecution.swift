// PreparedCommandExecution: PREPARE, EXECUTE and DEALLOCATE in SQL. Names share one namespace with the protocol's.
import Primitives
import QueryPlanning
import WireProtocol

final class PreparedCommandExecution: Execution {
    private let call: StatementCall
    private let command: PreparedCommand
    private var isStarted = false

    init(worker: Worker, session: Int32, parent: Execution?, call: StatementCall, command: PreparedCommand) {
        self.call = call
        self.command = command
        super.init(worker: worker, session: session, parent: parent)
    }

    override func resume() {
        guard !isStarted else { return }
        isStarted = true
        switch command {
        case .deallocate(let name): deallocate(name)
        case .prepare, .execute:
            finish(
                .failure(
                    DatabaseMessage(
                        error: .featureNotSupported, "\(call.plan.commandName) in SQL is not supported yet",
                        hint: "Use the protocol's prepared statements, as drivers do.")))
        }
    }

    private func deallocate(_ name: String?) {
        guard let detail = worker.sessions.at(session).pointee.detail else { return }
        if let name {
            let number = Array(name.utf8).withUnsafeBytes { detail.statements.remove($0) }
            guard number != 0 else {
                return finish(
                    .failure(DatabaseMessage(error: .invalidSQLStatementName, "prepared statement \"\(name)\" does not exist")))
            }
            worker.statements.release(number)
        } else {
            for number in detail.statements.removeAll() { worker.statements.release(number) }
        }
        worker.tellComplete(session, name == nil ? "DEALLOCATE ALL" : "DEALLOCATE")
        finish(.success)
    }
}
