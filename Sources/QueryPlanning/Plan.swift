// Plan: what is to be done for one statement. Made by Planner, carried out by ProxyCore. Pure immutable data.
//
// A plan knows nothing of sessions or links. It says which shards by a Route, whose key values are taken from the
// statement's literals or parameters when it is executed, and what to do there by an Action.
import Primitives
import ResultMerging
import ShardMap

/// Where the value of a sharding key comes from.
public enum KeyOperand: Sendable, Equatable {
    /// A value known when the plan was made.
    case constant(KeyValue)
    /// The literal at this byte offset of the planned text: a number or string token as it stands there, with a unary minus
    /// folded in (libpg_query's location of the A_Const). It is read when the plan is executed, as the key type's input
    /// function would read it, so that one plan serves every text of the same shape. An analyser that returns it promises
    /// that nothing else of the plan depends on the literal's value.
    case literal(offset: Int)
    /// Parameter `$n`, n from 1.
    case parameter(Int)
    /// NULL: no row can match, any one shard will do.
    case null
}

/// "The key is one of these": one conjunct (`key = x`, `key IN (x, y)`, `key = ANY ($1)`).
public struct KeyCondition: Sendable, Equatable {
    /// How the key is placed, with its type.
    public var placement: KeyPlacement
    /// The values, or the one parameter that holds an array of them.
    public var operands: [KeyOperand]
    /// `operands` is one parameter whose value is an array of keys.
    public var isArrayParameter: Bool
    /// The key of a row that is to be written: NULL and unreadable values are errors, not conditions that no row meets.
    public var isStored: Bool
    /// NULL is the shards' own error, of the row that is to have it: the column is NOT NULL.
    public var leavesNullToShards: Bool

    public init(
        placement: KeyPlacement, operands: [KeyOperand], isArrayParameter: Bool = false, isStored: Bool = false, leavesNullToShards: Bool = false
    ) {
        self.placement = placement
        self.operands = operands
        self.isArrayParameter = isArrayParameter
        self.isStored = isStored
        self.leavesNullToShards = leavesNullToShards
    }
}

/// Which shards a statement needs.
public enum Route: Sendable, Equatable {
    /// Any one shard has the answer (reference tables, no table). Prefer a shard the transaction already uses.
    case any
    /// The catalog shard, the lowest: system catalogs, type look-ups.
    case catalog
    /// Every shard.
    case all
    /// The shards of the keys: the intersection over all conditions (empty: any one shard).
    case keys([KeyCondition])
    /// Keys that are not known to be equal when the plan is made (`a.k = $1 AND b.k = $2`): of each group the intersection
    /// over its conditions, and of the groups the union (empty: any one shard).
    case keyGroups([[KeyCondition]])
    /// The session's home link: temp tables and whatever else is bound to one server session.
    case home
    /// The one shard on which the block has written: currval and lastval tell of its server session. Refused without one.
    case participant
}

/// What a statement does to data, as far as the plan can tell; decides who is a writer at COMMIT.
public enum DataEffect: UInt8, Sendable {
    case reads
    case writes
    /// A function that may write: ask `pg_current_xact_id_if_assigned()` at COMMIT.
    case unknown
}

/// Why a link must stay with its session after the transaction.
public struct PinReasons: OptionSet, Sendable, Hashable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    public static let temporaryTable = PinReasons(rawValue: 1)
    public static let listen = PinReasons(rawValue: 2)
    public static let holdCursor = PinReasons(rawValue: 4)
    public static let sessionAdvisoryLock = PinReasons(rawValue: 8)
}

/// A statement the proxy does not carry out, with the error the client gets.
public struct Refusal: Error, Sendable, Equatable {
    /// SQLSTATE, five characters.
    public var sqlState: String
    public var message: String
    public var detail: String?
    public var hint: String?
    /// Character position in the statement's text, from 1, as ErrorResponse's P field counts; 0 when there is none.
    public var position: Int

    public init(_ sqlState: String, _ message: String, detail: String? = nil, hint: String? = nil, position: Int = 0) {
        self.sqlState = sqlState
        self.message = message
        self.detail = detail
        self.hint = hint
        self.position = position
    }
}

/// A limit or offset.
public enum RowCount: Sendable, Equatable {
    case constant(Int64)
    /// Parameter `$n`, to be read as bigint; NULL means no limit.
    case parameter(Int)
}

