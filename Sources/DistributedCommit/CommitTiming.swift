// CommitTiming: every wait and every repetition of a distributed commit, by name.
import Primitives

/// Limits of one distributed commit.
public struct CommitTiming: Sendable {
    /// From the first PREPARE until all are prepared and the commit window is entered; then the transaction aborts.
    public var prepareLimit = Span.seconds(60)
    /// From sending the decider's COMMIT until its answer; then its link is given up and the outcome looked up.
    public var decisionLimit = Span.seconds(10)
    /// Between two attempts to look up an unknown outcome.
    public var resolveInterval = Span.milliseconds(200)
    /// From losing the decider's answer until the client is told that the outcome is unknown.
    public var unknownLimit = Span.seconds(30)
    /// From the decision until every COMMIT PREPARED is acknowledged; then silent shards are fenced.
    public var commitWindowLimit = Span.seconds(5)
    /// Before COMMIT or ROLLBACK PREPARED is repeated, multiplied by the number of failures so far.
    public var retryInterval = Span.milliseconds(20)
    /// How often COMMIT or ROLLBACK PREPARED is tried on one shard; "busy" does not count.
    public var finishAttempts = 4
    /// From an abort until the client is told, even if some shard has not acknowledged its rollback.
    public var rollbackLimit = Span.seconds(5)

    public init() {}
}
