// SagaRunExecution: CALL pgbraid.saga_run: checks the script, stores the saga on the shard of its name, and waits until it has ended.
//
//   reading ──> beginning ──> waiting <──> looking      each but `waiting` has a link to the saga's shard
//
// Who carries the saga out works in the background, on whatever proxy: the client may leave, and call again.
import Primitives
import QueryPlanning
import WireProtocol

final class SagaRunExecution: Execution {
    private enum Step { case reading, beginning, waiting, looking }

    /// Between two looks: at first, and at most.
    private static let shortestPause = Span.milliseconds(50)
    private static let longestPause = Span.seconds(1)

    /// Saga, script and timeout, as SQL.
    private let literals: [String]
    private let name: String
    private let home: ShardIndex
    private let begun: Instant
    private var step = Step.reading
    private var pause = SagaRunExecution.shortestPause
    private var serial: UInt64 = 0
    /// The session's statement_timeout; zero: none.
    private var patience = Span.zero

    override var keepsRows: Bool { true }

    /// - Parameter home: the shard of the saga's name.
    init(worker: Worker, session: Int32, parent: Execution?, name: String, texts: [String?], home: ShardIndex) {
        self.name = name
        self.home = home
        literals = texts.map { $0.map(quoteLiteral) ?? "NULL" }
        begun = worker.now
        super.init(worker: worker, session: session, parent: parent)
    }

    override func resume() {
        guard legs.isEmpty else { return }
        if worker.sessions.at(session).pointee.detail?.transaction != nil {
            return finish(.failure(DatabaseMessage(error: .activeSQLTransaction, "CALL pgbraid.saga_run cannot run inside a transaction block")))
        }
        switch worker.enlist(session, shard: home, effect: step == .looking ? .reads : .writes) {
        case .waiting: return
        case .failed(let message): finish(.failure(message))
        case .link(let link): ask(addLeg(link: link), question)
        }
    }

    private var question: String {
        switch step {
        case .reading: "SELECT work, undo FROM pgbraid.saga_steps_of(\(literals[1])::pg_catalog.jsonb)"
        case .beginning: "SELECT state, reason, statement_timeout FROM pgbraid.saga_start(\(literals.joined(separator: ", ")))"
        case .waiting, .looking: "SELECT state, reason FROM pgbraid.saga AS s WHERE s.name OPERATOR(pg_catalog.=) \(literals[0])::pg_catalog.text"
        }
    }

    override func allReady() {
        let rows = legs[0].rows
        letGo()
        if let failure { return finish(.failure(failure.withoutPosition)) }
        switch step {
        case .reading: check(rows)
        case .beginning:
            if let milliseconds = rows.first?[2].flatMap({ Int64($0) }) { patience = .milliseconds(milliseconds) }
            judge(rows)
        case .waiting, .looking: judge(rows)
        }
    }

    private func letGo() {
        for leg in legs where !leg.isLost {
            worker.links.at(leg.link).pointee.task = nil
            worker.giveBack(leg.link, from: session)
        }
        removeLegs()
    }

    private func check(_ rows: [[String?]]) {
        do throws(Refusal) {
            for row in rows {
                for (text, kind) in [(row[0], "the work"), (row[1], "the undo")] { if let text { try SagaStepCall.check(text, called: kind) } }
            }
        } catch {
            return finish(.failure(DatabaseMessage(error).withoutPosition))
        }
        step = .beginning
        resume()
    }

    /// Ends, or waits for what becomes of the saga.
    private func judge(_ rows: [[String?]]) {
        let reason = rows.first?[1] ?? ""
        switch rows.first?[0] {
        case "completed":
            worker.tellComplete(session, "CALL")
            finish(.success)
        case "running", "undoing": wait()
        case "compensated":
            finish(.failure(DatabaseMessage(error: .transactionRollback, "saga \"\(name)\" has been undone", detail: reason)))
        case "stuck":
            finish(
                .failure(
                    DatabaseMessage(
                        error: .objectNotInPrerequisiteState, "saga \"\(name)\" is stuck", detail: reason,
                        hint: "Mend what keeps it from being undone, then SELECT pgbraid.saga_retry(...).")))
        default: finish(.failure(DatabaseMessage(error: .undefinedObject, "saga \"\(name)\" does not exist any more")))
        }
    }

    private func wait() {
        if worker.sessions.at(session).pointee.phase == .leaving { return finish(.success) }
        if patience > .zero, worker.now - begun >= patience {
            return finish(
                .failure(
                    DatabaseMessage(error: .queryCanceled, "canceling statement due to statement timeout", detail: "Saga \"\(name)\" goes on.")))
        }
        step = .waiting
        serial += 1
        worker.timers.add(.saga(session: session, generation: worker.sessions.at(session).pointee.generation, serial: serial), at: worker.now + pause)
        pause = min(Span(nanoseconds: pause.nanoseconds * 2), Self.longestPause)
    }

    /// The pause is over.
    func look(_ serial: UInt64) {
        guard step == .waiting, serial == self.serial else { return }
        step = .looking
        resume()
    }

    override func cancelRequested() {
        guard step == .waiting else { return cancelLegs() }
        finish(.failure(DatabaseMessage(error: .queryCanceled, "canceling statement due to user request", detail: "Saga \"\(name)\" goes on.")))
    }
}

extension StatementExecution {
    private static let sagaRun = "pgbraid.saga_run"

    func runSaga(_ saga: SagaRunCall) {
        do throws(Refusal) {
            let texts = try sagaTexts(saga.arguments, Self.sagaRun)
            let name = texts[0] ?? ""
            run(
                SagaRunExecution(
                    worker: worker, session: session, parent: self, name: name, texts: texts, home: try home(ofSaga: name)))
        } catch {
            fail(DatabaseMessage(error))
        }
    }

    /// A call's values, the first of which is the saga's name.
    func sagaTexts(_ arguments: [SettingCall.Operand?], _ function: String) throws(Refusal) -> [String?] {
        var texts: [String?] = []
        for (place, argument) in arguments.enumerated() {
            texts.append(try argument.flatMap { (operand) throws(Refusal) in try operand.text(call.bind ?? [], as: function == Self.sagaRun ? [.text, .jsonb, .interval][place] : .text) })
        }
        guard texts[0] != nil else { throw Refusal("22004", "the name of a saga cannot be NULL") }
        if let long = texts.compactMap({ $0 }).first(where: { $0.utf8.count > SagaStepCall.maximumBytes }) {
            throw Refusal("54000", "a value of \(long.utf8.count) bytes is too long for \(function)", hint: "It takes \(SagaStepCall.maximumBytes) bytes at most.")
        }
        let isASCII = texts.allSatisfy { $0?.utf8.allSatisfy { $0 < 128 } ?? true }
        guard isASCII || worker.planningEnvironment(session).usesServerEncoding else {
            throw Refusal("0A000", "\(function) needs the server's client_encoding", hint: "SET client_encoding TO UTF8.")
        }
        return texts
    }

    func home(ofSaga name: String) throws(Refusal) -> ShardIndex {
        switch worker.resolve(SagaStepCall.route(of: name), of: call, session: session) {
        case .one(let home): return home
        case .refused(let refusal): throw refusal
        case .many: throw Refusal("XX000", "a saga is on one shard")
        }
    }
}
