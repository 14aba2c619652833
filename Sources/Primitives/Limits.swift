// Limits: every bound in the proxy has its name and its default here. What users may change is in proxy.conf and
// documented in docs/configuration.md; the rest protects the process and is fixed.

/// Bounds that protect the process.
public struct Limits: Sendable {
    /// Shards in a cluster. Fixed: a ShardSet is a bit set of this size.
    public static let maximumShardCount = 256

    /// Buckets of the hash placement: 5,040 = 7!, divisible by every shard count up to 10 and many beyond.
    public static let bucketCount = 5040

    /// What can be stored of one request under an idempotency key, in bytes. Fixed: each proxy must be able to read what another has stored.
    public static let idempotentRequestBytes = 2 << 20
    /// A frame from a shard that holds all of that in hexadecimal digits.
    public static let leastShardFrameBytes = 5 << 20

    /// A frame from a client that must be seen whole (Query, Parse, Bind ...), in bytes.
    public var clientFrameBytes = 64 << 20
    /// A frame before authentication, in bytes (PostgreSQL's own limit for a startup packet).
    public var startupFrameBytes = 10_000
    /// A frame from a shard that must be seen whole (errors, row descriptions), in bytes.
    public var shardFrameBytes = 16 << 20
    /// One row in a merge, in bytes; above it 53400.
    public var mergeRowBytes = 16 << 20
    /// All rows a merge holds back, in bytes; above it 53400.
    public var mergeBytes = 64 << 20
    /// The answers of one request under an idempotency key, which are kept for a retry, in bytes; above it 53400.
    public var idempotentAnswerBytes = 1 << 20
    /// Bytes waiting for a peer above which its feeders pause.
    public var outputHighWaterBytes = 256 << 10
    /// Bytes waiting for a peer below which its feeders resume.
    public var outputLowWaterBytes = 64 << 10
    /// Text of one statement that is planned by its structure, in bytes; above it 54001.
    public var statementBytes = 16 << 20
    /// Words, numbers and signs of one statement that is planned by its structure; above it 54001. Each takes 150 to 500
    /// bytes while the statement is planned.
    public var statementTokens = 1_000_000
    /// Estimated nesting depth of a statement's parse tree; above it 54001.
    public var statementDepth = 4_000
    /// Bytes that the statements of one Query may have together where each is counted with all that stands before it, which it
    /// is sent with, as blanks, so that places in errors are right; above it 54001.
    public var scriptBytes = 4 << 30
    /// Prepared statements kept on one link; the least recently used is closed beyond it.
    public var preparedStatementsPerLink = 512
    /// Prepared statements one session may hold.
    public var preparedStatementsPerSession = 10_000
    /// Portals one session may have open.
    public var portalsPerSession = 10_000
    /// Notifications that wait for the end of a session's transaction, in bytes; above it the session ends with 54000.
    public var heldNotificationBytes = 4 << 20
    /// Plans one worker keeps.
    public var cachedPlans = 10_000
    /// Client sessions one worker serves.
    public var sessions = 50_000

    public init() {}
}
