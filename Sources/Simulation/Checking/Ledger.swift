// Ledger: what was asked for, what the clients were told, and what became of it on the servers' disks.
//
// Every operation's amounts are its own, so each change in a log tells whose it is. The rules of atomic commit are checked
// the moment a record reaches a disk, and all promises again at the end.
import Primitives

final class Ledger {
    static let initialBalance = 1_000
    /// See `Workload`.
    static let prime = 1_000_003
    static let partAmount = 1_000
    /// Amounts from here on belong to no operation: what adds them is always rolled back.
    static let vainAmount = 700_000

    static func modulus(userCount: Int) -> Int { userCount * prime }

    /// How far one change of an operation is, on disk.
    enum Part { case none, prepared, committed }

    unowned var world: World!
    private(set) var operations: [Operation] = []
    private var parts: [[Part]] = []
    /// Something of it was lost in a failover that loses what was acknowledged: nothing is promised of it.
    private var isExcused: [Bool] = []
    /// The deciding request was sent at least once.
    private var wasCommitAsked: [Bool] = []
    private var operationOfAmount: [Int: Int] = [:]
    private let userServers: [Int]
    private let modulus: Int
    /// What single users looked like.
    var order: OrderWatch
    private var fracturedReads = 0
    private var reads = 0

    init(userServers: [Int], modulus: Int) {
        self.userServers = userServers
        self.modulus = modulus
        order = OrderWatch(userCount: userServers.count)
    }

    func add(_ operation: Operation) {
        for change in operation.changes { operationOfAmount[change.amount] = operations.count }
        operations.append(operation)
        parts.append(Array(repeating: .none, count: operation.changes.count))
        isExcused.append(false)
        wasCommitAsked.append(false)
    }

    /// Something was lost for good somewhere.
    private var hasLoss: Bool { isExcused.contains(true) }

    /// A part of an acknowledged commit that is only prepared, on a server that the proxy keeps closed.
    private struct Hidden {
        var operation: Int
        var part: Int
        var server: Int
        var proxy: Int
    }

    private var hidden: [Hidden] = []

    /// Operations whose parts were prepared, by the hash in their global transaction identifier.
    private var operationsByHash: [String: Set<Int>] = [:]

    // MARK: Logs

    private func place(_ change: AccountChange) -> (operation: Int, part: Int)? {
        guard let operation = operationOfAmount[change.amount],
            let part = operations[operation].changes.firstIndex(where: { $0.user == change.user && $0.amount == change.amount })
        else { return nil }
        return (operation, part)
    }

    /// A record reached the disk of a server.
    func flushed(_ record: LogRecord, server: Int) {
        switch record {
        case .prepare(let gid, _, let changes, _):
            mark(changes, .prepared)
            noteTransaction(gid, changes)
        case .commit(let changes), .commitPrepared(_, let changes):
            mark(changes, .committed)
            noteVersions(changes)
            checkFirstCommit(changes, server)
        case .rollbackPrepared(_, let changes):
            mark(changes, .none)
            checkRollback(changes, server)
        case .install, .identity: break
        }
    }

    private func mark(_ changes: Changes, _ state: Part) {
        for change in changes.accounts {
            guard let (operation, part) = place(change) else { return world.violate("a change of nobody: \(change)") }
            if parts[operation][part] == .committed { world.violate("operation \(operation) is committed, and then \(state) again") }
            parts[operation][part] = state
        }
    }

    /// What a decision about the transaction decides.
    private func noteTransaction(_ gid: String, _ changes: Changes) {
        let words = gid.split(separator: ":")
        guard words.count == 6 else { return }
        operationsByHash[String(words[4]), default: []].formUnion(changes.accounts.compactMap { place($0)?.operation })
    }

    private func noteVersions(_ changes: Changes) {
        guard world.options.strictReads != .unused else { return }
        for change in changes.accounts {
            if let (operation, _) = place(change) { order.committed(operation, user: change.user, amount: change.amount) }
        }
    }

    /// Some part is committed => every other part is committed or prepared.
    private func checkFirstCommit(_ changes: Changes, _ server: Int) {
        for operation in Set(changes.accounts.compactMap { place($0)?.operation }).sorted() where !isExcused[operation] {
            guard let lacking = parts[operation].firstIndex(of: .none) else { continue }
            let user = operations[operation].changes[lacking].user
            world.violate("operation \(operation) is committed on s\(server) and neither prepared nor committed on s\(userServers[user - 1])")
        }
    }

    /// Some part is rolled back after it was prepared => no part is committed.
    private func checkRollback(_ changes: Changes, _ server: Int) {
        for operation in Set(changes.accounts.compactMap { place($0)?.operation }).sorted() where !isExcused[operation] {
            guard parts[operation].contains(.committed) else { continue }
            world.violate("operation \(operation) is rolled back on s\(server) and committed elsewhere")
        }
    }

