// SimulatedServer: a model of one PostgreSQL server, spoken to in its wire protocol.
//
// It has what a distributed commit and its readers can tell apart: row versions and snapshots, row locks with waits,
// prepared transactions, advisory locks that die with their backend, a log that is written and replicated some time
// after a commit asked for it, crashes that lose what was not, and a standby that may lag behind.
import Primitives
import WireProtocol

final class SimulatedServer {
    unowned let world: World
    let number: Int
    /// Commits wait for the standby.
    let isSynchronous: Bool
    let users: [Int]
    private(set) var isUp = true
    private(set) var incarnation = 0
    var log = WriteAheadLog()
    var storage: Storage
    var backends: [Backend?] = []
    /// Advisory locks of transactions, held and waited for, in the order in which they were asked for.
    var advisoryClaims: [AdvisoryClaim] = []
    private var isLosingTail = false
    /// A promoted standby begins another one.
    private(set) var timeline = 1

    init(world: World, number: Int, users: [Int], isSynchronous: Bool) {
        self.world = world
        self.number = number
        self.users = users
        self.isSynchronous = isSynchronous
        storage = Storage(users: users, balance: Ledger.initialBalance)
    }

    // MARK: Connections

    func accept(_ connection: Connection) {
        let key = CancelKey(processID: Int32(1 + backends.count), secretKey: Int32(truncatingIfNeeded: world.dice.below(1 << 30)))
        let backend = Backend(number: backends.count, connection: connection, key: key, pool: world.pool)
        connection.backend = backend.number
        backends.append(backend)
    }

    func received(_ bytes: UnsafeRawBufferPointer, _ connection: Connection) {
        guard let backend = backends[connection.backend] else { return }
        backend.inbox.append(bytes)
        wake(backend)
    }

    func peerClosed(_ connection: Connection) {
        guard let backend = backends[connection.backend] else { return }
        backend.hasPeerClosed = true
        wake(backend)
    }

    /// Lets a backend that waits for nothing go on.
    func wake(_ backend: Backend) {
        guard backend.wait == nil, !backend.isScheduled else { return }
        goOn(backend)
    }

    /// A backend's event.
    func scheduled(_ number: Int) {
        guard number < backends.count, let backend = backends[number] else { return }
        backend.isScheduled = false
        if backend.wait == nil { goOn(backend) }
    }

    /// Works until the backend has nothing to do, waits, or others get a turn.
    private func goOn(_ backend: Backend) {
        while backend.phase != .gone, backend.wait == nil {
            guard takeStep(backend) else { break }
            if world.dice.chance(world.climate.interleaving), backend.phase != .gone, backend.wait == nil {
                backend.isScheduled = true
                let event = Event.backend(server: number, number: backend.number)
                return world.schedule(event, after: world.dice.span(upTo: .microseconds(500)))
            }
        }
        if backend.phase != .gone, backend.wait == nil, backend.hasPeerClosed { end(backend) }
    }

    /// The process ends: its transaction is undone, its locks go.
    func end(_ backend: Backend) {
        guard backend.phase != .gone else { return }
        flush(backend)
        backend.phase = .gone
        if let transaction = backend.transaction { abort(transaction) }
        backend.transaction = nil
        backend.inbox.free()
        backend.outbox.free()
        backends[backend.number] = nil
        world.close(backend.connection, by: .toNear, isAbrupt: false)
    }

    /// Sends what the backend has said.
    func flush(_ backend: Backend) {
        guard !backend.outbox.isEmpty else { return }
        world.send(backend.outbox.readable, on: backend.connection, .toNear)
        backend.outbox.consume(backend.outbox.count)
    }

    // MARK: Crash and return

    /// The server stops at once; what was not flushed is lost.
    /// - Parameter losesTail: it comes back as its standby, which lacks the last of what was flushed.
    func crash(losesTail: Bool) {
        guard isUp else { return }
        isUp = false
        incarnation += 1
        isLosingTail = losesTail
        if losesTail { timeline += 1 }
        for case let backend? in backends {
            world.cut(backend.connection, reason: "connection reset by peer")
            backend.connection.isReceiverClosed[Direction.toFar.rawValue] = true
            backend.phase = .gone
            backend.inbox.free()
            backend.outbox.free()
        }
        for index in backends.indices { backends[index] = nil }
        advisoryClaims = []
        log.truncate(to: log.flushedCount)
    }

    func start() {
        guard !isUp else { return }
        isUp = true
        if isLosingTail || isSynchronous && world.dice.chance(50) {
            let first = log.replicatedCount
            if isLosingTail { world.ledger.excuse(Array(log.records[first...]), server: number) }
            log.truncate(to: first)
        }
        isLosingTail = false
        storage = Storage(users: users, balance: Ledger.initialBalance)
        for record in log.records { storage.replay(record) }
        world.schedule(
            .replicate(server: number, incarnation: incarnation, position: log.records.count),
            after: world.dice.span(upTo: world.climate.replicationTime))
        world.ledger.rebuild(server: number, log.records)
        world.trace { "s\(self.number) is back with \(self.log.records.count) records" }
    }
}
