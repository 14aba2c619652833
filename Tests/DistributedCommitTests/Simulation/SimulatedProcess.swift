// SimulatedProcess: a proxy process around the two machines: it carries out their actions and brings the answers.
// The flaws of the canaries are put in here, between the machines and the world.
import Primitives

@testable import DistributedCommit

/// One proxy process.
struct SimulatedProcess {
    let instance: InstanceIdentifier
    var isAlive = true
    var round: RecoveryRound?
    var roundNumber = 0
    var roundStartedAt = 0
    var roundMoment: UInt64 = 0
    var fences: ShardFences
    /// For the flaw `usesOldListings`.
    var oldListings: [Int: PreparedListing] = [:]

    /// A process that has been running for a while: all shards are open.
    init(instance: InstanceIdentifier, shardCount: Int) {
        self.instance = instance
        fences = ShardFences(shardCount: shardCount)
        for shard in 0..<shardCount {
            var clean = RecoverySummary()
            clean.mayOpen = true
            let begun = fences.roundBegins()
            _ = fences.open(ShardIndex(shard), after: clean, begun: begun)
        }
    }
}

/// One distributed transaction and what its client was told.
struct SimulatedTransaction {
    enum Answer { case committed([CommitWarning]), failed(CommitFailure), unknown }

    let process: Int
    let hash: TransactionHash
    let kinds: [CommitParticipant]
    /// The shard of each participant.
    let shards: [Int]
    let gids: [String]
    var coordinator: CommitCoordinator
    var links: [SimulatedSession] = []
    var answer: Answer?
    /// The step in which its coordinator finished or died.
    var endedAt: Int?

    var decider: Int { coordinator.decider ?? 0 }
    var writers: [Int] { kinds.indices.filter { kinds[$0] != .read } }
}

extension SimulatedWorld {
    // MARK: commits

    func feed(_ index: Int, _ input: CommitInput) {
        guard processes[transactions[index].process].isAlive else { return }
        var actions: [CommitAction] = []
        for changed in perturb(index, input) { transactions[index].coordinator.handle(changed, into: &actions) }
        for action in actions { perform(index, action) }
        if transactions[index].coordinator.isFinished, transactions[index].endedAt == nil {
            transactions[index].endedAt = step
        }
    }

    private func perform(_ index: Int, _ action: CommitAction) {
        trace("T\(index) \(action)")
        let transaction = transactions[index]
        switch action {
        case .prepare(let p): send(index, p, .prepare(gid: transaction.gids[p]))
        case .checkConstraints(let p): send(index, p, .constraints)
        case .enterCommitWindow: delayed.append((index, .commitWindowEntered))
        case .decideAndCommit(let p):
            send(index, p, .decide(transaction.hash, processes[transaction.process].instance))
            send(index, p, .commit)
        case .resolveDecision:
            open(
                transaction.shards[transaction.decider], transaction.process, .resolve(transaction: index),
                .fence(transaction.hash, processes[transaction.process].instance))
        case .commitPrepared(let p):
            if flaw == .forgetsParticipant, p == transaction.writers.last {
                return delayed.append((index, .finishAnswered(p, .done)))
            }
            send(index, p, .commitPrepared(gid: transaction.gids[p]))
        case .rollbackPrepared(let p): send(index, p, .rollbackPrepared(gid: transaction.gids[p]))
        case .retryCommitPrepared(let p, after: _): retry(index, p, .commitPrepared(gid: transaction.gids[p]))
        case .retryRollbackPrepared(let p, after: _): retry(index, p, .rollbackPrepared(gid: transaction.gids[p]))
        case .rollback(let p): send(index, p, .rollback)
        case .commitReader(let p): send(index, p, .commit)
        case .cancel(let p): transaction.links[p].isCancelled = true
        case .closeLink(let p): disconnect(transaction.links[p])
        case .resynchronizeSettings, .leaveCommitWindow: break
        case .fence(let p): processes[transaction.process].fences.close(ShardIndex(transaction.shards[p]))
        case .deleteDecision(let outcome): deleteRow(index, outcome)
        case .setTimer(let timer, after: _): timers.append((index, timer))
        case .answerCommitted(let warnings): answer(index, .committed(warnings))
        case .answerFailed(let failure): answer(index, .failed(failure))
        case .answerUnknown: answer(index, .unknown)
        }
    }

    private func answer(_ index: Int, _ answer: SimulatedTransaction.Answer) {
        if transactions[index].answer != nil { violate("T\(index) was answered twice") }
        transactions[index].answer = answer
        checkAnswer(index)
        if case .committed = answer, flaw == .alwaysDeletesTheRow { deleteRow(index, .commit) }
    }

    private func deleteRow(_ index: Int, _ outcome: Decision) {
        let transaction = transactions[index]
        open(
            transaction.shards[transaction.decider], transaction.process, .nobody,
            .deleteRow(transaction.hash, outcome))
    }

    private func send(_ index: Int, _ participant: Int, _ request: Request) {
        let link = transactions[index].links[participant]
        if link.isClientAlive, link.isServerAlive { link.requests.append(request) }
    }

    private func retry(_ index: Int, _ participant: Int, _ request: Request) {
        let transaction = transactions[index]
        open(
            transaction.shards[participant], transaction.process,
            .retry(transaction: index, participant: participant), request)
    }

