// Carrying out what the rows say, and counting what is left.
import Primitives

extension RecoveryRound {
    mutating func decisionRead(
        _ decider: ShardIndex, _ hash: TransactionHash, _ status: DecisionStatus, _ actions: inout [RecoveryAction]
    ) {
        guard phase == .deciding, let index = find(decider, hash), transactions[index].isAsking else { return }
        transactions[index].isAsking = false
        outstanding -= 1
        switch status {
        case .commit: finish(index, .commit, &actions)
        case .abort: finish(index, .abort, &actions)
        // A decider that is committing now will show its work before the rest is committed: do not open yet.
        case .waiting: leaveAll(index, .deciderCommitting, &actions)
        case .unreachable:
            summary.unreached.insert(decider)
            leaveAll(index, .deciderUnreachable, &actions)
        }
        finishIfDone(&actions)
    }

    private mutating func finish(_ index: Int, _ outcome: Decision, _ actions: inout [RecoveryAction]) {
        transactions[index].outcome = outcome
        for member in transactions[index].participants.indices {
            transactions[index].participants[member].isFinishing = true
            let participant = transactions[index].participants[member]
            outstanding += 1
            switch outcome {
            case .commit:
                actions.append(
                    .commitPrepared(participant.shard, gid: participant.gid, owner: participant.owner))
            case .abort:
                actions.append(
                    .rollbackPrepared(participant.shard, gid: participant.gid, owner: participant.owner))
            }
        }
    }

    mutating func finishAnswered(
        _ shard: ShardIndex, _ gid: String, _ answer: FinishAnswer, _ actions: inout [RecoveryAction]
    ) {
        guard phase == .deciding, let (index, member) = findParticipant(shard, gid),
            let outcome = transactions[index].outcome
        else { return }
        transactions[index].participants[member].isFinishing = false
        outstanding -= 1
        switch answer {
        // Not found: someone else has finished it, by the same row.
        case .done, .doneWithoutReplication, .notFound: count(outcome)
        case .failed(sqlState: "55000"), .unreachable: leaveDecided(index, member, .unfinished(outcome), &actions)
        case .failed(let sqlState): leaveDecided(index, member, .failed(outcome, sqlState: sqlState), &actions)
        }
        finishIfDone(&actions)
    }

    private mutating func leaveDecided(
        _ index: Int, _ member: Int, _ reason: InDoubtReason, _ actions: inout [RecoveryAction]
    ) {
        let transaction = transactions[index]
        let participant = transaction.participants[member]
        if transaction.outcome == .commit {
            blockOpening(decider: transaction.decider, participants: [participant.shard])
        }
        leave(participant.shard, participant.gid, reason, &actions)
    }

    private mutating func count(_ outcome: Decision) {
        switch outcome {
        case .commit: summary.committed += 1
        case .abort: summary.rolledBack += 1
        }
    }

    private mutating func leaveAll(_ index: Int, _ reason: InDoubtReason, _ actions: inout [RecoveryAction]) {
        let transaction = transactions[index]
        if reason != .deciderUnreachable || !context.opensInDoubt {
            blockOpening(decider: transaction.decider, participants: transaction.participants.map(\.shard))
        }
        for participant in transaction.participants { leave(participant.shard, participant.gid, reason, &actions) }
    }

    /// Leaves a prepared transaction to a later round or to the operator.
    mutating func leave(
        _ shard: ShardIndex, _ gid: String, _ reason: InDoubtReason, _ actions: inout [RecoveryAction]
    ) {
        summary.remaining += 1
        actions.append(.show(shard, gid: gid, reason))
    }

    /// Something of this transaction is or will be visible on one shard and not yet on another.
    mutating func blockOpening(decider: ShardIndex, participants: [ShardIndex]) {
        guard case .reopening(let shard) = context.scope else { return }
        if decider == shard || participants.contains(shard) { isOpeningBlocked = true }
    }

    /// Binary search: the transactions are sorted by decider and hash.
    private func find(_ decider: ShardIndex, _ hash: TransactionHash) -> Int? {
        var low = 0
        var high = transactions.count
        while low < high {
            let middle = (low + high) / 2
            if transactions[middle].precedes(decider, hash) { low = middle + 1 } else { high = middle }
        }
        guard low < transactions.count, transactions[low].decider == decider, transactions[low].hash == hash else {
            return nil
        }
        return low
    }

    private func findParticipant(_ shard: ShardIndex, _ gid: String) -> (Int, Int)? {
        guard let parts = GlobalTransactionIdentifier(parsing: gid),
            let decider = context.shards.firstIndex(of: parts.decider),
            let index = find(ShardIndex(decider), parts.hash),
            let member = transactions[index].participants.firstIndex(where: {
                $0.shard == shard && $0.gid == gid && $0.isFinishing
            })
        else { return nil }
        return (index, member)
    }
}
