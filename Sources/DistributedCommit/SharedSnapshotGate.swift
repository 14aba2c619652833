// SharedSnapshotGate: the one snapshot gate of a proxy's workers, and which shards any of them keeps closed.
//
// A call holds the lock for the time of one look at a short list. A window that opens at once is known to every worker
// before the caller sends anything; one that opens later is told to its worker by whoever closed the last window in
// its way. Shards that a worker keeps closed (see ShardFences) are known here too: a decided transaction may not be
// finished on them, and no worker may take a snapshot there together with other shards.
import Primitives
import Synchronization

/// What asking for a window comes to.
public enum GateEntry: Sendable, Equatable {
    case entered
    /// The ticket is returned by a later `leave`.
    case waiting
    /// A worker keeps this shard closed.
    case closed(ShardIndex)
}

/// Shared by all workers of a proxy; any thread may call.
public final class SharedSnapshotGate: Sendable {
    private struct State {
        var gate = SnapshotGate()
        /// The shards each worker keeps closed, by its number.
        var closed: [ShardSet] = []

        func firstClosed(of shards: ShardSet) -> ShardIndex? {
            closed.reduce(ShardSet()) { $0.union($1) }.intersection(shards).first
        }
    }

    private let state = Mutex(State())

    public init() {}

    /// Opens a window or queues for it; a snapshot window is refused over a closed shard.
    public func enter(_ ticket: GateTicket, _ kind: GateWindowKind, _ shards: ShardSet, isStrict: Bool = false) -> GateEntry {
        state.withLock { state in
            if kind == .snapshot, let shard = state.firstClosed(of: shards) { return .closed(shard) }
            return state.gate.enter(ticket, kind, shards, isStrict: isStrict) ? .entered : .waiting
        }
    }

    /// Whether an answer that a shard has just given may be told; else `leave` returns the ticket when it may.
    public func mayTell(_ ticket: GateTicket, answerOf shard: ShardIndex) -> Bool {
        state.withLock { $0.gate.mayTell(ticket, answerOf: shard) }
    }

    /// Closes a window or gives up waiting. Returns the windows of all workers that are open from now on, and the answers that may
    /// be told.
    public func leave(_ ticket: GateTicket) -> [GateTicket] { state.withLock { $0.gate.leave(ticket) } }

    /// Tells which shards a worker keeps closed.
    public func keepClosed(_ shards: ShardSet, worker: Int) {
        state.withLock { state in
            while state.closed.count <= worker { state.closed.append(ShardSet()) }
            state.closed[worker] = shards
        }
    }

    /// One of these shards that a worker keeps closed. Whoever was let in after waiting must ask: the window it waited
    /// for may have ended with a shard that could not be told the decision.
    public func closedShard(among shards: ShardSet) -> ShardIndex? { state.withLock { $0.firstClosed(of: shards) } }

    /// The windows that keep `ticket` waiting.
    public func blockers(of ticket: GateTicket) -> [GateTicket] { state.withLock { $0.gate.blockers(of: ticket) } }
}
