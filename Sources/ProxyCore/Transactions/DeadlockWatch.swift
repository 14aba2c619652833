// DeadlockWatch: finds deadlocks that no single shard can see, and ends them as PostgreSQL ends its own.
//
// Several times a second the sessions in transactions are looked over. When one has been busy with the same statement for
// `deadlock_timeout`, every shard is asked which of its server processes wait for which (pg_blocking_pids), those processes
// are mapped to sessions, and with the waits for links of full pools that is the wait graph. A cycle seen twice, with the
// same waits, is a deadlock: the youngest transaction in it fails with 40P01. Whose a process is must be known from between
// the two looks: of this worker's sessions it is noted when the second look begins, the others' are asked for after the first.
//
// The windows of the snapshot gate are no part of the graph: each of them ends by its own limit, whoever waits.
import DistributedCommit
import Primitives
import WireProtocol

final class DeadlockWatch {
    /// How often sessions are looked over.
    static let scanInterval = Span.milliseconds(250)
    /// From a suspicion to the second look.
    static let secondLookDelay = Span.milliseconds(100)
    /// How long a shard may take to say who waits; without it the look is worth nothing.
    static let patience = Span.seconds(2)

    private unowned let worker: Worker
    /// Busy sessions at the last scan, and since when each has been with its statement.
    private var busySince: [Int32: (finished: Instant, since: Instant)] = [:]
    private var confirmation = DeadlockConfirmation()
    private var answersDue = 0
    private var isBlind = false
    private var waits: [Wait] = []
    private var holdings: [SessionHoldings] = []
    /// The round of the shared table that the second look needs.
    private var round = 0

    init(worker: Worker) { self.worker = worker }

    /// The timer of the scan.
    func scan() {
        worker.timers.add(.deadlockScan, at: worker.now + Self.scanInterval)
        tellOthers()
        let limit = worker.settings.deadlockTimeout
        guard limit > .zero else { return }
        var busy: [Int32: (finished: Instant, since: Instant)] = [:]
        var isSuspicious = false
        for index in 0..<worker.sessions.highWater {
            let session = worker.sessions.at(index)
            guard session.pointee.activity != .idle, session.pointee.detail?.transaction != nil else { continue }
            // The same statement as before when none has finished in between.
            let before = busySince[index].flatMap { $0.finished == session.pointee.lastActive ? $0.since : nil }
            busy[index] = (session.pointee.lastActive, before ?? worker.now)
            if worker.now - (before ?? worker.now) >= limit { isSuspicious = true }
        }
        busySince = busy
        if isSuspicious, answersDue == 0, !confirmation.awaitsSecondLook { look() }
    }

    /// Puts down what this worker's sessions hold; also while it looks for no deadlocks itself, since others may wait for it.
    private func tellOthers() {
        guard worker.settings.workerCount > 1, !worker.hasFinished else { return }
        let round = worker.sessionTable.round
        worker.sessionTable.put(worker.sessionHoldings(), worker: worker.number, round: round)
    }

    /// The timer of the second look, which waits for what the other workers hold now.
    func lookAgain() {
        guard worker.settings.deadlockTimeout > .zero else {
            confirmation = DeadlockConfirmation()
            return
        }
        let table = worker.sessionTable
        guard table.isComplete(round, exceptOf: worker.number, workerCount: worker.settings.workerCount) else {
            worker.timers.add(.deadlockLook, at: worker.now + Self.secondLookDelay)
            return
        }
        look()
    }

    /// Asks all shards who waits for whom.
    private func look() {
        guard answersDue == 0 else { return }
        holdings = worker.sessionHoldings() + worker.sessionTable.holdings(exceptOf: worker.number)
        waits = []
        isBlind = false
        worker.statistics.deadlockLooks &+= 1
        let shards = worker.cluster.shards.indices.filter { worker.cluster.shards[$0].isUp }
        answersDue = shards.count
        for shard in shards {
            worker.runAdmin(ShardIndex(shard), InternalSchema.lockWaits, limit: Self.patience) { [weak self] answer in
                self?.answered(shard, answer)
            }
        }
    }