    /// A server came back: what it has is what its log says.
    func rebuild(server: Int, _ records: [LogRecord]) {
        for operation in operations.indices {
            for (part, change) in operations[operation].changes.enumerated() where userServers[change.user - 1] == server {
                parts[operation][part] = .none
            }
        }
        order.forget(users: userServers.indices.filter { userServers[$0] == server }.map { $0 + 1 })
        for record in records {
            switch record {
            case .prepare(_, _, let changes, _): mark(changes, .prepared)
            case .commit(let changes), .commitPrepared(_, let changes):
                mark(changes, .committed)
                noteVersions(changes)
            case .rollbackPrepared(_, let changes): mark(changes, .none)
            case .install, .identity: break
            }
        }
    }

    /// A failover lost these records although they had been acknowledged.
    func excuse(_ records: [LogRecord], server: Int) {
        for record in records {
            switch record {
            case .prepare(_, _, let changes, _), .commit(let changes), .commitPrepared(_, let changes), .rollbackPrepared(_, let changes):
                for change in changes.accounts { if let (operation, _) = place(change) { isExcused[operation] = true } }
                // A decision may be all that its shard wrote.
                for decision in changes.insertedDecisions { for operation in operationsByHash[decision.hash] ?? [] { isExcused[operation] = true } }
            case .install, .identity: break
            }
        }
    }

    // MARK: Clients

    /// A client sends the request that decides its operation.
    func commitWasAsked(_ operation: Int) {
        wasCommitAsked[operation] = true
        order.commitAsked(operation, at: world.now)
    }

    func isCommitAsked(_ operation: Int) -> Bool { wasCommitAsked[operation] }

    /// A client knows how its operation ended.
    func ended(_ operation: Int, _ outcome: Outcome, proxy: Int) {
        operations[operation].outcome = outcome
        if outcome == .committed { order.commitAnswered(operation, at: world.now) }
        guard outcome == .committed, !isExcused[operation] else { return }
        for (part, change) in operations[operation].changes.enumerated() where parts[operation][part] != .committed {
            let server = userServers[change.user - 1]
            if parts[operation][part] == .prepared, world.proxies[proxy].isClosed(server) {
                hidden.append(Hidden(operation: operation, part: part, server: server, proxy: proxy))
            } else {
                world.violate("operation \(operation) was answered with COMMIT, but is not committed on s\(server), which is open")
            }
        }
    }

    /// What was answered with COMMIT stays out of sight until it is committed everywhere.
    func checkAcknowledged() {
        if hidden.isEmpty { return }
        hidden.removeAll { isExcused[$0.operation] || parts[$0.operation][$0.part] == .committed }
        guard let shown = hidden.first(where: { !world.proxies[$0.proxy].isClosed($0.server) }) else { return }
        world.violate("operation \(shown.operation) was answered with COMMIT, and s\(shown.server) was opened before it was committed there")
    }

    /// A reader saw this sum of all balances.
    func saw(sum: Int, client: Int) {
        reads += 1
        let expected = Self.initialBalance * userServers.count
        guard !hasLoss, world.processes.count == 1, (sum - expected) % modulus != 0 else { return }
        fracturedReads += 1
        world.trace { "client \(client) sees the sum \(sum), off by \((sum - expected) % self.modulus)" }
        if world.options.checksReads { world.violate("client \(client) saw half of a transaction: the sum is \(sum)") }
    }

    // MARK: The end

    func checkEnd() {
        for (index, operation) in operations.enumerated() where !isExcused[index] && !operation.changes.isEmpty {
            let committed = parts[index].count { $0 == .committed }
            if parts[index].contains(.prepared) { world.violate("operation \(index) is still prepared") }
            if committed > 0, committed < parts[index].count { world.violate("half of operation \(index) is committed") }
            switch operation.outcome {
            case .committed where committed == 0: world.violate("operation \(index) was answered with COMMIT and is lost")
            case .aborted where committed > 0: world.violate("operation \(index) was answered with an error and is committed")
            case .open: world.violate("operation \(index) has no outcome")
            default: break
            }
        }
        checkBalances()
        checkOrder()
    }

    private func checkOrder() {
        guard world.options.strictReads != .unused, !hasLoss, world.processes.count == 1 else { return }
        let excused = operations.indices.filter { operations[$0].isSingleStatement && operations[$0].outcome != .committed }
        if let contradiction = order.contradiction(excused: Set(excused)) { world.violate("no order explains this: \(contradiction)") }
    }

    private func checkBalances() {
        guard !hasLoss else { return }
        let sum = world.servers.reduce(0) { $1.storage.accounts.reduce($0) { $0 + $1.latest.balance } }
        guard (sum - Self.initialBalance * userServers.count) % modulus != 0 else { return }
        world.violate("the sum of all balances is \(sum)")
    }

    func fill(_ report: inout RunReport) {
        for operation in operations where operation.kind != .read && operation.kind != .abandoned {
            switch operation.outcome {
            case .committed: report.committed += 1
            case .aborted: report.aborted += 1
            case .unknown: report.unknown += 1
            case .open: break
            }
        }
        report.crossShard = operations.indices.count { operations[$0].isCrossShard && wasCommitAsked[$0] }
        report.reads = reads
        report.fracturedReads = fracturedReads
    }
}
