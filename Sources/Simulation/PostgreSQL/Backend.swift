// Backend: one connection of a server and the process behind it: what it was sent, what it is at, what it waits for.
import Primitives
import WireProtocol

/// A transaction under way.
final class ServerTransaction {
    /// Assigned by the first change; 0: none.
    var id = 0
    var isRepeatableRead = false
    /// Of a REPEATABLE READ transaction, from its first statement on.
    var snapshot: Int?
    var changes = Changes()
    /// Savepoints, and how much of the changes was there before each.
    var savepoints: [(name: String, accounts: Int)] = []
    /// synchronous_commit, as this transaction has it.
    var commitsSynchronously = true
    var lockTimeout: Span?
    /// Deferred constraints hold; a second check finds nothing new.
    var areConstraintsChecked = false
    /// Its number as a holder of advisory locks, which give it no id; 0: it has asked for none.
    var lockOwner = 0
}

/// What a backend waits for.
enum Wait {
    /// The end of all of these transactions.
    case transactions([Int])
    /// The log.
    case flush(Int)
    case replication(Int)
}

/// What is done when the log has been written.
enum Completion {
    /// The client's COMMIT.
    case commit
    /// A statement outside a block: its own commit, then its tag.
    case statement(tag: String)
    /// The end of a pipeline.
    case sync
    case prepare(gid: String)
    case endPrepared(gid: String, isCommit: Bool)
}

/// A bound statement.
struct Portal {
    var statement: Statement
    var parameters: [String?]
    var snapshot: Int
    var formats: ResultFormats
}

/// Which columns of a result are sent in binary. All results have at most two columns.
struct ResultFormats {
    private var binary: [Bool]

    static let text = ResultFormats(binary: [])

    init(_ message: BindMessage) {
        binary = message.resultFormatCount == 0 ? [] : (0..<2).map { message.resultFormat(column: $0) == .binary }
    }

    private init(binary: [Bool]) { self.binary = binary }

    func isBinary(_ column: Int) -> Bool { column < binary.count && binary[column] }
}

extension ByteQueue {
    /// A whole numeric in binary, with its length word (numeric_send).
    mutating func append(binaryNumeric value: Int) {
        var digits: [Int16] = []
        var rest = value.magnitude
        while rest > 0 {
            digits.insert(Int16(rest % 10_000), at: 0)
            rest /= 10_000
        }
        append(integer: Int32(8 + 2 * digits.count))
        append(integer: Int16(digits.count))
        append(integer: Int16(max(0, digits.count - 1)))
        append(integer: UInt16(value < 0 ? 0x4000 : 0))
        append(integer: Int16(0))
        for digit in digits { append(integer: digit) }
    }
}

/// The state of one connection to a server.
final class Backend {
    enum Phase { case starting, ready, gone }
    /// Whether a block is open: by the client's BEGIN, for one text or pipeline only, or failed.
    enum Block { case none, implicit, explicit, failed }

    let number: Int
    let connection: Connection
    let key: CancelKey
    var phase = Phase.starting
    var user = ""
    /// SET ROLE.
    var role: String?
    var inbox: ByteQueue
    var outbox: ByteQueue
    var hasPeerClosed = false
    /// Outlives the queues, whose memory goes back there.
    private let pool: BlockPool
    var block = Block.none
    var transaction: ServerTransaction?
    /// The statements of the present Query, and how many are done.
    var script: [Statement] = []
    var scriptPosition = 0
    var isScriptRunning = false
    /// What the present Execute runs.
    var executing: Portal?
    var statements: [String: Statement] = [:]
    var portals: [String: Portal] = [:]
    var skipsToSync = false
    var instanceLocks: [(Int32, Int32)] = []
    var wait: Wait?
    /// Grows with each wait, so that timers know theirs.
    var waitCount = 0
    var completion: Completion?
    /// A cancel came while it worked.
    var isCancelled = false
    /// An event is under way that lets it go on.
    var isScheduled = false

    init(number: Int, connection: Connection, key: CancelKey, pool: BlockPool) {
        self.number = number
        self.connection = connection
        self.key = key
        self.pool = pool
        inbox = ByteQueue(pool: pool.reference)
        outbox = ByteQueue(pool: pool.reference)
    }

    deinit {
        inbox.free()
        outbox.free()
    }

    /// The status byte of ReadyForQuery.
    var status: TransactionStatus {
        switch block {
        case .none, .implicit: .idle
        case .explicit: .inTransaction
        case .failed: .failed
        }
    }

    /// The role whose rights it has.
    var effectiveRole: String { role ?? user }
}

/// An error of a statement.
struct StatementError: Error {
    var sqlState: SQLState
    var message: String

    init(_ sqlState: String, _ message: String) {
        self.sqlState = SQLState(sqlState)
        self.message = message
    }

    static let cancelled = StatementError("57014", "canceling statement due to user request")
}

/// How far a statement came.
enum Progress {
    case done(tag: String)
    /// It is run again when the wait is over.
    case waiting
    /// The log is being written; the completion answers.
    case committing
}
