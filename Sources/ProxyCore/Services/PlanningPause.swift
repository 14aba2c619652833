// PlanningPause: no statement runs by a plan that is older than where its tables' rows are.
//
// Nothing in a statement's text tells where its tables' rows were when it was planned. So a transaction that has moved rows, or put
// other tables in the place of some (`Catalog.isReplaced`), does not commit before all workers of all proxies on the cluster are between statements. It asks for it through the shards: each worker
// holds the planning lock, shared, on every shard it reaches (`LockKeeper`), and gives it up when it is asked to and all that it had
// begun is answered; what clients send meanwhile waits. Statements that wait for the transaction itself can get no answer; they are
// cancelled. Then the transaction has the lock alone and commits. When the workers have their shares again, they read the catalog and
// go on.
//
// A worker that is cut off from some shards is held to this by the others, since the transaction needs the lock on all of them.
import Primitives
import QueryPlanning
import WireProtocol

extension Worker {
    /// Somebody has moved rows, or replaced tables, and wants to commit.
    func pausePlanning() {
        cluster.pauseRequestedAt = now
        if !cluster.isPlanningPaused {
            cluster.isPlanningPaused = true
            cluster.isMoveUnread = true
            forgetEnvironments()
        }
        endOwnWaits()
        guard isBetweenStatements else { return }
        for keeper in keepers { keeper?.yieldPlanningLock() }
    }

    /// The proxy's own statements that wait for a link may wait for whoever wants the pause, in a small pool. They can be told, and come again.
    private func endOwnWaits() {
        for index in 0..<sessions.highWater {
            let session = sessions.at(index)
            guard session.pointee.activity == .waiting, session.pointee.waitingShard >= 0, let detail = session.pointee.detail,
                detail.facts.ownRole != nil, detail.execution != nil
            else { continue }
            failWait(
                index,
                DatabaseMessage(error: .serializationFailure, "could not serialize access: rows of a table are moving, or another table takes its place", hint: "Try again."))
        }
    }

    /// No statement runs by a plan made before, but those that want the pause themselves.
    private var isBetweenStatements: Bool {
        for index in 0..<sessions.highWater {
            let session = sessions.at(index)
            guard let detail = session.pointee.detail, session.pointee.phase == .ready || session.pointee.phase == .leaving else { continue }
            switch session.pointee.activity {
            case .idle: continue
            case .waiting: if !plansAnew(session, detail) { return false }
            case .passing: return false
            case .executing: if !(detail.execution is PlanningPauseExecution) { return false }
            }
        }
        return true
    }

    /// Whoever waits has begun nothing by its plan, and makes another one when it goes on.
    private func plansAnew(_ session: UnsafeMutablePointer<Session>, _ detail: SessionDetail) -> Bool {
        // What was sent before must be answered; so must settings that are being set on a link the session has got.
        let link = session.pointee.link
        guard link < 0 || links.at(link).pointee.expectations.isEmpty else { return false }
        // A frame that waits for a link is handled anew when it is there; an execution goes on where it is. Else it waits for the catalog.
        return session.pointee.waitingShard < 0 || detail.execution == nil
    }

    /// A share of the planning lock is had, for the first time or again.
    func planningLockTaken(_ shard: ShardIndex) {
        if !cluster.shards[shard.int].isUp { shardIsUp(shard) }
        // Rows may have moved while there was no share, and what was told on this shard meanwhile was not heard.
        if cluster.isReady, !cluster.isPlanningPaused {
            forgetEnvironments()
            loadCatalog()
        }
        endPauseIfPossible()
        openRecovered(shard)
        startupProgress()
    }

    /// Everything is as before the pause, but for the catalog, which is read first.
    func endPauseIfPossible() {
        let present = keepers.compactMap { $0 }
        guard cluster.isPlanningPaused, !present.isEmpty, present.allSatisfy(\.holdsPlanningLock) else { return }
        cluster.isPlanningPaused = false
        loadCatalog()
        // A block among those who wait may have locked what reading the catalog waits for, and reads it by itself.
        resumeCatalogWaiters()
    }