    private func answered(_ shard: Int, _ answer: AdminAnswer) {
        answersDue -= 1
        if answer.isSuccess, let rows = answer.results.first { rawRows.append((shard, rows)) } else { isBlind = true }
        guard answersDue == 0 else { return }
        defer { rawRows = [] }
        waits = lockWaits() + holdings.compactMap(\.linkWait)
        guard !isBlind else {
            confirmation = DeadlockConfirmation()
            return
        }
        if let cycle = confirmation.confirmed(WaitGraph(waits)) { return end(cycle) }
        guard confirmation.awaitsSecondLook else { return }
        round = worker.sessionTable.newRound()
        worker.timers.add(.deadlockLook, at: worker.now + Self.secondLookDelay)
    }

    /// What the shards of the present look have said: (process, moment the wait began, blocking processes).
    private var rawRows: [(shard: Int, rows: [[String?]])] = []

    private func lockWaits() -> [Wait] {
        var owners: [ProcessKey: Waiter] = [:]
        var committing: [TransactionHash: Waiter] = [:]
        for entry in holdings {
            for place in entry.processes { owners[ProcessKey(shard: place.shard, process: place.process)] = entry.waiter }
            if let hash = entry.committing { committing[hash] = entry.waiter }
        }
        func waiter(_ shard: Int, _ process: Int32) -> Waiter {
            owners[ProcessKey(shard: shard, process: process)] ?? .backend(shard: shard, process: process)
        }
        return rawRows.flatMap { shard, rows in
            rows.compactMap { row -> Wait? in
                guard row.count == 4, let process = row[0].flatMap({ Int32($0) }), let since = row[1] else { return nil }
                // Process 0 is a prepared transaction: the session that commits it may wait itself. What nobody commits recovery ends.
                let prepared = row[3].flatMap { GlobalTransactionIdentifier(parsing: $0) }.flatMap { committing[$0.hash] }
                let blockers = (row[2] ?? "").split(separator: ",").compactMap { Int32($0) }
                return Wait(
                    waiter: waiter(shard, process), kind: .lock(shard: shard),
                    blockers: blockers.compactMap { $0 == 0 ? prepared : waiter(shard, $0) }, mark: "\(shard)/\(process)/\(since)")
            }
        }
    }

    private struct ProcessKey: Hashable {
        var shard: Int
        var process: Int32
    }

    // MARK: The victim

    private func end(_ cycle: [Wait]) {
        confirmation = DeadlockConfirmation()
        let participants = cycle.compactMap { wait in holdings.first { $0.waiter == wait.waiter } }
        // Somebody in a circle over several shards is in a transaction; who is not cannot be ended by `endDeadlock`.
        let ages = participants.compactMap { one in one.startedAt.map { (one, $0) } }
        guard let victim = ages.max(by: { ($0.1, $0.0.waiter) < ($1.1, $1.0.waiter) })?.0 else { return }
        worker.statistics.deadlocks &+= 1
        let detail = cycle.enumerated().map { describe($1, by: cycle[($0 + 1) % cycle.count].waiter) }.joined(separator: "\n")
        worker.logger.notice("deadlock over several shards", metadata: ["victim": "\(victim.name)", "waits": "\(detail)"])
        guard case .session(let owner, _, _) = victim.waiter else { return }
        if owner == worker.number {
            worker.endDeadlock(victim.waiter, lastActive: victim.lastActive, detail: detail)
        } else {
            worker.effects.append(.tellWorkers(.deadlockVictim(victim.waiter, lastActive: victim.lastActive, detail: detail)))
        }
    }

    private func describe(_ wait: Wait, by blocker: Waiter) -> String {
        switch wait.kind {
        case .lock(let shard): "\(name(wait.waiter)) waits for a lock on shard \(shard); blocked by \(name(blocker).lowercasedFirst)."
        case .link(let shard): "\(name(wait.waiter)) waits for a link to shard \(shard); held by \(name(blocker).lowercasedFirst)."
        }
    }

    private func name(_ waiter: Waiter) -> String {
        switch waiter {
        case .session: holdings.first { $0.waiter == waiter }?.name ?? "A session that has ended"
        case .backend(let shard, let process): "Process \(process) of shard \(shard)"
        }
    }
}

