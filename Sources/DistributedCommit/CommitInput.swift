// CommitInput: everything that can happen to a distributed commit. Participants are indices into the list the
// coordinator was made with; the caller maps them to links and shards.
//
// Success is a command tag and nothing less: PostgreSQL answers CommandComplete ROLLBACK, not an error, to a
// PREPARE or COMMIT in a failed transaction. An error of severity FATAL or PANIC is no answer: report `linkLost`.

/// An event for `CommitCoordinator`. Events that come too late to mean anything are ignored.
public enum CommitInput: Sendable, Equatable {
    /// The client's COMMIT (or the end of its autocommit statement).
    case start
    case prepareAnswered(Int, PrepareAnswer)
    case constraintsChecked(ConstraintsAnswer)
    /// The gate of atomic reads lets the decision go ahead. Without a gate, at once.
    case commitWindowEntered
    /// Both answers, to `decide` and to COMMIT, on the link whose last ReadyForQuery was `T`.
    case decisionAnswered(DecisionAnswer)
    /// The answer to `resolveDecision`.
    case decisionResolved(DecisionStatus)
    /// The answer to COMMIT PREPARED or ROLLBACK PREPARED, on whichever link it was sent.
    case finishAnswered(Int, FinishAnswer)
    /// The answer to `rollback` or `commitReader`; nil when it succeeded, else the SQLSTATE.
    case transactionEnded(Int, sqlState: String?)
    /// The participant's own link (the one its transaction ran on) is gone.
    case linkLost(Int)
    case timerFired(CommitTimer)
    /// The client cancelled or went away. Means nothing once the decision has been sent.
    case cancelRequested
}

/// The answer to PREPARE TRANSACTION.
public enum PrepareAnswer: Sendable, Equatable {
    /// Tag `PREPARE TRANSACTION`.
    case prepared
    /// The same tag after a WARNING that the wait for synchronous replication was cancelled: a failure.
    case preparedWithoutReplication
    /// Tag `ROLLBACK`: the transaction had failed before.
    case rolledBack
    /// An error here or in the same write before; nothing of ours is prepared (42710: the gid is someone else's).
    case failed(sqlState: String)
}

/// The answer to SET CONSTRAINTS ALL IMMEDIATE on the decider.
public enum ConstraintsAnswer: Sendable, Equatable {
    /// And ReadyForQuery said `T`.
    case satisfied
    case failed(sqlState: String)
}

/// The answers to `decide` and COMMIT on the decider.
public enum DecisionAnswer: Sendable, Equatable {
    /// Tag `COMMIT`.
    case committed
    /// Tag `COMMIT` after a WARNING that the wait for synchronous replication was cancelled: in doubt.
    case committedWithoutReplication
    /// Tag `ROLLBACK` without an error.
    case rolledBack
    /// `decide` failed, and the transaction with it. 23505: recovery wrote an abort row first.
    case refused(sqlState: String)
    /// COMMIT answered an error.
    case failed(sqlState: String)
}

/// What the decision table of the decider's shard says about a transaction, after the fencing insert.
public enum DecisionStatus: Sendable, Equatable {
    /// A commit row was read, in a transaction that then committed synchronously without a WARNING.
    case commit
    /// An abort row was read, or written, in such a transaction.
    case abort
    /// 55P03, a WARNING, or no row: the decider is committing just now, or the answer cannot be relied on yet.
    case waiting
    case unreachable
}

/// The answer to COMMIT PREPARED or ROLLBACK PREPARED.
public enum FinishAnswer: Sendable, Equatable {
    case done
    /// Done, after a WARNING that the wait for synchronous replication was cancelled.
    case doneWithoutReplication
    /// 42704. `sameHistory`: the shard's system identifier and timeline are those of PREPARE time.
    case notFound(sameHistory: Bool)
    case failed(sqlState: String)
    /// The admin link broke or could not be opened. (For the participant's own link: `linkLost`.)
    case unreachable
}

/// The timers a commit sets. One that fires too late is ignored.
public enum CommitTimer: Sendable, Hashable {
    case prepareLimit, decisionLimit, resolveInterval, unknownLimit, commitWindowLimit, rollbackLimit
}
