// SnapshotExecution: takes the snapshots of a REPEATABLE READ block on all shards at one instant.
//
// PostgreSQL takes the block's one snapshot at its first query. Over several shards all of them must be taken in one
// window of the snapshot gate, before it is known which shards the block will need: every shard that is open joins now.
// A shard that was not joins no more; the block would see another instant there.
import DistributedCommit
import Primitives
import QueryPlanning
import WireProtocol

final class SnapshotExecution: Execution, SnapshotWindowOwner {
    private let scope: [ShardIndex]
    private var nextShard = 0
    private var isRejoining = false
    /// Shards that have not begun anew since were asked for their snapshots.
    private var wasAsked = false
    /// Something was done on a shard before, such as LOCK TABLE or NOTIFY, that beginning anew would undo unseen.
    private let hasEarlierWork: Bool
    private lazy var window = SnapshotWindow(worker: worker, owner: self, shards: ShardSet(legs.map(\.shard)))
    private var transaction: Transaction? { worker.sessions.at(session).pointee.detail?.transaction }

    /// - Parameter scope: the shards the block may need.
    init(worker: Worker, session: Int32, parent: Execution?, scope: [ShardIndex]) {
        self.scope = scope
        hasEarlierWork = worker.sessions.at(session).pointee.detail?.transaction?.participants.isEmpty == false
        super.init(worker: worker, session: session, parent: parent)
    }

    override func resume() {
        guard legs.isEmpty, transaction?.snapshotState == .taking else { return }
        while nextShard < scope.count {
            switch worker.join(session, shard: scope[nextShard], effect: .reads) {
            case .link: nextShard += 1
            case .waiting: return
            case .failed(let message):
                // A shard that cannot be reached now is left out; what needs it will say so.
                if failure == nil, worker.cluster.fences.isClosed(scope[nextShard]) || message.sqlState == .unableToEstablishConnection {
                    nextShard += 1
                } else {
                    noteFailure(message)
                    return end()
                }
            }
        }
        for participant in transaction?.participants ?? [] { _ = addLeg(link: participant.link) }
        if legs.isEmpty {
            noteFailure(worker.closed(scope[0]))
            return end()
        }
        window.request()
    }

    func windowOpened() {
        wasAsked = true
        for leg in legs.indices where !legs[leg].isLost { ask(leg, "SELECT 1") }
        if !hasOutstanding { allReady() }
    }

    func windowRefused(_ message: DatabaseMessage) {
        noteFailure(message)
        if !hasOutstanding { end() }
    }

    /// The snapshots come too late: once they are there the block begins anew on every shard, and takes others.
    func windowOverran() {
        if hasEarlierWork { noteFailure(.snapshotIsTorn) } else { isRejoining = true }
    }

    override func allReady() {
        window.leave()
        guard failure == nil else { return end() }
        guard isRejoining else { return end() }
        if legs.allSatisfy({ worker.links.at($0.link).pointee.status == TransactionStatus.idle.rawValue }) { return rejoin() }
        for leg in legs.indices { ask(leg, "ROLLBACK") }
    }

    private func rejoin() {
        guard let transaction else { return end() }
        isRejoining = false
        wasAsked = false
        for leg in legs {
            worker.sendJoin(transaction, on: leg.link)
        }
        window.request()
    }

    override func cancelRequested() {
        noteFailure(DatabaseMessage(error: .queryCanceled, "canceling statement due to user request"))
        if hasOutstanding { return cancelLegs() }
        end()
    }

    private func end() {
        window.leave()
        guard let transaction else { return finish(.failure(failure ?? DatabaseMessage(error: .internalError, "no transaction"))) }
        transaction.snapshotState = failure == nil ? .taken : wasAsked ? .torn : .due
        guard let failure else { return finish(.success) }
        finish(.failure(failure))
    }

    override func finish(_ outcome: Outcome) {
        window.leave()
        super.finish(outcome)
    }
}

extension DatabaseMessage {
    static var snapshotIsTorn: DatabaseMessage {
        DatabaseMessage(
            error: .serializationFailure, "could not take one snapshot of all shards at a time",
            detail: "The block did something on a shard before, which beginning anew there would undo.", hint: "Repeat the transaction.")
    }
}