/// A SELECT over many shards whose rows are merged.
public struct ScatterPlan: Sendable {
    /// The text for the shards; parameters keep their numbers.
    public var shardText: String
    public var merge: MergePlan
    public var limit: RowCount?
    public var offset: RowCount?
    /// Run over the partial rows on one shard; nil when the merged rows are final.
    public var finisher: Finisher?

    public init(shardText: String, merge: MergePlan, limit: RowCount? = nil, offset: RowCount? = nil, finisher: Finisher? = nil) {
        self.shardText = shardText
        self.merge = merge
        self.limit = limit
        self.offset = offset
        self.finisher = finisher
    }

    /// Its texts may be without some of the statement's parameters, for which PostgreSQL then finds no type.
    public var hasOtherParameters: Bool {
        if finisher != nil { return true }
        return merge.aggregate != nil && [limit, offset].contains { count in
            if case .parameter? = count { return true }
            return false
        }
    }
}

/// The query that makes the final rows of an aggregate query from the shards' partial rows.
///
/// The shards' partial columns are handed over as array parameters, one a column, all of type text[], numbered after the
/// statement's own parameters. Where the rows are of several kinds, each has its own arrays, and a row begins with the number
/// of its kind; the text casts each value back: `SELECT sum(p.a1) FROM (SELECT r.a1::numeric AS a1, r.a2::int[]
/// AS a2 FROM unnest($3::text[], $4::text[]) AS r (a1, a2)) AS p`. Partial rows are asked for in text format, and the arrays are
/// sent in text format, whatever a column's type. The statement's own parameters keep the types that Describe of the original
/// statement reports, also where the text does not use them. The names and types of the visible columns are those that
/// Describe of the original statement reports.
public struct Finisher: Sendable {
    public var text: String
    /// Number of the first array parameter.
    public var firstArrayParameter: Int
    /// How many partial columns there are, of each kind of rows.
    public var columnCounts: [Int]
    /// It reads reference tables beside the partial rows: its snapshot must be that of the partial rows.
    public var readsTables: Bool
    /// The rows are not partial results but what the statement reads: it runs over them as it is.
    public var isGather: Bool

    public init(text: String, firstArrayParameter: Int, columnCounts: [Int], readsTables: Bool, isGather: Bool = false) {
        self.readsTables = readsTables
        self.isGather = isGather
        self.text = text
        self.firstArrayParameter = firstArrayParameter
        self.columnCounts = columnCounts
    }

    /// Columns of the shards' rows.
    public var rowWidth: Int { columnCounts.count == 1 ? columnCounts[0] : 1 + (columnCounts.max() ?? 0) }
    public var arrayCount: Int { columnCounts.reduce(0, +) }
}

/// A multi-row INSERT whose rows belong to several shards.
public struct InsertPlan: Sendable {
    /// The statement's text up to and including `VALUES `.
    public var textBefore: String
    /// Each row's text, parentheses included.
    public var rows: [String]
    /// What follows the rows: ON CONFLICT, RETURNING, or empty.
    public var textAfter: String
    public var placement: KeyPlacement
    /// Where each row's key comes from.
    public var keys: [KeyOperand]
    public var hasReturning: Bool

    public init(
        textBefore: String, rows: [String], textAfter: String, placement: KeyPlacement, keys: [KeyOperand], hasReturning: Bool
    ) {
        self.textBefore = textBefore
        self.rows = rows
        self.textAfter = textAfter
        self.placement = placement
        self.keys = keys
        self.hasReturning = hasReturning
    }
}

/// Formats of COPY data.
public enum CopyFormat: UInt8, Sendable {
    case text, csv, binary
}

/// The options of COPY that matter for splitting and joining.
public struct CopyOptions: Sendable, Equatable {
    public var format: CopyFormat = .text
    public var delimiter: UInt8 = UInt8(ascii: "\t")
    public var null: String = "\\N"
    public var quote: UInt8 = UInt8(ascii: "\"")
    public var escape: UInt8 = UInt8(ascii: "\"")
    public var hasHeader = false
    public init() {}
}

