// Link: the proxy's connection to one shard, logged in as one role.
//
// States and where each goes next:
//   connecting -> greeting (TLS asked) or authenticating | gone
//   greeting -> authenticating | gone
//   authenticating -> idle | gone
//   idle -> leased | gone
//   leased -> cleaning | idle | gone       a session or a task has it
//   cleaning -> idle | gone                ROLLBACK, DISCARD ALL before another session may have it
// `gone` is the record freed; its stream is closed.
import Primitives
import WireProtocol

/// Where a link stands.
enum LinkState: UInt8 {
    case connecting, greeting, authenticating, idle, leased, cleaning
}

/// The record of one link. Plain memory but for the login and task references, which only slow paths touch. What is needed to send a
/// query comes first, in one cache line; what its answer needs beyond that, next.
struct Link {
    var generation: UInt32 = 0
    var state = LinkState.connecting
    /// Status byte of the last ReadyForQuery.
    var status: UInt8 = TransactionStatus.idle.rawValue
    /// The shard it belongs to, and the index of the pool (user).
    var shard = ShardIndex(0)
    var pool: Int32 = -1
    /// The session that has it, or -1.
    var session: Int32 = -1
    var stream = StreamID(index: 0, generation: 0)
    /// Settings now in force on the server session (see SettingsTable).
    var settings: UInt32 = 0
    /// Its place among its pool's links to the shard (see `IdleLinks`).
    var place: Int32 = -1
    /// Bytes of the present frame still to come, and whether they go to the client.
    var frameRemaining = 0
    var expectations = ExpectationQueue()
    var frameIsForwarded = false
    /// The record is in use.
    var isOpen = false
    /// An error was seen among the dropped answers; the link cannot be trusted.
    var injectedFailed = false
    /// The client has heard of an error in the answer that the next ReadyForQuery for it ends.
    var isErrorTold = false
    /// A cancel is wanted as soon as the Query the proxy slipped in is answered.
    var isCancelDelayed = false
    /// Its session state may have changed unseen: DISCARD ALL before another session has it.
    var isTainted = false
    /// Its settings may have changed unseen: RESET ALL before another session has it.
    var hasUnknownSettings = false
    /// Free as soon as the last cancel has landed.
    var isReleasePending = false
    /// Close instead of reuse (reload, age, shutdown).
    var isRetiring = false
    /// Its shard has other OIDs than its session sees (see TranslatedReplies).
    var translatesOIDs = false
    /// Cancel requests on their way for this link: it is not leased before they have landed.
    var cancelsUnderWay: Int32 = 0
    /// Where its pool keeps the links to its shard.
    var shardPool: UnsafeMutablePointer<ShardPool>?
    var connectedAt = Instant.origin
    var idleSince = Instant.origin
    var task: (any LinkTask)?
    var prepared = PreparedSet()
    /// A Parse may have been skipped after an error: names are closed before they are prepared again.
    var isPreparedUnsure = false
    /// The shared statement that is the unnamed one on this link, 0 when unknown.
    var unnamedStatement: UInt32 = 0
    /// Statements whose Describe the client waits for, in order.
    var describing: [UInt32] = []
    /// Present while `translatesOIDs`.
    var translation: LinkTranslation?
    var cancelKey = CancelKey(processID: 0, secretKey: 0)
    /// When the proxy last asked something of its own: settings, ROLLBACK, statements of its services.
    var askedSince = Instant.origin
    var login: LinkLogin?
}

/// Something that takes a link's answers whole, frame by frame: an execution, or the proxy's own work.
protocol LinkTask: AnyObject {
    /// One whole frame from the link, header included.
    func received(_ frame: UnsafeRawBufferPointer, type: UInt8, from link: Int32)
    /// The link broke; nothing more will come from it.
    func lost(_ link: Int32, reason: String)
}
