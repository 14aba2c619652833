// RecoveryContext: what a recovery round knows before it begins.
import Primitives

/// Which prepared transactions a round acts on.
public enum RecoveryScope: Sendable, Equatable {
    /// Those of dead instances at once, the others when they are older than `inDoubtTimeout`.
    case routine
    /// Before this shard is opened: besides, all on it and all that name it as their decider, but for those that living
    /// coordinators of other instances are at work on (`RecoveryContext.livingPatience`).
    case reopening(ShardIndex)
}

/// The inputs of a round that do not change.
public struct RecoveryContext: Sendable {
    public var cluster: ClusterIdentifier
    public var instance: InstanceIdentifier
    /// The shards by their index; nil: not known yet, since the shard has not been reached by this process.
    public var shards: [ShardIdentifier?]
    /// The shards' databases by their index: what is prepared in others cannot be ended from there.
    public var databases: [String]
    public var scope: RecoveryScope
    /// Transactions this process is at work on (all its workers): until their coordinator is finished they are left
    /// alone, and a shard that has to do with one of them is not opened.
    public var ownInFlight: Set<TransactionHash>
    /// How old a prepared transaction of a living coordinator must be before it is decided over its head.
    public var inDoubtTimeout: Span
    /// For how long this process has kept its link to the shard it reopens, without a break and without closing it. What a living
    /// coordinator has prepared since is seen as on any open shard.
    public var watchedFor: Span
    /// How old an older transaction of a living coordinator must be before it is decided over its head so that a shard
    /// can open. Until then its end is waited for: else the start of a proxy, or of one more worker, would roll back what the
    /// others are just committing.
    public var livingPatience: Span
    /// How long commit rows are kept after all participants have committed: a failover of a participant to a standby
    /// that lags within this time still finds them.
    public var decisionRetention: Span
    /// Open a shard although it holds a transaction whose decider cannot be reached. Its locks stay, and a third shard
    /// may already show its part: only for those who have given up atomic reads. Otherwise the shard stays closed
    /// until the decider is back or the operator has resolved the transaction.
    public var opensInDoubt: Bool
    /// How many distributed transactions one round takes on.
    public var maximumTransactions: Int

    public init(
        cluster: ClusterIdentifier, instance: InstanceIdentifier, shards: [ShardIdentifier?], databases: [String],
        scope: RecoveryScope, ownInFlight: Set<TransactionHash> = [], inDoubtTimeout: Span = .seconds(60),
        watchedFor: Span = .zero, livingPatience: Span = .seconds(1), decisionRetention: Span = .seconds(600), opensInDoubt: Bool = false,
        maximumTransactions: Int = 1000
    ) {
        self.cluster = cluster
        self.instance = instance
        self.shards = shards
        self.databases = databases
        self.scope = scope
        self.ownInFlight = ownInFlight
        self.inDoubtTimeout = inDoubtTimeout
        self.watchedFor = watchedFor
        self.livingPatience = livingPatience
        self.decisionRetention = decisionRetention
        self.opensInDoubt = opensInDoubt
        self.maximumTransactions = maximumTransactions
    }
}
