// SharedSessionTable: which server processes belong to which session, and how many clients there are, over all workers of a proxy.
//
// A worker knows its own sessions only, and a lock of another worker's session would look like that of a stranger. With
// several workers each puts down what its sessions in transactions hold, several times a second, and reads what the
// others have put down.
//
// What was put down may be outdated: the server process may belong to another session by then, and a session that waits
// for nothing of the sort would be ended. So whoever has seen a circle asks for a new round, and believes it only with
// what all others have put down since: whoever waits in both looks has waited all the time between, with the same processes.
import Primitives
import Synchronization

/// What one session holds, as far as waits between sessions are concerned.
public struct SessionHoldings: Sendable {
    public var waiter: Waiter
    /// When its transaction began; the youngest of a deadlock is the one that is ended. Nil: it is in none, as a text of several
    /// statements for one shard is, which holds locks all the same.
    public var startedAt: Instant?
    /// When its statement before the present one ended, which tells the present one from those before and after it.
    public var lastActive: Instant
    /// For messages: how the session is known to its client.
    public var name: String
    /// Its server processes.
    public var processes: [(shard: Int, process: Int32)]
    /// It commits a transaction on several shards, of which some may have prepared their parts: those hold their locks for it.
    public var committing: TransactionHash?
    /// It waits for a link of a full pool.
    public var linkWait: Wait?

    public init(
        waiter: Waiter, startedAt: Instant?, lastActive: Instant, name: String, processes: [(shard: Int, process: Int32)],
        committing: TransactionHash? = nil, linkWait: Wait? = nil
    ) {
        self.waiter = waiter
        self.startedAt = startedAt
        self.lastActive = lastActive
        self.name = name
        self.processes = processes
        self.committing = committing
        self.linkWait = linkWait
    }
}

/// Shared by all workers of a proxy; any thread may call.
public final class SharedSessionTable: Sendable {
    private struct Entry {
        var holdings: [SessionHoldings] = []
        /// The round that was asked for when they were put together; nil: none were.
        var round: Int?
    }

    private let byWorker = Mutex<[Entry]>([])
    private let lastRound = Atomic<Int>(0)

    private let clientCount = Atomic<Int>(0)

    public init() {}

    /// Counts one client more, to be uncounted by `clientLeft`; false: there are `limit` of them already.
    public func admitClient(limit: Int) -> Bool {
        guard clientCount.wrappingAdd(1, ordering: .relaxed).newValue > limit else { return true }
        clientLeft()
        return false
    }

    /// A client is gone that was admitted.
    public func clientLeft() { clientCount.wrappingSubtract(1, ordering: .relaxed) }

    /// The round that was asked for last. Read it before putting together what `put` is given.
    public var round: Int { lastRound.load(ordering: .acquiring) }

    /// Asks for what all workers hold from now on; it is there once `holdings` has it in this round.
    public func newRound() -> Int { lastRound.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue }

    public func put(_ holdings: [SessionHoldings], worker: Int, round: Int) {
        byWorker.withLock { table in
            while table.count <= worker { table.append(Entry()) }
            table[worker] = Entry(holdings: holdings, round: round)
        }
    }

    /// A worker has ended, and holds nothing in any round to come.
    public func leave(_ worker: Int) { put([], worker: worker, round: .max) }

    /// What the other workers have put down, by worker.
    public func holdings(exceptOf worker: Int) -> [SessionHoldings] {
        byWorker.withLock { table in table.enumerated().flatMap { $0.offset == worker ? [] : $0.element.holdings } }
    }

    /// All workers but this one of `workerCount` have put down what they hold in this round or a later one.
    public func isComplete(_ round: Int, exceptOf worker: Int, workerCount: Int) -> Bool {
        byWorker.withLock { table in
            (0..<workerCount).allSatisfy { number in
                number == worker || number < table.count && (table[number].round ?? -1) >= round
            }
        }
    }
}
