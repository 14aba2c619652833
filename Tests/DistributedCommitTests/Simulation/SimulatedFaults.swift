// What goes wrong, and the recoveries that run meanwhile and afterwards.
import Primitives

@testable import DistributedCommit

extension SimulatedWorld {
    func causeFault() {
        switch climate.chooseFault(random) {
        case .breakLink: if !sessions.isEmpty { breakLink(sessions[below(sessions.count)]) }
        case .crashShard: crashShard(below(shards.count))
        case .killProcess: killProcess(below(processes.count))
        case .interruptWait: interruptWait()
        case .cancel: feed(below(transactions.count), .cancelRequested)
        case .comeBack: for index in shards.indices where !shards[index].isUp { comeBack(index) }
        case nil: return
        }
    }

    /// The network drops a connection: any tail of what is under way in either direction is lost.
    private func breakLink(_ session: SimulatedSession) {
        trace("link to s\(session.shard) breaks: \(session.recipient)")
        if session.isServerAlive { session.requests.removeLast(below(session.requests.count + 1)) }
        session.replies.removeLast(below(session.replies.count + 1))
        if session.isClientAlive { receiveRest(session) }
        session.isClientAlive = false
    }

    private func receiveRest(_ session: SimulatedSession) {
        for reply in session.replies { receive(reply, session) }
        session.replies = []
        if session.isClientAlive { receive(.lost, session) }
    }

    /// The proxy closes its end: what it sent before still arrives, or not.
    func disconnect(_ session: SimulatedSession) {
        session.isClientAlive = false
        session.replies = []
        if chance(1, in: 3) { session.requests.removeLast(below(session.requests.count + 1)) }
    }

    private func crashShard(_ index: Int) {
        guard shards[index].isUp else { return }
        trace("s\(index) crashes")
        shards[index].isUp = false
        for process in processes.indices { processes[process].fences.close(ShardIndex(index)) }
        for session in sessions where session.shard == index && session.isServerAlive {
            endBackend(session)
            session.waitingFor = nil
            session.replies.removeLast(below(session.replies.count + 1))
            session.replies.append(.lost)
        }
        if below(2) == 0 { comeBack(index) }
    }

    /// Restart, or failover to the standby, which has all that was reported replicated and perhaps more.
    func comeBack(_ index: Int) {
        let unreplicated = shards[index].log.count - shards[index].replicatedCount
        let lost = shards[index].isSynchronous && unreplicated > 0 && below(2) == 0 ? 1 + below(unreplicated) : 0
        trace("s\(index) comes back, \(lost) entries lost")
        shards[index].restart(losing: lost)
    }

    private func killProcess(_ index: Int) {
        guard processes[index].isAlive, processes.count(where: \.isAlive) > 1 else { return }
        trace("process \(index) dies")
        processes[index].isAlive = false
        for session in sessions where session.process == index { disconnect(session) }
        for transaction in transactions.indices
        where transactions[transaction].process == index && transactions[transaction].endedAt == nil {
            transactions[transaction].endedAt = step
        }
    }

    /// A cancel or a timeout ends a wait for synchronous replication.
    private func interruptWait() {
        let waiting = sessions.filter { $0.waitingFor != nil }
        guard !waiting.isEmpty else { return }
        endWait(waiting[below(waiting.count)], isReplicated: false)
    }

    // MARK: recovery

    func startSomeRound() {
        let living = processes.indices.filter { processes[$0].isAlive }
        let process = living[below(living.count)]
        let isBusy = processes[process].round.map { $0.phase != .finished } ?? false
        if isBusy, !chance(1, in: 4) { return }
        let closed = shards.indices.first { processes[process].fences.isClosed(ShardIndex($0)) }
        startRound(process, below(2) == 0 ? .routine : .reopening(ShardIndex(closed ?? below(shards.count))))
    }

    func roundFinished(_ process: Int, _ summary: RecoverySummary) {
        lastSummary = summary
        guard case .reopening(let shard)? = processes[process].round?.context.scope else { return }
        let begun = processes[process].roundMoment
        if processes[process].fences.open(shard, after: summary, begun: begun) { checkOpening(shard.int, process) }
    }

    private var isClean: Bool {
        shards.allSatisfy { $0.durable.prepared.isEmpty && $0.durable.rows.isEmpty }
    }

    /// After the faults: as many rounds as it takes, and nothing of ours may be left, not even a row.
    func recoverEverything() {
        lastSummary = nil
        for session in sessions where session.holdsInstanceLock { disconnect(session) }
        guard let process = processes.indices.first(where: { processes[$0].isAlive }) else { return }
        for _ in 0..<8 where lastSummary?.remaining != 0 || !isClean {
            startRound(process, .routine)
            while violation == nil, takeStep() {}
        }
        if violation == nil { checkEnd() }
    }
}
