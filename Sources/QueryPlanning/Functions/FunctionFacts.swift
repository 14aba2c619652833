// FunctionFacts: what the planner must know of a function that a statement calls.

/// What a function does or reads beside its arguments and the tables of the statement.
public enum FunctionEffect: UInt8, Sendable, CaseIterable {
    /// The same everywhere for the same arguments and settings.
    case none
    /// The time at which the transaction or statement began: differs between shards.
    case transactionTime
    /// Random numbers and the clock: new at every call, without effect.
    case freshValue
    /// Draws from or sets a sequence (nextval, setval).
    case sequenceWrite
    /// What this session drew last (currval, lastval): right only on the link that drew.
    case sequenceRead
    /// Changes a setting of the session (set_config, setseed).
    case setting
    /// A lock that outlives the transaction: the link must stay with the session (`PinReasons.sessionAdvisoryLock`).
    case sessionAdvisoryLock
    /// A lock until the end of the transaction.
    case transactionAdvisoryLock
    /// Gives session locks back.
    case advisoryUnlock
    /// pg_notify.
    case notification
    /// Makes the transaction a writer (txid_current).
    case assignsTransactionID
    /// Reads the system catalogs by OID or name: the catalog shard.
    case catalogRead
    /// Tells of one server: sizes, statistics, process ids, snapshots. Without tables: the catalog shard's.
    case shardLocal
    /// Takes SQL, or names of tables, as text.
    case executesText
    /// Large objects.
    case largeObject
    /// Acts on a server: ends backends, switches WAL, resets statistics.
    case administrative
    /// Not known: a function that is not PostgreSQL's own.
    case unknown
}

/// How partial results of an aggregate are combined; what that means for each type is the analyser's to know.
public enum AggregateCombination: UInt8, Sendable {
    case count, sum, average, minimum, maximum, boolAnd, boolOr, bitAnd, bitOr, bitXor
}

/// What is known of the functions one call may mean; where these differ, the worst.
public struct FunctionFacts: Sendable, Equatable {
    public enum Kind: UInt8, Sendable {
        case function, procedure, aggregate, window
    }

    /// All of them are PostgreSQL's own.
    public var isBuiltIn: Bool
    public var kind: Kind
    public var volatility: Volatility
    /// NULL for any NULL argument.
    public var isStrict: Bool
    public var returnsSet: Bool
    public var effect: FunctionEffect
    /// nil where the functions differ; polymorphic results are their pseudo-type (anyelement 2283 ...).
    public var returnTypeOID: UInt32?
    /// How partial results combine; nil for everything but built-in aggregates that do.
    public var combination: AggregateCombination?
    /// Where a function that is not known otherwise is declared to run.
    public var place: FunctionPlace?
    /// It is taken at its word, and may change settings all the same.
    public var mayChangeSettings = false
    /// `KnownFunction.tableNames`
    public var tableNames: Set<String> = []

    /// A function of the database that is not IMMUTABLE; where it is known, the tables are reference tables.
    public var mayReadTables: Bool { !isBuiltIn && volatility > .immutable }

    /// What such a call requires of the session's link. What unlocks is among it: it may have been the last lock.
    public var pins: PinReasons { effect == .sessionAdvisoryLock || effect == .advisoryUnlock ? .sessionAdvisoryLock : [] }
}
