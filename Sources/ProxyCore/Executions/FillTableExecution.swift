// FillTableExecution: CREATE TABLE AS and SELECT INTO: the table on all shards, then its rows, in one transaction.
//
// The INSERT is planned when the table is there, by the catalog as this transaction sees it, and is carried out as any other.
import Primitives
import QueryPlanning
import WireProtocol

final class FillTableExecution: CompoundExecution {
    private enum Step { case idle, creating, readingCatalog, inserting }

    private let call: StatementCall
    private let plan: TableOfQueryPlan
    private var step = Step.idle
    /// What the present step answers.
    private var answer: PortalBuffer?
    private var rowCount: UInt64 = 0

    init(worker: Worker, session: Int32, parent: Execution?, call: StatementCall, plan: TableOfQueryPlan) {
        self.call = call
        self.plan = plan
        super.init(worker: worker, session: session, parent: parent)
    }

    override func resume() {
        guard step == .idle else { return }
        step = .creating
        openOwnTransaction { worker.openTransaction(session, isExplicit: false, modes: "") }
        modify(ShardSet.all(worker.shardCount).shards, Array(plan.definition.utf8))
    }

    override func stepFinished(_ child: Execution, _ outcome: Outcome) {
        takeAnswer()
        if case .failure(let message) = outcome { return end(message.withoutPosition) }
        switch step {
        case .creating:
            step = .readingCatalog
            transaction?.changesCatalog = true
            worker.start(PrivateCatalogExecution(worker: worker, session: session, parent: self), on: session)
        case .readingCatalog: insert()
        case .idle, .inserting: end(nil)
        }
    }

    private func insert() {
        step = .inserting
        let text = Array(plan.insertion.utf8)
        do throws(Refusal) {
            let insertion = StatementCall(plan: try planned(text, acrossShards: false), text: text)
            guard case .passThrough(let route) = insertion.plan.action else { return run(insertion) }
            switch worker.resolve(route, of: insertion, session: session) {
            case .one(let shard): modify([shard], text)
            case .refused(let refusal): throw refusal
            case .many: run(StatementCall(plan: try planned(text, acrossShards: true), text: text))
            }
        } catch {
            end(DatabaseMessage(error).withoutPosition)
        }
    }

    private func planned(_ text: [UInt8], acrossShards: Bool) throws(Refusal) -> StatementPlan {
        try worker.planner.planOnce(
            text: text, parameterTypes: [], environment: worker.planningEnvironment(session), acrossShards: acrossShards)
    }

    private func run(_ insertion: StatementCall) {
        answer = divert()
        worker.start(StatementExecution(worker: worker, session: session, parent: self, call: insertion), on: session)
    }

    /// Runs a text on some shards, its answer diverted; what passes from one shard would go to the client.
    private func modify(_ shards: [ShardIndex], _ text: [UInt8]) {
        answer = divert()
        worker.start(
            ModifyExecution(
                worker: worker, session: session, parent: self, call: StatementCall(plan: call.plan, text: text), shards: shards,
                texts: [text], tag: .first),
            on: session)
    }

    /// The client hears the notices, and how many rows there are.
    private func takeAnswer() {
        guard let answer else { return }
        self.answer = nil
        while case .frame(let header) = FrameScanner.frame(in: answer.stream.pointee.output.readable, at: 0, limit: .max) {
            let frame = UnsafeRawBufferPointer(rebasing: answer.stream.pointee.output.readable[0..<header.length])
            switch header.type {
            case BackendMessageType.commandComplete where step == .inserting: rowCount = (try? CommandCompleteMessage(frame))?.rowCount ?? 0
            case BackendMessageType.noticeResponse: tellClient(frame)
            default: break
            }
            answer.stream.pointee.output.consume(header.length)
        }
    }

    override func concluded(_ problem: DatabaseMessage?) {
        if let problem { return finish(.failure(problem)) }
        worker.tellComplete(session, "SELECT \(rowCount)")
        finish(.success)
    }
}
