// WaitGraph: who waits for whom over all shards, and whether some of them wait for ever.
//
// Waits are of two kinds. A lock wait ends when all who block it have let go; a wait for a link of a full pool ends when
// any one holder gives its link back. So a cycle alone is not yet a deadlock. The graph is reduced instead: whoever waits
// for nothing can go on, whoever waits only for such can go on, and so forth; those who remain can never go on (the
// AND-OR model of Chandy, Misra and Haas, "Distributed Deadlock Detection", ACM TOCS 1983, solved centrally).
//
// One picture may be put together from moments that never were one. `DeadlockConfirmation` therefore asks for the same
// waits, begun at the same moments, in two pictures taken one after the other.

/// Something that waits or is waited for.
public enum Waiter: Hashable, Sendable, Comparable {
    /// A client session: worker, record, and the record's generation.
    case session(worker: Int, index: Int32, generation: UInt32)
    /// A server process that belongs to none of the sessions known.
    case backend(shard: Int, process: Int32)
}

/// One wait of one waiter.
public struct Wait: Sendable, Equatable {
    public enum Kind: Sendable, Equatable {
        /// A lock on a shard: all of `for` must let go.
        case lock(shard: Int)
        /// A link of a full pool: one of `for` must give one back.
        case link(shard: Int)
    }

    public var waiter: Waiter
    public var kind: Kind
    public var blockers: [Waiter]
    /// Names the wait: the server process and the moment it began. Another wait of the same waiter has another mark.
    public var mark: String

    public init(waiter: Waiter, kind: Kind, blockers: [Waiter], mark: String) {
        self.waiter = waiter
        self.kind = kind
        self.blockers = blockers
        self.mark = mark
    }
}

/// All waits of one picture.
public struct WaitGraph: Sendable {
    private var waits: [Waiter: [Wait]] = [:]

    public init(_ waits: [Wait]) {
        for wait in waits { self.waits[wait.waiter, default: []].append(wait) }
    }

    /// The waiters that can never go on. O(waits x blockers) for each round of the reduction, at most one a waiter.
    public var stuck: Set<Waiter> {
        var stuck = Set(waits.keys)
        var isShrinking = true
        while isShrinking {
            isShrinking = false
            for waiter in stuck where (waits[waiter] ?? []).allSatisfy({ canEnd($0, stuck) }) {
                stuck.remove(waiter)
                isShrinking = true
            }
        }
        return stuck
    }

    private func canEnd(_ wait: Wait, _ stuck: Set<Waiter>) -> Bool {
        switch wait.kind {
        case .lock: wait.blockers.allSatisfy { !stuck.contains($0) }
        case .link: wait.blockers.isEmpty || wait.blockers.contains { !stuck.contains($0) }
        }
    }

    /// A cycle of waits among those that can never go on, in the order of waiting; nil when everybody can go on.
    ///
    /// Whoever is only behind the cycle is not in it: it goes on by itself once the cycle is broken.
    public var cycle: [Wait]? {
        let stuck = stuck
        guard var waiter = stuck.min() else { return nil }
        var path: [Wait] = []
        var places: [Waiter: Int] = [:]
        while places[waiter] == nil {
            places[waiter] = path.count
            guard let wait = (waits[waiter] ?? []).first(where: { !canEnd($0, stuck) }),
                let next = wait.blockers.filter({ stuck.contains($0) }).min()
            else { return nil }
            path.append(wait)
            waiter = next
        }
        return Array(path[(places[waiter] ?? 0)...])
    }
}

/// Believes a cycle when it is seen a second time, unchanged.
public struct DeadlockConfirmation: Sendable {
    private var candidate: Set<String> = []

    public init() {}

    /// A cycle was seen before, and another look may confirm it.
    public var awaitsSecondLook: Bool { !candidate.isEmpty }

    /// The cycle of a picture, if it was in the picture before too.
    public mutating func confirmed(_ graph: WaitGraph) -> [Wait]? {
        guard let cycle = graph.cycle else {
            candidate = []
            return nil
        }
        let seen = Set(cycle.map { "\($0.waiter) \($0.mark)" })
        defer { candidate = seen }
        return seen == candidate ? cycle : nil
    }
}
