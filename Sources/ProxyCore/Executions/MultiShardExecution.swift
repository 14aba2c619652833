// MultiShardExecution: base of executions that run one statement on several shards.
//
// All links are leased first, in the order of the shards. A statement that writes gets a transaction of its own outside a
// block. A statement that reads takes its snapshots within one window of the snapshot gate (ShardSnapshots), and only
// then are its rows looked at.
import DistributedCommit
import Primitives
import QueryPlanning
import WireProtocol

/// Where a statement on several shards takes its snapshots.
enum SnapshotMoment {
    /// It promises nothing about them: plain DML, DDL.
    case unwatched
    /// At Bind, as a SELECT does: BindComplete is proof.
    case bind
    /// Somewhere before its first row or its end: COPY TO.
    case firstAnswer
    /// When it is executed, which takes no time: DECLARE. CommandComplete is proof.
    case completion
}

class MultiShardExecution: Execution {
    let call: StatementCall
    let shards: [ShardIndex]
    private var nextShard = 0
    /// The block was opened for this statement alone.
    private(set) var ownsTransaction = false
    private var wasSent = false
    private var snapshots: ShardSnapshots?

    init(worker: Worker, session: Int32, parent: Execution?, call: StatementCall, shards: [ShardIndex]) {
        self.call = call
        self.shards = shards
        super.init(worker: worker, session: session, parent: parent)
    }

    /// The statement must be all or nothing: outside a block it gets one of its own.
    var needsTransaction: Bool { false }
    /// What it does to data.
    var effect: DataEffect { call.plan.effect }
    /// Outside a block: one snapshot a shard for all it does, from one instant.
    var needsStableSnapshot: Bool { false }
    var snapshotMoment: SnapshotMoment { .unwatched }
    /// The lowest shard answers before the others are asked. Not for statements that watch their snapshots.
    var asksLowestFirst: Bool { false }
    /// Sends the statement on a leg; every leg has its link.
    func send(_ leg: Int) {}
    /// The window is kept, within its limit, until the execution calls `releaseSnapshots`.
    var holdsWindow: Bool { false }
    /// The text whose EXPLAIN takes the locks that the statement takes on a leg; nil: there is none.
    func lockingText(_ leg: Int) -> [UInt8]? { nil }
    /// Forgets what came of an attempt whose snapshots were not of one instant.
    func startOver() {}
    /// Every leg has answered all it was asked.
    func answered() { end() }
    /// Everything was answered without an error.
    func succeeded() { finish(.success) }

    override func resume() {
        guard !wasSent else { return }
        openOwnTransaction()
        while nextShard < shards.count {
            switch worker.enlist(session, shard: shards[nextShard], effect: effect, takesSnapshot: call.plan.takesSnapshot) {
            case .link(let link):
                _ = addLeg(link: link)
                if call.plan.runsTriggers { worker.links.at(link).pointee.hasUnknownSettings = true }
                if call.plan.taintsLink { worker.links.at(link).pointee.isTainted = true }
                nextShard += 1
            case .waiting: return
            case .failed(let message):
                noteFailure(message)
                return end()
            }
        }
        wasSent = true
        guard isWatched else { return sendCounted(asksLowestFirst ? 0..<1 : legs.indices) }
        let snapshots = ShardSnapshots(self, isInBlock: worker.sessions.at(session).pointee.detail?.transaction != nil)
        self.snapshots = snapshots
        snapshots.begin()
    }

    private func openOwnTransaction() {
        let record = worker.sessions.at(session)
        guard record.pointee.detail?.transaction == nil else { return }
        let isStable = needsStableSnapshot && shards.count > 1 && worker.settings.consistentReads != .off
        guard needsTransaction || isStable else { return }
        if isStable, effect != .reads {
            worker.openStableTransaction(session)
        } else {
            worker.openTransaction(session, isExplicit: false, modes: isStable ? "ISOLATION LEVEL REPEATABLE READ" : "")
        }
        if isStable { record.pointee.detail?.transaction?.snapshotScope = ShardSet(shards) }
        ownsTransaction = true
    }

    /// The snapshots must be of one instant, and are not yet.
    private var isWatched: Bool {
        guard snapshotMoment != .unwatched, shards.count > 1, worker.settings.consistentReads != .off else { return false }
        return worker.sessions.at(session).pointee.detail?.transaction?.holdsSnapshots != true
    }

