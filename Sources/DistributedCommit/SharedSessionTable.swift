// SharedSessionTable: which server processes belong to which session, and how many clients there are, over all workers of a proxy.
//
// A worker knows its own sessions only, and a lock of another worker's session would look like that of a stranger. With
// several workers each puts down what its sessions in transactions hold, several times a second, and reads what the
// others have put down. What is outdated by then does no harm: a deadlock does not go away, and it is looked at twice.
import Primitives
import Synchronization

/// What one session holds, as far as waits between sessions are concerned.
public struct SessionHoldings: Sendable {
    public var waiter: Waiter
    /// When its transaction began; the youngest of a deadlock is the one that is ended. Nil: it is in none, as a text of several
    /// statements for one shard is, which holds locks all the same.
    public var startedAt: Instant?
    /// For messages: how the session is known to its client.
    public var name: String
    /// Its server processes.
    public var processes: [(shard: Int, process: Int32)]
    /// It waits for a link of a full pool.
    public var linkWait: Wait?

    public init(
        waiter: Waiter, startedAt: Instant?, name: String, processes: [(shard: Int, process: Int32)], linkWait: Wait? = nil
    ) {
        self.waiter = waiter
        self.startedAt = startedAt
        self.name = name
        self.processes = processes
        self.linkWait = linkWait
    }
}

/// Shared by all workers of a proxy; any thread may call.
public final class SharedSessionTable: Sendable {
    private let byWorker = Mutex<[[SessionHoldings]]>([])

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

    public func put(_ holdings: [SessionHoldings], worker: Int) {
        byWorker.withLock { table in
            while table.count <= worker { table.append([]) }
            table[worker] = holdings
        }
    }

    /// What the other workers have put down, by worker.
    public func holdings(exceptOf worker: Int) -> [SessionHoldings] {
        byWorker.withLock { table in table.enumerated().flatMap { $0.offset == worker ? [] : $0.element } }
    }
}
