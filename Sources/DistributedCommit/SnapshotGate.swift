// SnapshotGate: keeps multi-shard snapshots and multi-shard commits apart, so that no snapshot sees half of a commit.
//
// A fractured read needs two snapshots on two shards taken around one distributed commit. So there are two kinds of
// window. A *commit window* is open from sending the decider's COMMIT until the last COMMIT PREPARED is acknowledged,
// a *snapshot window* from sending a read to several shards until each of them has taken its snapshot. Windows of
// different kinds whose shards overlap in `sharedShards` or more never overlap in time; windows of one kind do, and
// work on a single shard never comes here.
//
// Fairness: who comes while the other kind waits for the same shards waits behind it. When a window closes, the other
// kind goes first, all of it that can. Whoever was passed in that way once is not passed again.
//
// The gate is a plain value: no clock, no locks. Windows are bounded in time by whoever opens them.
import Primitives

/// Names one window of one worker.
public struct GateTicket: Hashable, Sendable {
    public var worker: Int
    public var serial: UInt64

    public init(worker: Int, serial: UInt64) {
        self.worker = worker
        self.serial = serial
    }
}

/// The two kinds of window, which exclude each other.
public enum GateWindowKind: Sendable, Equatable {
    case commit, snapshot
}

/// Which windows are open and who waits. O(windows + waiters) for each call.
public struct SnapshotGate: Sendable {
    private struct Window {
        var ticket: GateTicket
        var kind: GateWindowKind
        var shards: ShardSet
        /// A later one of the other kind has gone ahead once.
        var wasPassed = false
    }

    private var open: [Window] = []
    /// In the order of arrival.
    private var waiting: [Window] = []
    private let sharedShards: Int

    /// - Parameter sharedShards: how many common shards make two windows exclude each other: 2 is what atomic reads need.
    public init(sharedShards: Int = 2) { self.sharedShards = sharedShards }

    public var openCount: Int { open.count }
    public var waitingCount: Int { waiting.count }

    /// Opens a window, or queues for it. True: it is open now; else `leave` of another returns the ticket later.
    public mutating func enter(_ ticket: GateTicket, _ kind: GateWindowKind, _ shards: ShardSet) -> Bool {
        let window = Window(ticket: ticket, kind: kind, shards: shards)
        if open.contains(where: { excludes($0, window) }) || waiting.contains(where: { excludes($0, window) }) {
            waiting.append(window)
            return false
        }
        open.append(window)
        return true
    }

    /// Closes a window, or gives up waiting for it. Returns those that are open from now on, in order.
    public mutating func leave(_ ticket: GateTicket) -> [GateTicket] {
        if let place = open.firstIndex(where: { $0.ticket == ticket }) {
            return admit(after: open.remove(at: place).kind)
        }
        guard let place = waiting.firstIndex(where: { $0.ticket == ticket }) else { return [] }
        return admit(after: waiting.remove(at: place).kind)
    }

    /// What waits and for whom, for deadlock detection: the tickets of open windows that keep `ticket` waiting.
    public func blockers(of ticket: GateTicket) -> [GateTicket] {
        guard let place = waiting.firstIndex(where: { $0.ticket == ticket }) else { return [] }
        let window = waiting[place]
        return (open + waiting[..<place]).filter { excludes($0, window) }.map(\.ticket)
    }

    private func excludes(_ one: Window, _ other: Window) -> Bool {
        one.kind != other.kind && one.shards.intersection(other.shards).count >= sharedShards
    }

    /// The other kind has its turn, then the kind that has just had one.
    private mutating func admit(after kind: GateWindowKind) -> [GateTicket] {
        if waiting.isEmpty { return [] }
        var passed: Set<GateTicket> = []
        var admitted: [GateTicket] = []
        for candidate in waiting where candidate.kind != kind { openIfPossible(candidate, mayPass: true, &passed, &admitted) }
        for candidate in waiting where candidate.kind == kind { openIfPossible(candidate, mayPass: false, &passed, &admitted) }
        for place in waiting.indices where passed.contains(waiting[place].ticket) { waiting[place].wasPassed = true }
        return admitted
    }

    private mutating func openIfPossible(
        _ candidate: Window, mayPass: Bool, _ passed: inout Set<GateTicket>, _ admitted: inout [GateTicket]
    ) {
        guard !open.contains(where: { excludes($0, candidate) }),
            let place = waiting.firstIndex(where: { $0.ticket == candidate.ticket })
        else { return }
        let overtaken = waiting[..<place].filter { excludes($0, candidate) }
        guard overtaken.allSatisfy({ mayPass && !$0.wasPassed }) else { return }
        passed.formUnion(overtaken.map(\.ticket))
        open.append(waiting.remove(at: place))
        admitted.append(candidate.ticket)
    }
}
