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

    /// Collects the transactions this round acts on. As soon as one participant is due all are: the row decides for
    /// all of them, and a half finished transaction helps nobody.
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
        var rest = found[...]
        while let first = rest.first {
            let group = rest.prefix { $0.decider == first.decider && $0.gid.hash == first.gid.hash }
            rest = rest.dropFirst(group.count)
            let verdicts = group.map { verdict(on: $0) }
            if verdicts.contains(.due) {
                add(group, &actions)
            } else if verdicts.contains(.awaited) {
                summary.awaitsCoordinators = true
                blockOpening(decider: first.decider, participants: group.map(\.shard))
            }
        }
    }

    /// The transaction, if it is one this round could act on.
    private mutating func examine(
        _ transaction: PreparedTransaction, on shard: ShardIndex, _ actions: inout [RecoveryAction]
    ) -> Found? {
        guard let gid = GlobalTransactionIdentifier(parsing: transaction.gid), gid.cluster == context.cluster else {
            actions.append(.show(shard, gid: transaction.gid, .foreign))
            return nil
        }
        let decider = context.shards.firstIndex(of: gid.decider).map { ShardIndex($0) }
        if context.ownInFlight.contains(gid.hash) {
            blockOpening(decider: decider ?? shard, participants: [shard])
            return nil
        }
        if let reason = obstacle(transaction, gid, on: shard) {
            if reason == .deciderUnreachable, !context.opensInDoubt { blockOpening(decider: shard, participants: [shard]) }
            leave(shard, transaction.gid, reason, &actions)
            return nil
        }
        guard let decider else { return nil }
        return Found(shard: shard, transaction: transaction, gid: gid, decider: decider)
    }

    /// What forbids touching a transaction of this cluster at all.
    private func obstacle(
        _ transaction: PreparedTransaction, _ gid: GlobalTransactionIdentifier, on shard: ShardIndex
    ) -> InDoubtReason? {
        if transaction.database != context.databases[shard.int] { return .otherDatabase }
        if gid.participant != context.shards[shard.int] { return .wrongShard }
        if context.shards.contains(gid.decider) { return nil }
        // It may be one whose name is not known yet.
        return context.shards.contains(nil) ? .deciderUnreachable : .unknownDecider
    }

    private enum Verdict {
        /// It is decided over its coordinator's head.
        case due
        /// Its coordinator is at work on it.
        case left
        /// Likewise, and the shard is not opened before it is finished.
        case awaited
    }

    /// Is it time to decide this one over its coordinator's head? Never a question of safety, only of courtesy.
    private func verdict(on one: Found) -> Verdict {
        let age = one.transaction.age
        let isLiving = decisions[one.decider.int]?.presentInstances.contains(one.gid.instance.lockKey)
        if case .reopening(let shard) = context.scope, shard == one.shard || shard == one.decider {
            guard isLiving == true, one.gid.instance != context.instance else { return .due }
            if age >= context.watchedFor { return age < context.livingPatience ? .awaited : .due }
        }
        return age > context.inDoubtTimeout || isLiving == false ? .due : .left
    }

    private mutating func add(_ group: ArraySlice<Found>, _ actions: inout [RecoveryAction]) {
        guard let first = group.first else { return }
        if prepared[first.decider.int] == nil {
            if !context.opensInDoubt { blockOpening(decider: first.decider, participants: group.map(\.shard)) }
            for one in group { leave(one.shard, one.transaction.gid, .deciderUnreachable, &actions) }
        } else if transactions.count == context.maximumTransactions {
            blockOpening(decider: first.decider, participants: group.map(\.shard))
            for one in group { leave(one.shard, one.transaction.gid, .postponed, &actions) }
        } else {
            let participants = group.map {
                RecoveredTransaction.Participant(
                    shard: $0.shard, gid: $0.transaction.gid, owner: $0.transaction.owner)
            }
            transactions.append(
                RecoveredTransaction(
                    decider: first.decider, hash: first.gid.hash, instance: first.gid.instance,
                    participants: participants))
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
                        isComplete && !stillPrepared.contains(record.hash) && !isStillAskedFor(record)
                    case .abort: !listing.presentInstances.contains(record.instance.lockKey)
                    }
                if isDeletable { actions.append(.deleteDecision(ShardIndex(index), record.hash, record.outcome)) }
            }
        }
    }

    /// A coordinator that lost its decider's answer may still look for this row. (Should it find it gone all the
    /// same, it answers "unknown".)
    private func isStillAskedFor(_ record: DecisionRecord) -> Bool {
        if record.age <= context.decisionRetention { return true }
        if record.instance == context.instance { return context.ownInFlight.contains(record.hash) }
        return decisions.contains { $0?.presentInstances.contains(record.instance.lockKey) == true }
    }
}