/// COPY table FROM STDIN.
public struct CopyInPlan: Sendable {
    /// Text for the shards, with the column list written out.
    public var shardText: String
    public var options: CopyOptions
    /// The key's placement and its position among the copied columns; nil: every row goes to every shard of the route.
    public var key: (placement: KeyPlacement, column: Int)?
    /// Copied columns, in order.
    public var columns: [String]
    public var tableName: String

    public init(
        shardText: String, options: CopyOptions, key: (placement: KeyPlacement, column: Int)?, columns: [String], tableName: String
    ) {
        self.shardText = shardText
        self.options = options
        self.key = key
        self.columns = columns
        self.tableName = tableName
    }
}

/// COPY (query) TO STDOUT of a query whose rows must be put together from several shards.
public struct CopyQueryPlan: Sendable {
    public var query: String
    /// The statement's text before and behind the query, the parentheses with it.
    public var textBefore: String
    public var textAfter: String
    public var isBinary: Bool

    public init(query: String, textBefore: String, textAfter: String, isBinary: Bool) {
        self.query = query
        self.textBefore = textBefore
        self.textAfter = textAfter
        self.isBinary = isBinary
    }
}

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
    case reset(name: String)
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

/// How a cursor is declared to be read.
public enum CursorScrolling: UInt8, Sendable {
    /// SCROLL and NO SCROLL are left out: whether it can go back is up to how it is carried out.
    case unsaid
    case scroll, noScroll
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

/// Where a cursor's rows come from.
public enum CursorQuery: Sendable {
    /// The cursor lives on the link of the one shard its query needs.
    case oneShard(Route)
    /// The rows of several shards. The plan is for the query at this byte range of the statement's text.
    case severalShards(StatementPlan, range: Range<Int>)
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

/// SQL-level prepared statements.
public enum PreparedCommand: Sendable {
    /// `body` is the statement's text after AS; `typeNames` as written.
    case prepare(name: String, typeNames: [String], body: String)
    /// `arguments` are the texts of the argument expressions; `constants` their values where they are plain literals.
    case execute(name: String, arguments: [String])
    /// nil: ALL.
    case deallocate(name: String?)
}

/// How replies of several shards become one for statements without merged rows.
public enum TagCombination: UInt8, Sendable {
    /// The row counts are added up (UPDATE, DELETE, COPY of sharded tables).
    case sum
    /// All shards say the same; the lowest shard's is passed on (DDL, writes to reference tables).
    case first
}

/// What to do for a statement.
public indirect enum Action: Sendable {
    /// Send the text untouched to the one shard the route names, and pass everything back as it comes.
    /// When the route turns out to name several shards, the planner is asked for a plan of the exact text.
    case passThrough(Route)
    /// Run on the shards of the route and merge.
    case scatter(Route, ScatterPlan)
    /// Run the text on the shards of the route in one transaction, all or nothing; rows (RETURNING) are concatenated, or taken from the first.
    case modify(Route, text: String?, tag: TagCombination)
    /// Fetch rows of all shards, then change rows on the shards of the route with them, in one transaction.
    case modifyFetched(Route, FetchedModificationPlan)
    /// Run on the lowest shard, and write what it wrote there on the others, all or nothing.
    case modifyReplayed(ReplayPlan)
    /// Split the rows by key, all or nothing.
    case insertRows(InsertPlan)
    /// Run the query, then insert its rows as values, all or nothing.
    case insertFetched(FetchedInsertPlan)
    case copyIn(Route, CopyInPlan)
    /// COPY TO STDOUT: `text` runs on every shard of the route, the streams are joined.
    case copyOut(Route, text: String, options: CopyOptions)
    /// COPY (query) TO STDOUT of a query whose rows must be put together: run it, then let one shard copy its rows.
    case copyQuery(CopyQueryPlan)
    /// DDL and maintenance that PostgreSQL allows only outside a transaction block: shard by shard, no atomicity.
    case shardByShard(Route)
    case transaction(TransactionCommand)
    case setting(SettingCommand)
    case prepared(PreparedCommand)
    case cursor(CursorCommand)
    /// CREATE TABLE AS: make the table on all shards, then insert the query's rows.
    case fillTable(TableOfQueryPlan)
    /// Change where a table's rows are.
    case place(PlacementCall)
    /// EXPLAIN of a statement over several shards.
    case explain(ExplainPlan)
    /// NOTIFY: once, on the transaction's first writer.
    case notify
    /// LISTEN / UNLISTEN: on a pinned link.
    case listen
    /// The empty statement.
    case empty
    case refuse(Refusal)
}

/// Values that only one server may choose (numbers of a sequence, the time, random values), to be had before a statement
/// can be routed or run alike on several shards.
///
/// Run `query` on the lowest shard, in the statement's transaction; it yields one row. Build the statement's text from its
/// values, plan that text, and carry out that plan with the parameters of the original.
public struct DrawPlan: Sendable, Equatable {
    /// One row, one column a value; ask for text format.
    public var query: String
    /// The new text around the values: one piece more than there are values.
    public var pieces: [String]

