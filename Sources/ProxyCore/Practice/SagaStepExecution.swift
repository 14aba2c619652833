// SagaStepExecution: pgbraid.saga_step: draws the step's number where the saga is, and has the step journalled where the transaction writes.
//
// The journal's row commits with the work of the step on one shard; the saga's shard is only read.
import Primitives
import QueryPlanning
import WireProtocol

final class SagaStepExecution: CompoundExecution {
    private enum Step { case idle, numbering, journalling }

    private let call: StatementCall
    private let columnName: String
    /// Saga, step and undo, as SQL.
    private let literals: [String]
    private let home: ShardIndex
    private var step = Step.idle

    /// - Parameter home: the shard of the saga's name.
    init(worker: Worker, session: Int32, parent: Execution?, call: StatementCall, columnName: String, texts: [String?], home: ShardIndex) {
        self.call = call
        self.columnName = columnName
        self.home = home
        literals = texts.map { $0.map(quoteLiteral) ?? "NULL" }
        super.init(worker: worker, session: session, parent: parent)
    }

    override func resume() {
        guard step == .idle else { return }
        step = .numbering
        openOwnTransaction { worker.openTransaction(session, isExplicit: false, modes: "") }
        ask(home, "SELECT number, id FROM pgbraid.saga_next(\(literals[0]))", effect: .reads)
    }

    private func ask(_ shard: ShardIndex, _ text: String, effect: DataEffect) {
        worker.start(AskExecution(worker: worker, session: session, parent: self, shards: [shard], text: text, effect: effect), on: session)
    }

    override func stepFinished(_ child: Execution, _ outcome: Outcome) {
        if case .failure(let message) = outcome { return end(message.withoutPosition) }
        guard step == .numbering else { return end(nil) }
        step = .journalling
        guard let row = (child as? AskExecution)?.rows.first?.first, row.count == 2, let number = row[0], Int64(number) != nil, let id = row[1] else {
            return end(DatabaseMessage(error: .internalError, "the step has got no number"))
        }
        let text = "SELECT pgbraid.saga_step(\(quoteLiteral(id))::pg_catalog.uuid, \(literals[1]), \(literals[2]), \(number))"
        ask(worker.writtenShard(session), text, effect: .writes)
    }

    override func concluded(_ problem: DatabaseMessage?) {
        if let problem { return finish(.failure(problem)) }
        if worker.sessions.at(session).pointee.phase != .leaving {
            let output = worker.output(ofSession: session)
            if call.wantsDescription {
                output.pointee.output.writeRowDescription([FieldDescription(name: columnName, typeOID: Self.voidType, typeSize: 4)])
            }
            output.pointee.output.writeDataRow(text: [""])
        }
        worker.tellComplete(session, "SELECT 1")
        finish(.success)
    }

    /// The OID of void (pg_type.dat).
    private static let voidType: UInt32 = 2278
}

extension StatementExecution {
    func journal(_ step: SagaStepCall) {
        do throws(Refusal) {
            let texts = try sagaTexts(step.arguments, "pgbraid.saga_step")
            if let undo = texts[2] { try SagaStepCall.check(undo) }
            run(
                SagaStepExecution(
                    worker: worker, session: session, parent: self, call: call, columnName: step.columnName, texts: texts,
                    home: try home(ofSaga: texts[0] ?? "")))
        } catch {
            fail(DatabaseMessage(error))
        }
    }
}