    // MARK: answers

    func receive(_ reply: Reply, _ session: SimulatedSession) {
        guard processes[session.process].isAlive else { return }
        switch session.recipient {
        case .link(let index, let participant): receive(reply, index, participant)
        case .retry(let index, let participant):
            if case .finish(let answer) = reply {
                feed(index, .finishAnswered(participant, answer))
            } else {
                feed(index, .finishAnswered(participant, .unreachable))
            }
        case .resolve(let index):
            if case .status(let status) = reply {
                feed(index, .decisionResolved(status))
            } else {
                feed(index, .decisionResolved(.unreachable))
            }
        case .round(let number, let action):
            if number == processes[session.process].roundNumber { receive(reply, session.process, session.shard, action) }
        case .nobody: break
        }
        if case .link = session.recipient { return }
        session.isClientAlive = false
    }

    private func receive(_ reply: Reply, _ index: Int, _ participant: Int) {
        trace("T\(index) <- \(participant): \(reply)")
        switch reply {
        case .prepare(let answer): feed(index, .prepareAnswered(participant, answer))
        case .constraints(let answer): feed(index, .constraintsChecked(answer))
        case .decision(let answer): feed(index, .decisionAnswered(answer))
        case .ended(let sqlState): feed(index, .transactionEnded(participant, sqlState: sqlState))
        case .finish(let answer): feed(index, .finishAnswered(participant, answer))
        case .lost: feed(index, .linkLost(participant))
        case .status, .decisions, .prepared: violate("a link answered \(reply)")
        }
    }

    // MARK: recovery

    func startRound(_ process: Int, _ scope: RecoveryScope) {
        processes[process].roundNumber += 1
        processes[process].roundStartedAt = step
        processes[process].roundMoment = processes[process].fences.roundBegins()
        let inFlight = transactions.filter { $0.process == process && $0.endedAt == nil }.map(\.hash)
        processes[process].round = RecoveryRound(
            context: RecoveryContext(
                cluster: cluster, instance: processes[process].instance, shards: shards.map(\.identifier),
                databases: shards.map { _ in "db" }, scope: scope, ownInFlight: Set(inFlight), decisionRetention: .zero))
        trace("R\(process) starts \(scope)")
        feedRound(process, .start)
    }

    private func receive(_ reply: Reply, _ process: Int, _ shard: Int, _ action: RecoveryAction) {
        let index = ShardIndex(shard)
        switch (action, reply) {
        case (_, .decisions(let listing)): feedRound(process, .decisionsListed(index, listing))
        case (_, .prepared(let listing)):
            processes[process].oldListings[shard] = listing
            feedRound(process, .preparedListed(index, listing))
        case (.fenceAndRead(_, let hash, _), .status(let status)):
            feedRound(process, .decisionRead(decider: index, hash, status))
        case (.fenceAndRead(_, let hash, _), _):
            feedRound(process, .decisionRead(decider: index, hash, .unreachable))
        case (.commitPrepared(_, let gid, _), .finish(let answer)):
            feedRound(process, .finishAnswered(index, gid: gid, answer))
        case (.rollbackPrepared(_, let gid, _), .finish(let answer)):
            feedRound(process, .finishAnswered(index, gid: gid, answer))
            if flaw == .deletesAbortRowsEarly { deleteAbortRow(process, gid) }
        case (.commitPrepared(_, let gid, _), _), (.rollbackPrepared(_, let gid, _), _):
            feedRound(process, .finishAnswered(index, gid: gid, .unreachable))
        default: feedRound(process, .listingFailed(index))
        }
    }

    private func deleteAbortRow(_ process: Int, _ gid: String) {
        guard let parts = GlobalTransactionIdentifier(parsing: gid),
            let decider = shards.firstIndex(where: { $0.identifier == parts.decider })
        else { return violate("a gid does not parse") }
        open(decider, process, .nobody, .deleteRow(parts.hash, .abort))
    }

    private func feedRound(_ process: Int, _ input: RecoveryInput) {
        var actions: [RecoveryAction] = []
        processes[process].round?.handle(input, into: &actions)
        for action in actions { perform(process, action) }
    }

    private func perform(_ process: Int, _ action: RecoveryAction) {
        trace("R\(process) \(action)")
        let recipient = Recipient.round(number: processes[process].roundNumber, action)
        switch action {
        case .listDecisions(let shard): open(shard.int, process, recipient, .listRows, .listLocks)
        case .listPrepared(let shard):
            if flaw == .usesOldListings, let listing = processes[process].oldListings.removeValue(forKey: shard.int) {
                return feedRound(process, .preparedListed(shard, listing))
            }
            open(shard.int, process, recipient, .listPrepared)
        case .fenceAndRead(let decider, let hash, let instance):
            open(decider.int, process, recipient, .fence(hash, instance))
        case .commitPrepared(let shard, let gid, _): open(shard.int, process, recipient, .commitPrepared(gid: gid))
        case .rollbackPrepared(let shard, let gid, _):
            open(shard.int, process, recipient, .rollbackPrepared(gid: gid))
        case .deleteDecision(let shard, let hash, let outcome):
            open(shard.int, process, .nobody, .deleteRow(hash, outcome))
        case .show: break
        case .finished(let summary): roundFinished(process, summary)
        }
    }
}