    public init(query: String, pieces: [String]) {
        self.query = query
        self.pieces = pieces
    }

    /// The text to plan and run instead of the original.
    /// - Parameter values: the row's values in text format; nil is NULL.
    public func text(values: [String?]) -> String {
        var text = pieces.first ?? ""
        for (value, piece) in zip(values, pieces.dropFirst()) { text += (value.map(Self.literal) ?? "NULL") + piece }
        return text
    }

    /// A string constant, byte by byte: a quote followed by a combining mark is a quote all the same.
    private static func literal(_ value: String) -> String {
        let quote = UInt8(ascii: "'")
        var bytes = [quote]
        for byte in value.utf8 { bytes += byte == quote ? [quote, quote] : [byte] }
        return String(decoding: bytes + [quote], as: UTF8.self)
    }
}

/// Names of temporary tables, views, sequences and indexes that a statement makes or drops.
public struct TemporaryNames: Sendable, Equatable {
    public var created: [String]
    public var dropped: [String]

    public init(created: [String] = [], dropped: [String] = []) {
        self.created = created
        self.dropped = dropped
    }
}

/// What is to be done for one statement, and what follows from it.
public final class StatementPlan: Sendable {
    public let action: Action
    public let effect: DataEffect
    public let pins: PinReasons
    /// Table or type knowledge must be read again afterwards.
    public let changesCatalog: Bool
    /// The session's settings or state on the link may have changed unseen (functions not built in, DO, CALL): reset the link before another session has it.
    public let taintsLink: Bool
    /// It calls set_config among other things, which reaches only the server that runs it.
    public let changesSettings: Bool
    /// The statement takes rows from the client (COPY FROM STDIN).
    public let isCopyIn: Bool
    /// COPY in either direction: it speaks with the client itself, and a portal's row limit means nothing to it.
    public var isCopy: Bool {
        switch action {
        case .copyOut, .copyQuery: return true
        default: return isCopyIn || binaryCopyQuery != nil
        }
    }
    /// What COPY TO in binary format copies, as a query; its own statement does not tell its columns' types.
    public let binaryCopyQuery: String?
    /// Command word for messages and statistics, e.g. "SELECT".
    public let commandName: String
    /// The number of the highest `$n` in the text.
    public let parameterCount: Int
    public let temporaryNames: TemporaryNames
    /// Each shard must take its share of the numbers of sequences afterwards; nil: there are none to share.
    public let sequences: SequenceChange?
    /// The statement can be served once values have been drawn; `action` is the refusal for who cannot draw.
    public let drawing: DrawPlan?
    /// Why this plan was chosen, for EXPLAIN and golden tests.
    public let reason: String

    public init(
        action: Action, effect: DataEffect, pins: PinReasons = [], changesCatalog: Bool = false, taintsLink: Bool = false,
        changesSettings: Bool = false, isCopyIn: Bool = false, binaryCopyQuery: String? = nil, commandName: String, parameterCount: Int = 0, temporaryNames: TemporaryNames = TemporaryNames(),
        sequences: SequenceChange? = nil, drawing: DrawPlan? = nil, reason: String = ""
    ) {
        self.action = action
        self.effect = effect
        self.pins = pins
        self.changesCatalog = changesCatalog
        self.taintsLink = taintsLink
        self.changesSettings = changesSettings
        self.isCopyIn = isCopyIn
        self.binaryCopyQuery = binaryCopyQuery
        self.commandName = commandName
        self.parameterCount = parameterCount
        self.temporaryNames = temporaryNames
        self.sequences = sequences
        self.drawing = drawing
        self.reason = reason
    }
}
