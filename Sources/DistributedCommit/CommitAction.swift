// CommitAction: what the coordinator asks of its caller. Actions are to be carried out in their order.
import Primitives

/// An order of `CommitCoordinator`.
public enum CommitAction: Sendable, Equatable {
    /// PREPARE TRANSACTION on the participant's own link, with statement_timeout 0 and synchronous_commit on set
    /// locally before it in the same write.
    case prepare(Int)
    /// SET CONSTRAINTS ALL IMMEDIATE on the decider, so that deferred triggers run before the commit window.
    case checkConstraints(Int)
    /// Ask the gate of atomic reads; answer `commitWindowEntered`.
    case enterCommitWindow
    /// In one write on the decider's own link, which is in a transaction: `decide`, then COMMIT. If the link is gone
    /// report `linkLost`; never send this on another link. From here on no cancel is forwarded.
    case decideAndCommit(Int)
    /// The fencing insert and the look-up on the decider's shard, on an admin link.
    case resolveDecision
    /// COMMIT PREPARED on the participant's own link, with statement_timeout 0.
    case commitPrepared(Int)
    /// COMMIT PREPARED after a while, on an admin link under the role of the owner in pg_prepared_xacts.
    case retryCommitPrepared(Int, after: Span)
    /// ROLLBACK PREPARED on the participant's own link.
    case rollbackPrepared(Int)
    /// ROLLBACK PREPARED after a while, on an admin link under the role of the owner.
    case retryRollbackPrepared(Int, after: Span)
    /// ROLLBACK on the participant's own link.
    case rollback(Int)
    /// COMMIT on the link of a participant that wrote nothing.
    case commitReader(Int)
    /// Send a CancelRequest: the command outstanding on this link is not wanted any more.
    case cancel(Int)
    /// Close the participant's own link without waiting; its answer is not waited for any more.
    case closeLink(Int)
    /// Settings changed inside the rolled back prepared transaction are still changed on this link.
    case resynchronizeSettings(Int)
    /// Keep everyone from this shard until a `RecoveryRound` says that it may open.
    case fence(Int)
    /// The commit window is over; sent once for each `enterCommitWindow`.
    case leaveCommitWindow
    /// The row of this transaction on the decider's shard is not needed any more; may be batched and may be lost.
    case deleteDecision(Decision)
    case setTimer(CommitTimer, after: Span)
    /// CommandComplete COMMIT to the client, after these WARNINGs.
    case answerCommitted([CommitWarning])
    /// An error to the client; nothing is committed anywhere.
    case answerFailed(CommitFailure)
    /// 08007 to the client, with the gid in DETAIL. Recovery will finish the transaction.
    case answerUnknown
}

/// The two outcomes, as the decision table stores them.
public enum Decision: String, Sendable, Hashable {
    case commit, abort
}

/// Something the client is told although its COMMIT succeeded.
public enum CommitWarning: Sendable, Equatable {
    /// COMMIT PREPARED could not be delivered; the shard is fenced until recovery has done it.
    case participantFenced(Int)
    /// The gid is gone from a shard with another history: its part may be lost (a failover that lost data).
    case participantLost(Int)
    /// Committed on the primary only: the wait for synchronous replication was cancelled.
    case notReplicated(Int)
    /// The commit of a participant that wrote nothing failed; nil: its link was lost.
    case readerFailed(Int, sqlState: String?)
}

/// Why nothing was committed.
public enum CommitFailure: Error, Sendable, Equatable {
    /// Two writers cannot be prepared: 0A000.
    case refused(DeciderRefusal)
    /// A participant answered an error: pass it on.
    case participantFailed(Int, sqlState: String)
    /// A participant's transaction had failed already: 40000.
    case participantRolledBack(Int)
    /// PREPARE was not replicated: 40000.
    case replicationInterrupted(Int)
    /// A link was lost before the decision, or the decision was looked up and is abort: 08006.
    case linkLost(Int)
    /// Another proxy's recovery took the coordinator for dead and wrote an abort row: 40000.
    case fencedByRecovery
    /// `CommitTiming.prepareLimit` is over: 57014.
    case timedOut
    /// The client cancelled: 57014.
    case cancelled
}
