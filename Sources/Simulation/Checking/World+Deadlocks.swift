// Deadlocks: transactions that wait for each other, over all servers, must end within a bounded time. Looked for in worlds where
// nothing fails: then nothing can keep a proxy from seeing who waits.
//
// A wait can be part of one circle after the other: whoever gets the row next waits for the same old transaction, and is
// ended. So the clock is that of a wait for the same transactions, and of those in a circle only, not of those behind one.
import Primitives

/// Since when waits have been without end.
struct DeadlockClock {
    var stuckSince: [Waiting: Instant] = [:]

    /// One wait of one server process for the same transactions.
    struct Waiting: Hashable {
        var server: Int
        var process: Int32
        var wait: Int
        var blockers: [Int]
    }
}

extension World {
    static let deadlockWatchInterval = Span.milliseconds(500)
    /// The proxy looks after a second; several circles are ended one after the other.
    private static let deadlockLimit = Span.seconds(6)

    func watchDeadlocks() {
        var stuckSince: [DeadlockClock.Waiting: Instant] = [:]
        for waiting in waitsWithoutEnd() {
            let since = deadlockClock.stuckSince[waiting] ?? now
            stuckSince[waiting] = since
            guard now - since > Self.deadlockLimit else { continue }
            violate("a deadlock over several shards was not ended in \(Self.deadlockLimit.seconds) s: process \(waiting.process) of s\(waiting.server)")
        }
        deadlockClock.stuckSince = stuckSince
        schedule(.watchDeadlocks, after: Self.deadlockWatchInterval)
    }

    /// The waits in circles of those who can never go on: each of their waits is for somebody who cannot either.
    private func waitsWithoutEnd() -> [DeadlockClock.Waiting] {
        let sessions = proxies.flatMap { $0.worker?.sessionProcesses ?? [] }
        func group(_ server: Int, _ process: Int32) -> Int {
            sessions.firstIndex { $0.contains { $0.shard == server && $0.process == process } } ?? -1 - Int(process) - server << 32
        }
        var waits: [(waiter: Int, blockers: [Int], waiting: DeadlockClock.Waiting)] = []
        for server in servers {
            for case let backend? in server.backends {
                guard case .transactions(let holders)? = backend.wait else { continue }
                let blockers = holders.compactMap { server.backend(of: $0) }.map { group(server.number, $0.key.processID) }
                let process = backend.key.processID
                let waiting = DeadlockClock.Waiting(server: server.number, process: process, wait: backend.waitCount, blockers: blockers.sorted())
                waits.append((group(server.number, process), blockers, waiting))
            }
        }
        var stuck = Set(waits.map(\.waiter))
        var count = -1
        while count != stuck.count {
            count = stuck.count
            stuck = stuck.filter { waiter in
                waits.contains { $0.waiter == waiter && $0.blockers.contains { stuck.contains($0) } }
                    && waits.contains { stuck.contains($0.waiter) && $0.blockers.contains(waiter) }
            }
        }
        return waits.filter { stuck.contains($0.waiter) }.map(\.waiting)
    }
}
