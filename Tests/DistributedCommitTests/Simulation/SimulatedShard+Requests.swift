// How a shard carries out one command.
import Primitives

@testable import DistributedCommit

extension SimulatedWorld {
    /// Carries out the next command of a session; false when it has to wait for a lock.
    func processRequest(_ session: SimulatedSession) -> Bool {
        guard let request = session.requests.first else { return false }
        if case .decide(let hash, _) = request, shards[session.shard].lockedHashes.contains(hash) { return false }
        session.requests.removeFirst()
        switch request {
        case .work(let work): session.transaction = .init(work: work)
        case .prepare(let gid): prepare(session, gid)
        case .constraints: constraints(session)
        case .decide(let hash, let instance): decide(session, hash, instance)
        case .commit: commit(session)
        case .rollback:
            session.transaction = nil
            session.replies.append(.ended(nil))
        case .commitPrepared(let gid): finish(session, gid, .commitPrepared(gid: gid))
        case .rollbackPrepared(let gid): finish(session, gid, .rollbackPrepared(gid: gid))
        case .fence(let hash, let instance): fence(session, hash, instance)
        case .listRows, .listLocks, .listPrepared: list(session, request)
        case .deleteRow(let hash, let outcome): write(session, .deleteRow(hash, outcome))
        }
        return true
    }

    private func prepare(_ session: SimulatedSession, _ gid: String) {
        defer { session.transaction = nil }
        guard let work = session.transaction?.work, session.transaction?.error == nil else {
            return session.replies.append(.prepare(.rolledBack))
        }
        if session.isCancelled { return session.replies.append(.prepare(.failed(sqlState: "57014"))) }
        if chance(1, in: 25) { return session.replies.append(.prepare(.failed(sqlState: "23503"))) }
        if chance(1, in: 40) { return session.replies.append(.prepare(.rolledBack)) }
        shards[session.shard].visible.apply(.prepare(gid: gid, transaction: work))
        write(
            session, .prepare(gid: gid, transaction: work),
            replies: (.prepare(.prepared), .prepare(.preparedWithoutReplication)))
    }

    private func constraints(_ session: SimulatedSession) {
        if session.isCancelled || chance(1, in: 40) {
            session.transaction?.error = "57014"
            session.replies.append(.constraints(.failed(sqlState: "57014")))
        } else {
            session.replies.append(.constraints(.satisfied))
        }
    }

    private func decide(_ session: SimulatedSession, _ hash: TransactionHash, _ instance: InstanceIdentifier) {
        if session.transaction?.error != nil { return }
        if shards[session.shard].visible.rows[hash] != nil {
            session.transaction?.error = "23505"
        } else {
            session.transaction?.row = (hash, instance)
            shards[session.shard].lockedHashes.insert(hash)
        }
    }

    /// COMMIT: of the decider after `decide`, else of a reader.
    private func commit(_ session: SimulatedSession) {
        guard let transaction = session.transaction else { return }
        session.transaction = nil
        if let error = transaction.error {
            return session.replies.append(.decision(.refused(sqlState: error)))
        }
        guard let row = transaction.row else { return session.replies.append(.ended(nil)) }
        write(
            session, .commit(work: transaction.work, row: row),
            replies: (.decision(.committed), .decision(.committedWithoutReplication)))
    }

    private func finish(_ session: SimulatedSession, _ gid: String, _ entry: LogEntry) {
        let shard = shards[session.shard]
        guard shard.visible.prepared[gid] != nil else {
            return session.replies.append(.finish(.notFound(sameHistory: shard.timeline == 1)))
        }
        if shard.busyGids.contains(gid) { return session.replies.append(.finish(.failed(sqlState: "55000"))) }
        if session.holdsInstanceLock, chance(1, in: 30) {
            return session.replies.append(.finish(.failed(sqlState: "42501")))
        }
        shards[session.shard].busyGids.insert(gid)
        write(session, entry, replies: (.finish(.done), .finish(.doneWithoutReplication)))
    }