    private func sendCounted(_ asked: Range<Int>) {
        for leg in asked {
            worker.statistics.countStatement(shard: legs[leg].shard)
            send(leg)
        }
    }

    override func legReady(_ leg: Int) {
        if asksLowestFirst, leg == 0, failure == nil { sendCounted(1..<legs.count) }
    }

    // MARK: The window of the snapshots

    override func received(_ frame: UnsafeRawBufferPointer, type: UInt8, from link: Int32) {
        if let snapshots, let leg = legs.firstIndex(where: { $0.link == link }), !snapshots.takes(type, leg: leg) { return }
        super.received(frame, type: type, from: link)
    }

    override func lost(_ link: Int32, reason: String) {
        if let leg = legs.firstIndex(where: { $0.link == link }) { snapshots?.lost(leg) }
        super.lost(link, reason: reason)
    }

    override final func allReady() {
        if let snapshots, !snapshots.isOver() { return }
        answered()
    }

    override func cancelRequested() {
        if let snapshots, snapshots.isPending { return snapshots.cancel() }
        super.cancelRequested()
    }

    /// Its links are not to be read yet, whether the client has room or not.
    var isHeldBack: Bool { legs.contains { holdsBack($0.link) } }

    /// The same of one of them.
    func holdsBack(_ link: Int32) -> Bool { snapshots?.holdsBack(link) ?? false }

    /// The last of the statement's snapshots is taken.
    func releaseSnapshots() { snapshots?.release() }

    /// A cancel request for one of the legs has reached its shard.
    func cancelLanded() { snapshots?.goOn() }

    override func finish(_ outcome: Outcome) {
        snapshots?.leave()
        super.finish(outcome)
    }

    // MARK: The end

    /// Succeeds, or undoes what was done for this statement alone.
    func end() {
        if failure == nil { return succeeded() }
        fail()
    }

    func fail() {
        guard ownsTransaction else { return conclude(.failure(failure ?? DatabaseMessage(error: .internalError, "no failure"))) }
        worker.start(RollbackExecution(worker: worker, session: session, parent: self), on: session)
    }

    /// Commits the statement's own block, if it has one; `committed` follows.
    func commitOwn() {
        guard ownsTransaction else { return committed() }
        worker.sessions.at(session).pointee.detail?.transaction?.comparesCatalog = call.plan.mayReplaceRelations(in: worker.cluster.catalog)
        worker.start(CommitExecution(worker: worker, session: session, parent: self), on: session)
    }

    /// The statement's effects are there.
    func committed() { conclude(.success) }

    override func childFinished(_ child: Execution, _ outcome: Outcome) {
        if child is RollbackExecution {
            return conclude(.failure(failure ?? DatabaseMessage(error: .internalError, "no failure")))
        }
        guard let commit = child as? CommitExecution else { return }
        if case .failure(let message) = outcome { return conclude(.failure(message)) }
        if !commit.didCommit {
            return conclude(.failure(DatabaseMessage(error: .transactionRollback, "the statement was rolled back on a shard")))
        }
        committed()
    }

    /// Gives back links that are nobody's beyond this statement, and ends.
    func conclude(_ outcome: Outcome) {
        let detail = worker.sessions.at(session).pointee.detail
        let kept = (detail?.transaction?.participants.map(\.link) ?? []) + (detail?.pinnedLinks.map(\.link) ?? [])
        let released = legs.filter { !$0.isLost && !kept.contains($0.link) && !ownsTransaction }.map(\.link)
        finish(outcome)
        for link in released where worker.links.at(link).pointee.session == session { worker.release(link) }
    }
}

extension StatementPlan {
    /// As a transaction of its own it may make plans wrong that others have made (`Catalog.isReplaced`).
    fileprivate func mayReplaceRelations(in catalog: Catalog) -> Bool {
        guard changesCatalog else { return false }
        switch commandName {
        case "ALTER TABLE", "CREATE VIEW", "CREATE TRIGGER", "ALTER TRIGGER", "CREATE RULE": return true
        default: return (commandName.hasPrefix("DROP") || commandName.hasPrefix("ALTER")) && catalog.hasNamesakes
        }
    }
}
