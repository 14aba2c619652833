// RecoveryInput: what a recovery round is told. Every answer can also be "unreachable": the caller bounds each
// wait, so that a round always ends.
import Primitives

/// An event for `RecoveryRound`.
public enum RecoveryInput: Sendable, Equatable {
    case start
    case decisionsListed(ShardIndex, DecisionListing)
    case preparedListed(ShardIndex, PreparedListing)
    /// The answer to `listDecisions` or `listPrepared` did not come.
    case listingFailed(ShardIndex)
    /// The answer to `fenceAndRead`.
    case decisionRead(decider: ShardIndex, TransactionHash, DecisionStatus)
    /// The answer to `commitPrepared` or `rollbackPrepared`.
    case finishAnswered(ShardIndex, gid: String, FinishAnswer)
}

/// A shard's decision table and the instances that are connected to it.
public struct DecisionListing: Sendable, Equatable {
    public var decisions: [DecisionRecord]
    /// The `lockKey`s of the instance locks that are held on the shard (in this database), read *after* the
    /// decisions were.
    public var presentInstances: [Int32]

    public init(decisions: [DecisionRecord], presentInstances: [Int32]) {
        self.decisions = decisions
        self.presentInstances = presentInstances
    }
}

/// A row of a shard's decision table.
public struct DecisionRecord: Sendable, Equatable {
    public var hash: TransactionHash
    public var outcome: Decision
    /// The coordinator's instance, also in a row that someone else wrote to fence it.
    public var instance: InstanceIdentifier
    public var age: Span

    public init(hash: TransactionHash, outcome: Decision, instance: InstanceIdentifier, age: Span) {
        self.hash = hash
        self.outcome = outcome
        self.instance = instance
        self.age = age
    }
}

/// A shard's prepared transactions.
public struct PreparedListing: Sendable, Equatable {
    public var transactions: [PreparedTransaction]
    /// The listing's own transaction wrote to the log afterwards and committed synchronously without a WARNING, so
    /// what is missing in the list is missing on the standbys too. True as well where there are none.
    public var isReplicated: Bool

    public init(transactions: [PreparedTransaction], isReplicated: Bool) {
        self.transactions = transactions
        self.isReplicated = isReplicated
    }
}

/// A row of pg_prepared_xacts.
public struct PreparedTransaction: Sendable, Equatable {
    public var gid: String
    public var owner: String
    public var database: String
    public var age: Span

    public init(gid: String, owner: String, database: String, age: Span) {
        self.gid = gid
        self.owner = owner
        self.database = database
        self.age = age
    }
}
