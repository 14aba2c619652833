// StatementSize: how wide a statement may be. Much of the planning compares each item of a list with the others, and PostgreSQL
// itself refuses or cannot plan what is wider than this.

/// Bounds on the lists of a statement.
enum StatementSize {
    /// Columns of a result, and of what the shards compute for one (PostgreSQL's MaxTupleAttributeNumber).
    static let maximumTargetCount = 1664
    /// Parameters of a statement (protocol 3.0 counts them in 16 bits).
    static let maximumParameterCount = 65_535
    /// Columns of a table (PostgreSQL's MaxHeapAttributeNumber).
    static let maximumColumnCount = 1600
    /// Tables, subqueries and functions in all FROM clauses; PostgreSQL plans a join of a thousand for minutes.
    static let maximumRangeEntryCount = 5_000
    /// Parts of a statement whose rows are fetched from the shards.
    static let maximumGatheredPartCount = 100
    /// Queries within each other that are looked at for such parts.
    static let maximumGatherNesting = 20
    /// Sets of constants remembered for columns that are equal. All of them hold, so forgetting some is safe.
    static let maximumConstantSetCount = 64
}
