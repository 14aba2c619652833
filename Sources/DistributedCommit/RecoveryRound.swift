// RecoveryRound: finishes prepared transactions whose coordinator is not there to do it.
//
// Nobody is asked what was meant: the round writes an abort row on the decider's shard unless a row is there, and
// then does what the row says. The unique key makes whoever comes second learn the outcome, be it a coordinator
// that was only slow or another proxy's recovery. So a round may be run at any time, by any number of proxies, and
// may be abandoned anywhere.
//
//     idle ──> listingDecisions ──> listingPrepared ──> deciding ──> finished
//
// The order of the two listings is what makes deleting rows safe: a commit row was there *before* no shard had a
// prepared transaction of that name any more, so every participant has committed. (It also stays while its
// coordinator may be looking for it.) An abort row goes when no link of
// its coordinator's instance is left on the decider's shard, because until then a link may still carry `decide`.
// Each participant is prepared only after the link to its decider stands, so no such link can come later.
import Primitives

/// The state machine of one pass over all shards.
public struct RecoveryRound: Sendable {
    /// How far the round has come.
    public enum Phase: Sendable, Equatable {
        /// `start` -> listingDecisions
        case idle
        /// All shards answered or failed -> listingPrepared
        case listingDecisions
        /// All shards answered or failed -> deciding
        case listingPrepared
        /// Decisions are read and carried out, each transaction at its own pace. All done -> finished
        case deciding
        case finished
    }

    public internal(set) var phase = Phase.idle
    let context: RecoveryContext
    /// Shards whose listing is outstanding in this phase.
    var awaited: [Bool]
    /// Per shard; nil: not reachable.
    var decisions: [DecisionListing?]
    var prepared: [PreparedListing?]
    /// What the round acts on, in order of decider and hash.
    var transactions: [RecoveredTransaction] = []
    var summary = RecoverySummary()
    /// A transaction is left that stands against opening the shard.
    var isOpeningBlocked = false
    var outstanding = 0

    public init(context: RecoveryContext) {
        self.context = context
        awaited = context.shards.map { _ in false }
        decisions = context.shards.map { _ in nil }
        prepared = context.shards.map { _ in nil }
    }

    /// Takes one event and appends what is to be done. O(prepared transactions) at the end of the listings,
    /// O(log transactions) afterwards.
    public mutating func handle(_ input: RecoveryInput, into actions: inout [RecoveryAction]) {
        switch input {
        case .start: start(&actions)
        case .decisionsListed(let shard, let listing):
            guard phase == .listingDecisions, isAwaited(shard) else { return }
            decisions[shard.int] = listing
            listingEnded(shard, &actions)
        case .preparedListed(let shard, let listing):
            guard phase == .listingPrepared, isAwaited(shard) else { return }
            prepared[shard.int] = listing
            listingEnded(shard, &actions)
        case .listingFailed(let shard):
            guard isAwaited(shard) else { return }
            listingEnded(shard, &actions)
        case .decisionRead(let decider, let hash, let status): decisionRead(decider, hash, status, &actions)
        case .finishAnswered(let shard, let gid, let answer): finishAnswered(shard, gid, answer, &actions)
        }
    }

    private func isAwaited(_ shard: ShardIndex) -> Bool {
        shard.int < awaited.count && awaited[shard.int]
    }

    private mutating func start(_ actions: inout [RecoveryAction]) {
        guard phase == .idle else { return }
        phase = .listingDecisions
        for index in awaited.indices {
            awaited[index] = true
            actions.append(.listDecisions(ShardIndex(index)))
        }
        listingsEndedIfAll(&actions)
    }

    private mutating func listingEnded(_ shard: ShardIndex, _ actions: inout [RecoveryAction]) {
        awaited[shard.int] = false
        listingsEndedIfAll(&actions)
    }

    private mutating func listingsEndedIfAll(_ actions: inout [RecoveryAction]) {
        guard !awaited.contains(true) else { return }
        if phase == .listingDecisions {
            listPrepared(&actions)
        } else {
            decide(&actions)
        }
    }

    /// A shard that did not show its decisions is not asked again: it can neither decide nor finish in this round.
    private mutating func listPrepared(_ actions: inout [RecoveryAction]) {
        phase = .listingPrepared
        for index in decisions.indices where decisions[index] != nil {
            awaited[index] = true
            actions.append(.listPrepared(ShardIndex(index)))
        }
        if !awaited.contains(true) { decide(&actions) }
    }

    private mutating func decide(_ actions: inout [RecoveryAction]) {
        phase = .deciding
        for index in prepared.indices where prepared[index] == nil { summary.unreached.insert(ShardIndex(index)) }
        deleteDecisions(&actions)
        gatherTransactions(&actions)
        outstanding = transactions.count
        for transaction in transactions {
            actions.append(
                .fenceAndRead(decider: transaction.decider, transaction.hash, transaction.instance))
        }
        finishIfDone(&actions)
    }

    mutating func finishIfDone(_ actions: inout [RecoveryAction]) {
        guard phase == .deciding, outstanding == 0 else { return }
        phase = .finished
        if case .reopening(let shard) = context.scope {
            summary.mayOpen = !isOpeningBlocked && !summary.unreached.contains(shard)
        }
        actions.append(.finished(summary))
    }
}
