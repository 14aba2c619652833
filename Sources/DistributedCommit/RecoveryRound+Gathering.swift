// From listings to work: which prepared transactions are ours, which are left alone, what belongs together, and
// which decision rows have done their service.
import Primitives

extension RecoveryRound {
    /// A prepared transaction of ours, read.
    private struct Found {
        var shard: ShardIndex
        var transaction: PreparedTransaction
        var gid: GlobalTransactionIdentifier
        var decider: ShardIndex
    }

    mutating func gatherTransactions(_ actions: inout [RecoveryAction]) {
        var found: [Found] = []
        for index in prepared.indices {
            for transaction in prepared[index]?.transactions ?? [] {
                if let one = examine(transaction, on: ShardIndex(index), &actions) { found.append(one) }
            }
        }
        found.sort {
            ($0.decider, $0.gid.hash, $0.shard, $0.transaction.gid)
                < ($1.decider, $1.gid.hash, $1.shard, $1.transaction.gid)
        }
        for one in found { add(one, &actions) }
    }

    /// The transaction, if this round is to act on it.
    private mutating func examine(
        _ transaction: PreparedTransaction, on shard: ShardIndex, _ actions: inout [RecoveryAction]
    ) -> Found? {
        guard let gid = GlobalTransactionIdentifier(parsing: transaction.gid), gid.cluster == context.cluster else {
            actions.append(.show(shard, gid: transaction.gid, .foreign))
            return nil
        }
        if context.ownInFlight.contains(gid.hash) { return nil }
        if let reason = obstacle(transaction, gid, on: shard) {
            leave(shard, transaction.gid, reason, &actions)
            return nil
        }
        guard let decider = context.shards.firstIndex(of: gid.decider) else { return nil }
        let one = Found(shard: shard, transaction: transaction, gid: gid, decider: ShardIndex(decider))
        guard isDue(one) else { return nil }
        if prepared[decider] == nil {
            leave(shard, transaction.gid, .deciderUnreachable, &actions)
            return nil
        }
        return one
    }

    /// What forbids touching a transaction of this cluster at all.
    private func obstacle(
        _ transaction: PreparedTransaction, _ gid: GlobalTransactionIdentifier, on shard: ShardIndex
    ) -> InDoubtReason? {
        if transaction.database != context.database { return .otherDatabase }
        if gid.participant != context.shards[shard.int] { return .wrongShard }
        return context.shards.contains(gid.decider) ? nil : .unknownDecider
    }

    /// Is it time to decide this one over its coordinator's head? Never a question of safety, only of courtesy.
    private func isDue(_ one: Found) -> Bool {
        if case .reopening(let shard) = context.scope, shard == one.shard || shard == one.decider { return true }
        if one.transaction.age > context.inDoubtTimeout { return true }
        guard let listing = decisions[one.decider.int] else { return false }
        return !listing.presentInstances.contains(one.gid.instance.lockKey)
    }

    private mutating func add(_ one: Found, _ actions: inout [RecoveryAction]) {
        let participant = RecoveredTransaction.Participant(
            shard: one.shard, gid: one.transaction.gid, owner: one.transaction.owner)
        if let last = transactions.indices.last, transactions[last].decider == one.decider,
            transactions[last].hash == one.gid.hash
        {
            transactions[last].participants.append(participant)
        } else if transactions.count < context.maximumTransactions {
            transactions.append(
                RecoveredTransaction(
                    decider: one.decider, hash: one.gid.hash, instance: one.gid.instance,
                    participants: [participant]))
        } else {
            blockOpening(decider: one.decider, participants: [one.shard])
            leave(one.shard, one.transaction.gid, .postponed, &actions)
        }
    }

    mutating func deleteDecisions(_ actions: inout [RecoveryAction]) {
        let isComplete = prepared.allSatisfy { $0?.isReplicated == true }
        let stillPrepared = Set(
            prepared.flatMap { $0?.transactions ?? [] }
                .compactMap { GlobalTransactionIdentifier(parsing: $0.gid)?.hash })
        for index in decisions.indices {
            guard let listing = decisions[index] else { continue }
            for record in listing.decisions {
                let isDeletable =
                    switch record.outcome {
                    case .commit:
                        isComplete && record.age > context.decisionRetention && !stillPrepared.contains(record.hash)
                    case .abort: !listing.presentInstances.contains(record.instance.lockKey)
                    }
                if isDeletable { actions.append(.deleteDecision(ShardIndex(index), record.hash, record.outcome)) }
            }
        }
    }
}