    /// Whoever asked for the pause may be gone before it was granted.
    func endForgottenPause() {
        if cluster.isPlanningPaused, now - cluster.pauseRequestedAt > PlanningLock.requestLifetime { endPauseIfPossible() }
    }

    /// Some tables' rows are elsewhere than they were, or other tables have their names. A block with an older snapshot would
    /// look for them at their old places, or find them twice.
    func endBlocksBeforeMove(from old: Catalog, to new: Catalog) {
        let isMoved = new.relations.contains { relation in old.relation(oid: relation.oid).map { !$0.isPlaced(as: relation) } ?? false }
        guard isMoved || old.isReplaced(by: new) else { return }
        for index in 0..<sessions.highWater {
            guard let detail = sessions.at(index).pointee.detail else { continue }
            detail.portals = detail.portals.filter { $0.value.link >= 0 || $0.value.buffer != nil || $0.value.cursor != nil }
            // At READ COMMITTED a block that has read the catalog by itself does so again before its next plan.
            guard let transaction = detail.transaction, !transaction.participants.isEmpty, !transaction.hasLostParticipant,
                transaction.isolation != .readCommitted
            else { continue }
            transaction.hasLostParticipant = true
            transaction.untoldLoss = DatabaseMessage(
                error: .serializationFailure, "could not serialize access: rows of a table have moved to other shards, or another table has taken its place",
                hint: "Run the transaction again.")
            if transaction.isExplicit { sessions.at(index).pointee.status = TransactionStatus.failed.rawValue }
        }
    }
}

/// Has all workers of all proxies pause before a transaction commits that makes their plans wrong.
final class PlanningPauseExecution: Execution {
    private var asked = 0

    override func resume() {
        guard asked == 0, let transaction = worker.sessions.at(session).pointee.detail?.transaction else { return }
        for participant in transaction.participants.sorted(by: { $0.shard < $1.shard }) { _ = addLeg(link: participant.link) }
        askNext()
        for leg in legs.indices { interrupt(leg, after: .zero) }
    }

    /// One shard after the other, the lowest first, so that two transactions do not each have the lock on a shard.
    private func askNext() {
        guard failure == nil, asked < legs.count else { return }
        let leg = asked
        asked += 1
        ask(leg, "SELECT pgbraid.await_planning()")
    }

    /// On all shards, until the lock is had on all: a worker may have begun another statement before it heard, and a statement may
    /// wait for this transaction anywhere.
    private func interrupt(_ leg: Int, after pause: Span) {
        guard !isFinished, !legs[leg].isLost else { return }
        let process = worker.links.at(legs[leg].link).pointee.cancelKey.processID
        worker.runAdmin(legs[leg].shard, "SELECT pgbraid.interrupt_planning(\(process), \(pause.seconds))") { [weak self] answer in
            if answer.isSuccess { self?.interrupt(leg, after: PlanningLock.requestInterval) }
        }
    }

    override func legReady(_ leg: Int) { askNext() }

    override func allReady() {
        guard let failure else { return finish(.success) }
        guard failure.sqlState.rawValue == "55P03" else { return finish(.failure(failure)) }
        finish(
            .failure(
                DatabaseMessage(
                    error: failure.sqlState, "statements that were begun before a table's rows moved, or another table took its place, are still running",
                    hint: "Nothing has changed. Try again, or end them first: none may be running anywhere when the change is to be seen.")))
    }
}

extension Relation {
    /// Its rows are where those of `other` are: the same table at another time.
    func isPlaced(as other: Relation) -> Bool {
        guard case .sharded(let index, let key) = placement, case .sharded(let otherIndex, let otherKey) = other.placement else {
            return placement == other.placement
        }
        return key == otherKey && columns[index].number == other.columns[otherIndex].number
    }
}