    private func fence(_ session: SimulatedSession, _ hash: TransactionHash, _ instance: InstanceIdentifier) {
        if shards[session.shard].lockedHashes.contains(hash) { return session.replies.append(.status(.waiting)) }
        let outcome = shards[session.shard].visible.rows[hash]?.outcome
        let status: DecisionStatus = outcome == .commit ? .commit : .abort
        if flaw == .recoversWithoutFencing { return session.replies.append(.status(status)) }
        if flaw == .believesUnreplicatedRows, outcome != nil { return session.replies.append(.status(status)) }
        if outcome == nil { shards[session.shard].lockedHashes.insert(hash) }
        write(
            session, outcome == nil ? .abortRow(hash, instance) : .marker, replies: (.status(status), .status(.waiting)))
    }

    private func list(_ session: SimulatedSession, _ request: Request) {
        let visible = shards[session.shard].visible
        switch request {
        case .listRows:
            session.rows = visible.rows.map {
                DecisionRecord(hash: $0.key, outcome: $0.value.outcome, instance: $0.value.instance, age: .seconds(1))
            }.sorted { $0.hash < $1.hash }
        case .listLocks:
            let holders = sessions.filter { $0.shard == session.shard && $0.isServerAlive && $0.holdsInstanceLock }
            let keys = flaw == .ignoresLinkLocks ? [] : holders.map { processes[$0.process].instance.lockKey }
            session.replies.append(.decisions(.init(decisions: session.rows, presentInstances: keys)))
        default:
            let transactions = visible.prepared.keys.sorted().map {
                PreparedTransaction(gid: $0, owner: "owner", database: "db", age: chooseAge())
            }
            write(
                session, .marker,
                replies: (
                    .prepared(.init(transactions: transactions, isReplicated: true)),
                    .prepared(.init(transactions: transactions, isReplicated: false))
                ))
        }
    }

    // MARK: the log

    /// Writes an entry, and answers once it is replicated; an entry without an answer does not wait.
    private func write(
        _ session: SimulatedSession, _ entry: LogEntry, replies: (replicated: Reply, interrupted: Reply)? = nil
    ) {
        shards[session.shard].write(entry)
        guard let replies else { return shards[session.shard].visible.apply(entry) }
        session.waitingFor = shards[session.shard].log.count - 1
        session.waitingReplies = replies
        if !shards[session.shard].isSynchronous {
            shards[session.shard].replicatedCount = shards[session.shard].log.count
            endWait(session, isReplicated: true)
        }
    }

    /// The wait for the standby is over, or was cancelled: either way the commit is visible now.
    func endWait(_ session: SimulatedSession, isReplicated: Bool) {
        guard let index = session.waitingFor, let replies = session.waitingReplies else { return }
        session.waitingFor = nil
        session.replies.append(isReplicated ? replies.replicated : replies.interrupted)
        switch shards[session.shard].log[index] {
        case .prepare, .marker, .deleteRow: return
        case .commit(_, let row): if let row { shards[session.shard].lockedHashes.remove(row.hash) }
        case .abortRow(let hash, _): shards[session.shard].lockedHashes.remove(hash)
        case .commitPrepared(let gid), .rollbackPrepared(let gid): shards[session.shard].busyGids.remove(gid)
        }
        shards[session.shard].visible.apply(shards[session.shard].log[index])
    }

    func replicateOne(_ shard: Int) {
        shards[shard].replicatedCount += 1
        for session in sessions where session.shard == shard {
            if let index = session.waitingFor, index < shards[shard].replicatedCount {
                endWait(session, isReplicated: true)
            }
        }
    }

    /// The backend ends: what it had not committed is gone, and its locks with it.
    func endBackend(_ session: SimulatedSession) {
        session.isServerAlive = false
        if let row = session.transaction?.row { shards[session.shard].lockedHashes.remove(row.hash) }
        session.transaction = nil
        session.requests = []
    }
}
