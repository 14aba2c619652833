// SnapshotGate: keeps snapshots and commits apart, so that nobody sees half of a commit.
//
// A fractured read needs two snapshots on two shards taken around one distributed commit. So there are two kinds of
// window. A *commit window* is open from sending the decider's COMMIT until the last COMMIT PREPARED is acknowledged,
// a *snapshot window* from sending a read to several shards until each of them has taken its snapshot. Windows of
// different kinds that have two shards or more in common never overlap in time; windows of one kind do, and work on a
// single shard never comes here. That is enough for atomic reads.
//
// *Strict* windows promise more: what clients see one after the other, on whatever shards, fits one order of all
// transactions. Commits on one shard come here too, a single common shard is enough to exclude, and commits of several shards
// exclude each other. Commits on one shard need not: their shard orders them. What a shard answers while a commit window
// is open on it may show a commit that other shards do not show yet: it is *held* until those windows have closed.
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
        var isStrict: Bool
        /// A later one of the other kind has gone ahead once.
        var wasPassed = false
    }

    /// An answer that waits for commit windows to close.
    private struct Hold {
        var ticket: GateTicket
        var windows: [GateTicket]
    }

    private var open: [Window] = []
    /// In the order of arrival.
    private var waiting: [Window] = []
    /// In the order of arrival.
    private var holds: [Hold] = []

    public init() {}

    public var openCount: Int { open.count }
    public var waitingCount: Int { waiting.count }
    public var heldCount: Int { holds.count }

    /// Opens a window, or queues for it. True: it is open now; else `leave` of another returns the ticket later.
    public mutating func enter(_ ticket: GateTicket, _ kind: GateWindowKind, _ shards: ShardSet, isStrict: Bool = false) -> Bool {
        let window = Window(ticket: ticket, kind: kind, shards: shards, isStrict: isStrict)
        if open.contains(where: { excludes($0, window) }) || waiting.contains(where: { excludes($0, window) }) {
            waiting.append(window)
            return false
        }
        open.append(window)
        return true
    }

    /// Asks whether an answer that a shard has just given may be told. False: `leave` of the last commit window that is open
    /// on the shard now returns the ticket. Windows that open later do not matter: the answer was given before.
    public mutating func mayTell(_ ticket: GateTicket, answerOf shard: ShardIndex) -> Bool {
        let windows = open.filter { $0.kind == .commit && $0.shards.contains(shard) }.map(\.ticket)
        if windows.isEmpty { return true }
        holds.append(Hold(ticket: ticket, windows: windows))
        return false
    }

    /// Closes a window, or gives up waiting for it. Returns those that are open from now on, in order, behind the answers that may
    /// be told.
    public mutating func leave(_ ticket: GateTicket) -> [GateTicket] {
        if let place = open.firstIndex(where: { $0.ticket == ticket }) {
            let kind = open.remove(at: place).kind
            return (kind == .commit ? endHolds(of: ticket) : []) + admit(after: kind)
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
        let common = one.shards.intersection(other.shards).count
        guard one.kind == other.kind else { return common >= (one.isStrict || other.isStrict ? 1 : 2) }
        guard one.kind == .commit, one.isStrict, other.isStrict else { return false }
        return common >= 1 && one.shards.count > 1 && other.shards.count > 1
    }

    /// Takes a window from all holds; returns those that it was the last of.
    private mutating func endHolds(of window: GateTicket) -> [GateTicket] {
        if holds.isEmpty { return [] }
        for place in holds.indices { holds[place].windows.removeAll { $0 == window } }
        let ended = holds.filter(\.windows.isEmpty).map(\.ticket)
        holds.removeAll(where: \.windows.isEmpty)
        return ended
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
        guard overtaken.allSatisfy({ mayPass && !$0.wasPassed && $0.kind != candidate.kind }) else { return }
        passed.formUnion(overtaken.map(\.ticket))
        open.append(waiting.remove(at: place))
        admitted.append(candidate.ticket)
    }
}
