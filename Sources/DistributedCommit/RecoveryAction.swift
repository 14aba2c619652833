// RecoveryAction: what a recovery round asks of its caller, and what it found.
import Primitives

/// An order of `RecoveryRound`. Orders to different shards may go out at the same time.
public enum RecoveryAction: Sendable, Equatable {
    /// Read the abort rows and the old commit rows (see `decisionRetention`; some of them are enough), then the
    /// instance locks.
    case listDecisions(ShardIndex)
    /// Read pg_prepared_xacts, then (with synchronous standbys) commit something synchronously.
    case listPrepared(ShardIndex)
    /// Write an abort row unless there is a row, read the row, commit synchronously; with a lock timeout.
    case fenceAndRead(decider: ShardIndex, TransactionHash, InstanceIdentifier)
    /// COMMIT PREPARED under the role of the owner.
    case commitPrepared(ShardIndex, gid: String, owner: String)
    /// ROLLBACK PREPARED under the role of the owner.
    case rollbackPrepared(ShardIndex, gid: String, owner: String)
    /// A row nobody needs any more; may be batched and may be lost.
    case deleteDecision(ShardIndex, TransactionHash, Decision)
    /// Show this prepared transaction to the operator.
    case show(ShardIndex, gid: String, InDoubtReason)
    /// The last action of the round.
    case finished(RecoverySummary)
}

/// Why a prepared transaction was not finished in this round.
public enum InDoubtReason: Sendable, Equatable {
    /// Not a gid of this cluster. Never touched.
    case foreign
    /// Ours, but it can only be finished from another database.
    case otherDatabase
    /// Found on another shard than its gid names (a copied or restored server). Never touched.
    case wrongShard
    /// The decider's shard is not in the configuration.
    case unknownDecider
    case deciderUnreachable
    /// The decider is committing just now; the next round will know.
    case deciderCommitting
    /// Decided, but the shard could not be told; the next round tries again.
    case unfinished(Decision)
    /// Decided, but the shard answered this error.
    case failed(Decision, sqlState: String)
    /// `RecoveryContext.maximumTransactions` was reached; the next round goes on.
    case postponed
}

/// What a round has achieved.
public struct RecoverySummary: Sendable, Equatable {
    public var committed = 0
    public var rolledBack = 0
    /// Gids of ours that are left, young ones of living coordinators not counted.
    public var remaining = 0
    /// Shards that did not answer when they were asked for their lists or for a decision.
    public var unreached = ShardSet()
    /// The shard is not to open before a living coordinator has finished what it is just committing: another round soon will open it.
    public var awaitsCoordinators = false
    /// For `RecoveryScope.reopening`: nothing was left that a client of this shard could see half of, provided the
    /// unreached shards are closed too: hand it to `ShardFences.open`. Always false for a routine round.
    public var mayOpen = false

    public init() {}
}
