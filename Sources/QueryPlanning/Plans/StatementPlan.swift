// StatementPlan: what is to be done for one statement. Made by Planner, carried out by ProxyCore. Pure immutable data.
//
// A plan knows nothing of sessions or links. It says which shards by a Route, whose key values are taken from the
// statement's literals or parameters when it is executed, and what to do there by an Action. The other files here are what an
// action needs to know, by subject.

/// What is to be done for one statement, and what follows from it.
public final class StatementPlan: Sendable {
    public let action: Action
    public let effect: DataEffect
    public let pins: PinReasons
    /// Table or type knowledge must be read again afterwards.
    public let changesCatalog: Bool
    /// The session's settings or state on the link may have changed unseen (functions not built in, DO, CALL): reset the link before another session has it.
    public let taintsLink: Bool
    /// Triggers run, which may change settings unseen: they are reset before another session has the link.
    public let runsTriggers: Bool
    /// FOR UPDATE and its like.
    public let locksRows: Bool
    /// What it does lasts until the transaction ends, or from then on, though it writes nothing.
    public var outlastsItself: Bool {
        switch action {
        case .listen: true
        case .cursor(.declare(let declaration)): declaration.isHeld
        default: locksRows
        }
    }
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
    /// DECLARE: it gives no rows, and what it makes lives on the link that has run it.
    public var declaresCursor: Bool {
        if case .cursor(.declare) = action { true } else { false }
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
    /// The reference table, quoted with its schema, whose other writers every shard must have waited for before the statement runs: it would
    /// change other rows on a shard that a commit has not reached yet.
    public let lockedTable: String?
    /// The statement can be served once values have been drawn; `action` is the refusal for who cannot draw.
    public let drawing: DrawPlan?
    /// Each shard inserts rows that it reads itself: they must be of one instant on all of them.
    public let insertsWhatItReads: Bool
    /// The key that a comment in front of the statement names.
    public let idempotencyKey: String?
    /// Whether it asks what became of a request.
    public let outcomeUse: OutcomeUse
    /// Why this plan was chosen, for EXPLAIN and golden tests.
    public let reason: String

    public init(
        action: Action, effect: DataEffect, pins: PinReasons = [], changesCatalog: Bool = false, taintsLink: Bool = false,
        changesSettings: Bool = false, isCopyIn: Bool = false, binaryCopyQuery: String? = nil, commandName: String, parameterCount: Int = 0, temporaryNames: TemporaryNames = TemporaryNames(),
        sequences: SequenceChange? = nil, lockedTable: String? = nil, drawing: DrawPlan? = nil, runsTriggers: Bool = false,
        locksRows: Bool = false, insertsWhatItReads: Bool = false, idempotencyKey: String? = nil, outcomeUse: OutcomeUse = .none, reason: String = ""
    ) {
        self.action = action
        self.effect = effect
        self.pins = pins
        self.changesCatalog = changesCatalog
        self.taintsLink = taintsLink
        self.runsTriggers = runsTriggers
        self.locksRows = locksRows
        self.insertsWhatItReads = insertsWhatItReads
        self.changesSettings = changesSettings
        self.isCopyIn = isCopyIn
        self.binaryCopyQuery = binaryCopyQuery
        self.commandName = commandName
        self.parameterCount = parameterCount
        self.temporaryNames = temporaryNames
        self.sequences = sequences
        self.lockedTable = lockedTable
        self.drawing = drawing
        self.idempotencyKey = idempotencyKey
        self.outcomeUse = outcomeUse
        self.reason = reason
    }

    /// The same plan for a statement that runs triggers.
    func runningTriggers() -> StatementPlan { changed(runsTriggers: true) }

    /// The same plan but for what is given.
    func changed(action: Action? = nil, runsTriggers: Bool? = nil, idempotencyKey: String? = nil, outcomeUse: OutcomeUse? = nil) -> StatementPlan {
        StatementPlan(
            action: action ?? self.action, effect: effect, pins: pins, changesCatalog: changesCatalog, taintsLink: taintsLink, changesSettings: changesSettings,
            isCopyIn: isCopyIn, binaryCopyQuery: binaryCopyQuery, commandName: commandName, parameterCount: parameterCount,
            temporaryNames: temporaryNames, sequences: sequences, lockedTable: lockedTable, drawing: drawing, runsTriggers: runsTriggers ?? self.runsTriggers,
            locksRows: locksRows, insertsWhatItReads: insertsWhatItReads, idempotencyKey: idempotencyKey ?? self.idempotencyKey,
            outcomeUse: outcomeUse ?? self.outcomeUse, reason: reason)
    }
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

/// Names of temporary tables, views, sequences and indexes that a statement makes or drops.
public struct TemporaryNames: Sendable, Equatable {
    public var created: [String]
    public var dropped: [String]
    /// Those created of which the end of the transaction leaves nothing (ON COMMIT DROP).
    public var untilCommit: [String]

    public init(created: [String] = [], dropped: [String] = [], untilCommit: [String] = []) {
        self.created = created
        self.dropped = dropped
        self.untilCommit = untilCommit
    }
}
