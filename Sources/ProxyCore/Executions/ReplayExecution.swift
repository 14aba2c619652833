// ReplayExecution: a statement that may do something else on each shard, on a reference table: it runs on the lowest shard, and
// what it wrote there is then written on the others by primary key, all in one transaction.
//
//     writing ──> replaying ──> committing
//
// The lowest shard's row locks come first, as for every statement that writes a reference table.
import Primitives
import QueryPlanning
import WireProtocol

final class ReplayExecution: CompoundExecution {
    private enum Step { case idle, writing, replaying }

    private let call: StatementCall
    private let plan: ReplayPlan
    private var step = Step.idle
    private var tag = ""
    private var rowCount = 0
    /// What the other shards are asked, once or more.
    private var replayCall: StatementCall?
    private var replayedRows: UInt64 = 0
    private var unlikeSince: Instant?

    init(worker: Worker, session: Int32, parent: Execution?, call: StatementCall, plan: ReplayPlan) {
        self.call = call
        self.plan = plan
        super.init(worker: worker, session: session, parent: parent)
    }

    override func resume() {
        guard step == .idle else { return }
        step = .writing
        openOwnTransaction { worker.openTransaction(session, isExplicit: false, modes: "") }
        let lowest = ShardIndex(0)
        worker.start(ImageExecution(worker: worker, session: session, parent: self, call: call, plan: plan, shard: lowest), on: session)
    }

    private func replay(_ written: ImageExecution) {
        tag = written.tag
        rowCount = written.rowCount
        if rowCount == 0 || worker.shardCount == 1 { return end(nil) }
        step = .replaying
        var other = StatementCall(plan: call.plan, text: Array(plan.replayText.utf8))
        let arrays = written.arrays
        other.parameterTypes = Array(repeating: StatementCall.textArrayType, count: arrays.count)
        other.bind = other.bind(ownCount: 0, followedBy: arrays)
        replayCall = other
        askOthers()
    }

    private func askOthers() {
        guard let replayCall else { return }
        let others = Array(ShardSet.all(worker.shardCount).shards.dropFirst())
        // The client has been told by the lowest shard.
        _ = divert()
        worker.start(
            ModifyExecution(
                worker: worker, session: session, parent: self, call: replayCall, shards: others, texts: [replayCall.text], tag: .sum),
            on: session)
    }

    override func stepFinished(_ child: Execution, _ outcome: Outcome) {
        if case .failure(let message) = outcome { return end(step == .replaying ? message.withoutPosition : message) }
        if let written = child as? ImageExecution { return replay(written) }
        let changed = (child as? ModifyExecution)?.rowCount ?? 0
        // Rows that are deleted do not count again, those that are updated do.
        replayedRows = tag.hasPrefix("DELETE") ? replayedRows + changed : changed
        let problem = checkReplay(replayedRows)
        if problem != nil, runsAgain { return askOthers() }
        end(problem)
    }

    /// The lowest shard has rows of a commit that has not reached all others: it is on its way, and waits for nobody. Only READ COMMITTED
    /// sees it once it is there.
    private var runsAgain: Bool {
        guard transaction?.isolation == .readCommitted, record.pointee.phase != .leaving else { return false }
        let since = unlikeSince ?? worker.now
        unlikeSince = since
        return worker.now - since < StatementExecution.alikePatience
    }

    /// Another transaction's commit is on its way from shard to shard, or replicas are not alike.
    private func checkReplay(_ changedRows: UInt64) -> DatabaseMessage? {
        guard changedRows != UInt64(rowCount) * UInt64(worker.shardCount - 1) else { return nil }
        return DatabaseMessage(
            error: .serializationFailure, "the copies of a reference table are not alike on all shards at this moment",
            detail: "The statement changed \(rowCount) rows on the lowest shard, and \(changedRows) on the \(worker.shardCount - 1) others together.",
            hint: "Another transaction may be committing; run this one again. If it fails for good, look for writes that did not come through the proxy.")
    }

    // MARK: The end

    override func concluded(_ problem: DatabaseMessage?) {
        if let problem { return finish(.failure(problem)) }
        worker.tellComplete(session, tag)
        finish(.success)
    }
}
