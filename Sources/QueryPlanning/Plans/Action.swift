// Action: what a plan does on the shards of its route, or instead of them.

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
    /// pgbraid.saga_step
    case sagaStep(SagaStepCall)
    /// CALL pgbraid.saga_run
    case sagaRun(SagaRunCall)
    /// SET, RESET and SHOW of pgbraid.idempotency_key
    case idempotencyKey(IdempotencyKeyCommand)
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

/// How replies of several shards become one for statements without merged rows.
public enum TagCombination: UInt8, Sendable {
    /// The row counts are added up (UPDATE, DELETE, COPY of sharded tables).
    case sum
    /// All shards say the same; the lowest shard's is passed on (DDL, writes to reference tables).
    case first
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

    /// A name that can be written in several ways, of which PostgreSQL makes as many names.
    public static func ambiguousName(_ name: String, position: Int = 0) -> Refusal {
        Refusal(
            "0A000", "the name \(name) can be written in several ways in Unicode", detail: "They would be taken for one name.",
            hint: "Use letters that are one character each (normalization form C).", position: position)
    }

    public init(_ sqlState: String, _ message: String, detail: String? = nil, hint: String? = nil, position: Int = 0) {
        self.sqlState = sqlState
        self.message = message
        self.detail = detail
        self.hint = hint
        self.position = position
    }
}