extension String {
    fileprivate var lowercasedFirst: String { prefix(1).lowercased() + dropFirst() }
}

extension Worker {
    /// What this worker's sessions hold on the shards, and which of them wait for a link.
    func sessionHoldings() -> [SessionHoldings] {
        var places: [Int32: Int] = [:]
        var holdings: [SessionHoldings] = []
        for index in 0..<links.highWater {
            let link = links.at(index)
            guard link.pointee.isOpen, link.pointee.session >= 0, let entry = place(of: link.pointee.session, &places, &holdings) else { continue }
            holdings[entry].processes.append((link.pointee.shard.int, link.pointee.cancelKey.processID))
        }
        for index in 0..<sessions.highWater {
            let session = sessions.at(index)
            guard session.pointee.activity == .waiting, session.pointee.waitingShard >= 0, session.pointee.detail != nil,
                let entry = place(of: index, &places, &holdings)
            else { continue }
            holdings[entry].linkWait = linkWait(index, waiter: holdings[entry].waiter)
        }
        return holdings
    }

    private func place(of index: Int32, _ places: inout [Int32: Int], _ holdings: inout [SessionHoldings]) -> Int? {
        if let known = places[index] { return known }
        let session = sessions.at(index)
        guard let detail = session.pointee.detail else { return nil }
        places[index] = holdings.count
        holdings.append(
            SessionHoldings(
                waiter: waiter(index), startedAt: detail.transaction?.startedAt, lastActive: session.pointee.lastActive,
                name: "Session \(cancelKey(of: index).processID)", processes: [], committing: (detail.execution as? CommitExecution)?.hash))
        return holdings.count - 1
    }

    private func waiter(_ index: Int32) -> Waiter {
        .session(worker: number, index: index, generation: sessions.at(index).pointee.generation)
    }

    /// A wait for a link of a pool that cannot grow; nil while one is being opened or is nobody's.
    private func linkWait(_ index: Int32, waiter: Waiter) -> Wait? {
        let session = sessions.at(index)
        let (pool, shard) = (session.pointee.pool, Int(session.pointee.waitingShard))
        let shardPool = pools[Int(pool)].shards + shard
        guard shardPool.pointee.connectingCount == 0, Int(shardPool.pointee.linkCount) >= settings.poolSize else { return nil }
        var holders: [Waiter] = []
        for index in 0..<links.highWater {
            let link = links.at(index)
            guard link.pointee.isOpen, link.pointee.pool == pool, link.pointee.shard.int == shard else { continue }
            guard link.pointee.session >= 0 else { return nil }
            holders.append(self.waiter(link.pointee.session))
        }
        return Wait(waiter: waiter, kind: .link(shard: shard), blockers: holders, mark: "\(session.pointee.waitingSince.nanoseconds)")
    }

    /// Ends the statement of a deadlock's victim: its client gets 40P01. Another worker may have ended it already, and what the session
    /// does now, perhaps its ROLLBACK, is not to be hit.
    func endDeadlock(_ victim: Waiter, lastActive: Instant, detail text: String) {
        guard case .session(let owner, let index, let generation) = victim, owner == number else { return }
        let session = sessions.at(index)
        guard session.pointee.generation == generation, session.pointee.activity != .idle, session.pointee.lastActive == lastActive,
            let detail = session.pointee.detail, detail.transaction != nil
        else { return }
        let message = DatabaseMessage(
            error: .deadlockDetected, "deadlock detected", detail: text, hint: "See the proxy's log. Run the transaction again.")
        if session.pointee.activity == .waiting, session.pointee.waitingShard >= 0 { return failWait(index, message) }
        detail.deadlock = message
        cancelWork(of: index)
    }

    /// The error of the session's statement as its client is to hear it: what was cancelled to end a deadlock says so.
    func told(_ message: DatabaseMessage, _ index: Int32) -> DatabaseMessage {
        guard message.sqlState == .queryCanceled, let detail = sessions.at(index).pointee.detail, let deadlock = detail.deadlock else { return message }
        return deadlock
    }
}
