// Session: one client's conversation.
//
// Phases:    starting -> authenticating -> loggingIn -> ready | console -> (record freed)
// Activities while ready, and what ends each:
//   idle            a frame from the client starts something
//   passing         replies are on their way from `link`; more extended-protocol frames for the same link may follow
//   waiting         for a link; frames stay unread; the pool resumes the session
//   executing       `detail.execution` has the session; it ends with `finish`
import Primitives
import QueryPlanning
import WireProtocol

enum SessionPhase: UInt8 {
    /// Nothing but startup packets is understood.
    case starting
    /// An authentication exchange is under way.
    case authenticating
    /// Waiting for what a fresh link reports.
    case loggingIn
    case ready
    /// Connected to the admin database.
    case console
    /// The stream is gone; running work is being ended.
    case leaving
}

enum SessionActivity: UInt8 {
    case idle, passing, waiting, executing
}

/// The record of one session. Plain memory but for `detail`, which hot paths leave alone. What every query needs comes first, in
/// one cache line.
struct Session {
    var generation: UInt32 = 0
    var phase = SessionPhase.starting
    var activity = SessionActivity.idle
    /// What the client was last told: I, T or E.
    var status: UInt8 = TransactionStatus.idle.rawValue
    /// No block is open, no link pinned, nor anything else that hot paths must stop for.
    var isPlain = true
    var stream = StreamID(index: 0, generation: 0)
    /// Bytes of a client frame that is being streamed to `link`.
    var frameRemaining = 0
    /// The link in use by pass-through, or reserved for it; -1 none.
    var link: Int32 = -1
    /// Index of the pool of its role, -1 before login.
    var pool: Int32 = -1
    /// Settings it wants in force (see SettingsTable).
    var settings: UInt32 = 0
    /// Planning environment (see EnvironmentTable).
    var environment: UInt32 = 0
    /// The unnamed portal: the link it is bound on, -1 when it is not bound or not on a link.
    var unnamedPortalLink: Int32 = -1
    /// A Parse that waits for its shard to be known: the statement's number, and whether it is the unnamed one.
    var heldParse: UInt32 = 0
    var isHeldParseUnnamed = false
    /// `link` was given by the pool to a session that waited; the frame that waited is handled again.
    var isLinkReserved = false
    /// `detail.waitFailure` is to be met by whoever asks for a link.
    var hasWaitFailure = false
    /// After an error in the extended protocol: everything up to Sync is skipped.
    var skipsUntilSync = false
    /// Extended-protocol messages came since the last Sync.
    var isBatchOpen = false
    /// The link holds unsynced work of the present batch.
    var isLinkUnsynced = false
    /// A statement of the present batch was executed on `link` and not synced: its effects are not committed yet.
    var hasBatchExecuted = false
    /// What the batch's statements on `link` do.
    var batchEffect = DataEffect.reads
    /// The Bind that is handled opens a block for what it binds.
    var bindsInBlock = false
    /// The block failed in the proxy, not on a link: the links' own status does not say so.
    var isFailedHere = false
    /// Answers go to `detail.diversion` instead of the client.
    var isDiverted = false
    /// `detail.portals` is not empty.
    var hasPortals = false
    /// Some portal over several shards may be bound and not executed (see PortalOpening).
    var hasUnopenedPortal = false
    /// `detail.statusNews` is to be told before the next ReadyForQuery.
    var hasStatusNews = false
    /// Flush was sent for what is outstanding.
    var isFlushSent = false
    /// Rows of the unnamed portal may be in binary; kept up where its link translates OIDs only.
    var isUnnamedPortalBinary = false
    /// A COPY FROM STDIN is running by pass-through: data frames go to `link`.
    var isCopyingIn = false
    /// An ErrorResponse passed to the client since this was last cleared.
    var sawError = false
    var lastActive = Instant.origin
    /// When its present work was sent to a shard or given to an execution.
    var askedAt = Instant.origin
    /// The shards of `pool`.
    var shardPools: UnsafeMutablePointer<ShardPool>?
    /// Those of `detail`, for Binds: reached without counting references.
    private(set) var statementNames: Unmanaged<StatementNames>?
    /// Waiting queue of the shard pool.
    var nextWaiting: Int32 = -1
    var previousWaiting: Int32 = -1
    var waitingShard: Int16 = -1
    /// Since when the client has taken nothing of what waits for it, as far as housekeeping has seen; origin: it takes.
    var stalledSince = Instant.origin
    /// When it began to wait for a link.
    var waitingSince = Instant.origin
    var cancelSecret: Int32 = 0
    var statementCount: UInt64 = 0
    var detail: SessionDetail? {
        didSet { statementNames = detail.map { .passUnretained($0.statements) } }
    }
}
