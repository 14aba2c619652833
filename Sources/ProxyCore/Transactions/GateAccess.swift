// GateAccess: how a worker's commits and reads over several shards pass the snapshot gate, and with
// `consistent_reads = strict` every commit.
//
// With `consistent_reads = off` every window opens at once and is not known to anyone.
import DistributedCommit
import Primitives
import WireProtocol

/// Someone with a window at the gate, or with an answer that is held there. It leaves with `Worker.leaveGate`, whatever becomes of it.
protocol GateVisitor: AnyObject {
    /// The window that had to wait is open now, or the answer that was held may be told.
    func gateEntered(_ ticket: GateTicket)
    /// The time the visitor has asked for with `Timer.gateLimit` is over, and its window is still open.
    func gateLimitIsOver()
}

extension Worker {
    /// What asking for a window came to, with the ticket to leave with.
    enum GateAnswer {
        case entered(GateTicket)
        /// `gateEntered` follows.
        case waiting(GateTicket)
        case closed(ShardIndex)
    }

    func enterGate(_ visitor: any GateVisitor, _ kind: GateWindowKind, _ shards: ShardSet) -> GateAnswer {
        lastGateSerial += 1
        let ticket = GateTicket(worker: number, serial: lastGateSerial)
        guard settings.consistentReads != .off else { return .entered(ticket) }
        let entry = gate.enter(ticket, kind, shards, isStrict: hotSettings.isStrict)
        if case .closed(let shard) = entry { return .closed(shard) }
        gateVisitors[ticket.serial] = visitor
        if entry == .entered { return .entered(ticket) }
        statistics.gateWaits &+= 1
        return .waiting(ticket)
    }

    /// Closes the window, or gives up waiting for it. Who waited for that goes on before this returns.
    func leaveGate(_ ticket: GateTicket) {
        guard gateVisitors.removeValue(forKey: ticket.serial) != nil else { return }
        for admitted in gate.leave(ticket) {
            if admitted.worker == number { admit(admitted) } else { effects.append(.tellWorkers(.gateEntered(admitted))) }
        }
    }

    /// A window that had to wait is open; it may be another worker's.
    func admit(_ ticket: GateTicket) {
        guard ticket.worker == number else { return }
        gateVisitors[ticket.serial]?.gateEntered(ticket)
    }

    /// Tells the gate which shards this worker keeps its clients from.
    func publishClosedShards() {
        var closed = ShardSet()
        for shard in cluster.shards.indices where cluster.fences.isClosed(ShardIndex(shard)) { closed.insert(ShardIndex(shard)) }
        gate.keepClosed(closed, worker: number)
    }
}

/// Whose snapshots a `SnapshotWindow` is about.
protocol SnapshotWindowOwner: AnyObject {
    /// Snapshots may be taken from now on.
    func windowOpened()
    /// They may not: a shard is closed, or was not quick enough too often.
    func windowRefused(_ message: DatabaseMessage)
    /// Not every shard has taken its snapshot in time, and the window is closed: what they take is of no use.
    func windowOverran()
}

/// A snapshot window that is asked for again, with twice the time, when it was too short.
///
/// A window must be short since commits wait for it, and shards can be slow for reasons that a commit must end first: a
/// statement may wait at Bind for a lock that the committer holds.
final class SnapshotWindow: GateVisitor {
    /// How often a window is opened; each time it may last twice as long.
    static let attemptLimit = 6

    private unowned let worker: Worker
    private unowned let owner: any SnapshotWindowOwner
    private let shards: ShardSet
    private var ticket: GateTicket?
    private var attempts = 0
    private(set) var isOpen = false

    init(worker: Worker, owner: any SnapshotWindowOwner, shards: ShardSet) {
        self.worker = worker
        self.owner = owner
        self.shards = shards
    }

    /// Waits at the gate; neither open nor left.
    var isWaiting: Bool { ticket != nil && !isOpen }

    /// Asks for the window; one of the owner's methods follows, at once or later.
    func request() {
        attempts += 1
        guard attempts <= Self.attemptLimit else { return owner.windowRefused(tooSlow) }
        switch worker.enterGate(self, .snapshot, shards) {
        case .closed(let shard): owner.windowRefused(worker.closed(shard))
        case .waiting(let ticket): self.ticket = ticket
        case .entered(let ticket):
            self.ticket = ticket
            open()
        }
    }

    func gateEntered(_ ticket: GateTicket) {
        // What it waited for may have been the commit that could not be told to a shard.
        if let shard = worker.gate.closedShard(among: shards) {
            leave()
            return owner.windowRefused(worker.closed(shard))
        }
        open()
    }

    private func open() {
        guard let ticket else { return }
        isOpen = true
        let limit = Span(nanoseconds: worker.settings.snapshotWindowLimit.nanoseconds << Int64(attempts - 1))
        worker.timers.add(.gateLimit(serial: ticket.serial), at: worker.now + limit)
        owner.windowOpened()
    }

    func gateLimitIsOver() {
        guard isOpen else { return }
        worker.statistics.snapshotRetries &+= 1
        leave()
        owner.windowOverran()
    }

    /// Every shard has its snapshot, or they are not wanted any more.
    func leave() {
        guard let ticket else { return }
        self.ticket = nil
        isOpen = false
        worker.leaveGate(ticket)
    }

    private var tooSlow: DatabaseMessage {
        DatabaseMessage(
            error: .lockNotAvailable, "could not take one snapshot of all shards at a time",
            detail: "In \(Self.attemptLimit) attempts some shard took longer than the snapshot window lasts.",
            hint: "A shard is overloaded, or tables are locked: look at pg_stat_activity there, or raise transactions.snapshot_window.")
    }
}
