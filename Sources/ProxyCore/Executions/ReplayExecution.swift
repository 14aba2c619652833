// ReplayExecution: a statement that may do something else on each shard, on a reference table: it runs on the lowest shard, and
// what it wrote there is then written on the others by primary key, all in one transaction.
//
//     writing ──> replaying ──> committing
//
// The lowest shard's row locks come first, as for every statement that writes a reference table.
import Primitives
import QueryPlanning
import WireProtocol

final class ReplayExecution: Execution {
    private enum Step { case idle, writing, replaying, ending }

    private let call: StatementCall
    private let plan: ReplayPlan
    private var step = Step.idle
    private var ownsTransaction = false
    private var problem: DatabaseMessage?
    private var tag = ""
    private var rowCount = 0
    private let answers: AnswerDiversion

    init(worker: Worker, session: Int32, parent: Execution?, call: StatementCall, plan: ReplayPlan) {
        self.call = call
        self.plan = plan
        answers = AnswerDiversion(worker: worker, session: session)
        super.init(worker: worker, session: session, parent: parent)
    }

    override func resume() {
        guard step == .idle else { return }
        step = .writing
        if worker.sessions.at(session).pointee.detail?.transaction == nil {
            worker.openTransaction(session, isExplicit: false, modes: "")
            ownsTransaction = true
        }
        let lowest = ShardIndex(0)
        worker.start(ImageExecution(worker: worker, session: session, parent: self, call: call, plan: plan, shard: lowest), on: session)
    }

    private func replay(_ written: ImageExecution) {
        tag = written.tag
        rowCount = written.rowCount
        let others = ShardSet.all(worker.shardCount).shards.dropFirst()
        if rowCount == 0 || others.isEmpty { return end(nil) }
        step = .replaying
        var other = StatementCall(plan: call.plan, text: Array(plan.replayText.utf8))
        let arrays = written.arrays
        other.parameterTypes = Array(repeating: StatementCall.textArrayType, count: arrays.count)
        other.bind = other.bind(ownCount: 0, followedBy: arrays)
        answers.begin()
        worker.start(
            ModifyExecution(
                worker: worker, session: session, parent: self, call: other, shards: Array(others), texts: [other.text], tag: .sum),
            on: session)
    }

    override func childFinished(_ child: Execution, _ outcome: Outcome) {
        answers.end()
        if step == .ending { return ended(child, outcome) }
        if case .failure(let message) = outcome { return end(withoutPosition(message)) }
        if let written = child as? ImageExecution { return replay(written) }
        end(checkReplay((child as? ModifyExecution)?.rowCount ?? 0))
    }

    /// Another transaction's commit is on its way from shard to shard, or replicas are not alike.
    private func checkReplay(_ changedRows: UInt64) -> DatabaseMessage? {
        answers.settle(isTold: false)
        guard changedRows != UInt64(rowCount) * UInt64(worker.shardCount - 1) else { return nil }
        return DatabaseMessage(
            error: .serializationFailure, "the copies of a reference table are not alike on all shards at this moment",
            detail: "The statement changed \(rowCount) rows on the lowest shard, and \(changedRows) on the \(worker.shardCount - 1) others together.",
            hint: "Another transaction may be committing; run this one again. If it fails for good, look for writes that did not come through the proxy.")
    }

    private func withoutPosition(_ message: DatabaseMessage) -> DatabaseMessage {
        var message = message
        if step == .replaying { message.fields.removeAll { $0.code == DatabaseMessage.FieldCode.position } }
        return message
    }

    // MARK: The end

    private func end(_ problem: DatabaseMessage?) {
        self.problem = problem
        guard ownsTransaction else { return conclude() }
        step = .ending
        worker.start(
            problem == nil
                ? CommitExecution(worker: worker, session: session, parent: self)
                : RollbackExecution(worker: worker, session: session, parent: self),
            on: session)
    }

    private func ended(_ child: Execution, _ outcome: Outcome) {
        if let commit = child as? CommitExecution {
            if case .failure(let message) = outcome {
                problem = message
            } else if !commit.didCommit {
                problem = DatabaseMessage(error: .transactionRollback, "the statement was rolled back on a shard")
            }
        }
        conclude()
    }

    private func conclude() {
        answers.settle(isTold: false)
        if let problem { return finish(.failure(problem)) }
        worker.tellComplete(session, tag)
        finish(.success)
    }
}
