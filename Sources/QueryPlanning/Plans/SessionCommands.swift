// SessionCommands: statements about the session itself: transactions, settings, prepared statements and cursors.
import ResultMerging

/// BEGIN, COMMIT and their family.
public enum TransactionCommand: Sendable, Equatable {
    /// `modes` is the text after BEGIN / START TRANSACTION in PostgreSQL's spelling, e.g. "ISOLATION LEVEL SERIALIZABLE READ ONLY".
    case begin(modes: String, tag: String)
    case commit(chain: Bool)
    case rollback(chain: Bool)
    case savepoint(String)
    case release(String)
    case rollbackTo(String)
    case prepare(gid: String)
    case commitPrepared(gid: String)
    case rollbackPrepared(gid: String)
}

/// SET and its family. `name` is lower case; "session authorization", "role", "transaction" and "time zone" by their GUC names.
public enum SettingCommand: Sendable, Equatable {
    /// The statement is validated by executing it on a link, then kept as text and replayed.
    case set(name: String, isLocal: Bool)
    /// RESET, and SET ... TO DEFAULT, which may be for the block alone.
    case reset(name: String, isLocal: Bool)
    case resetAll
    /// SET TRANSACTION / SET SESSION CHARACTERISTICS, with the modes in PostgreSQL's spelling.
    case setTransaction(modes: String)
    case setSessionCharacteristics(modes: String)
    case setConstraints
    /// A SELECT of set_config: it is answered by one shard, then its settings are those of the session.
    case configure([SettingCall])
    case show(name: String)
    case discardAll
    case discardPlans
    case discardSequences
    case discardTemporary
}

/// SQL-level prepared statements.
public enum PreparedCommand: Sendable {
    /// `body` is the statement's text after AS; `typeNames` as written.
    case prepare(name: String, typeNames: [String], body: String)
    case execute(name: String, arguments: [ExecuteArgument])
    /// nil: ALL.
    case deallocate(name: String?)
}

/// DECLARE, FETCH, MOVE and CLOSE of SQL cursors.
public enum CursorCommand: Sendable {
    case declare(CursorDeclaration)
    case fetch(name: String, CursorMovement)
    case move(name: String, CursorMovement)
    /// Execute of a cursor as a portal of the protocol.
    case execute(name: String, CursorMovement)
    case close(name: String)
    case closeAll
}

/// DECLARE of a cursor.
public struct CursorDeclaration: Sendable {
    public var name: String
    /// WITH HOLD.
    public var isHeld: Bool
    public var isBinary: Bool
    public var scrolling: CursorScrolling
    public var query: CursorQuery

    public init(name: String, isHeld: Bool, isBinary: Bool, scrolling: CursorScrolling, query: CursorQuery) {
        self.name = name
        self.isHeld = isHeld
        self.isBinary = isBinary
        self.scrolling = scrolling
        self.query = query
    }
}

/// How a cursor is declared to be read.
public enum CursorScrolling: UInt8, Sendable {
    /// SCROLL and NO SCROLL are left out: whether it can go back is up to how it is carried out.
    case unsaid
    case scroll, noScroll
}

/// Where a cursor's rows come from.
public enum CursorQuery: Sendable {
    /// The cursor lives on the link of the one shard its query needs.
    case oneShard(Route)
    /// The rows of several shards. The plan is for the query at this byte range of the statement's text.
    case severalShards(StatementPlan, range: Range<Int>)
}
