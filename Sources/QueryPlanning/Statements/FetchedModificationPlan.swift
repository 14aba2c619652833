// FetchedModificationPlan: UPDATE, DELETE or MERGE that needs rows of other shards than those it changes. The rows are fetched first
// and travel as array parameters; the statement with them in place of the tables then runs on every shard that may hold rows to
// change.
//
// Both must see one state. In a block that keeps one snapshot they do. In READ COMMITTED the write has a later snapshot, so it
// refuses rows that were written since: `text(unchangedSince:)`.

import ShardMap

/// What is needed to fetch the rows, and to change others with them.
public struct FetchedModificationPlan: Sendable, Equatable {
    /// What every shard runs to hand over its rows; parameters keep their numbers.
    public var shardText: String
    /// Columns of each kind of these rows.
    public var columnCounts: [Int]
    /// Number of the first array parameter of the statement, one for each column of each kind.
    public var firstArrayParameter: Int
    /// Sums for sharded tables; a reference table is changed alike on all shards.
    public var tag: TagCombination
    /// Of a MERGE that inserts: each fetched row goes to the shard of its key only.
    public struct Dealing: Sendable, Equatable {
        /// Position of the key among the fetched columns.
        public var column: Int
        /// As which the key's text is read.
        public var type: KeyType
        public var method: PlacementMethod
    }
    /// nil: every shard gets all rows.
    public var dealing: Dealing?
    /// Every shard has the same rows to fetch.
    public var isFetchedFromOne = false
    /// The statement up to its condition.
    var textBefore: String
    /// WHERE, or ON of a MERGE.
    var keyword: String
    /// The condition; nil without one.
    var condition: String?
    /// RETURNING or the actions of a MERGE, or empty.
    var textAfter: String
    /// The name by which the statement knows the table it changes, quoted.
    var targetName: String

    /// The statement with the fetched rows in place.
    public var text: String { textBefore + (condition.map { " \(keyword) " + $0 } ?? "") + textAfter }

    /// The statement that fails with 40001 (`InternalSchema.isOwn`) when it comes to a row that another transaction may have
    /// written since.
    /// - Parameter horizon: a transaction number; all transactions below it had ended before the rows were fetched.
    public func text(unchangedSince horizon: String) -> String {
        let version = targetName + ".xmin"
        let isOld = "pg_catalog.age(\(version)) OPERATOR(pg_catalog.>) pg_catalog.age(\(SQLText.literal(horizon))::pg_catalog.xid)"
        let check = "(\(isOld) OR pgbraid.is_own(\(version)))"
        return textBefore + " \(keyword) " + (condition.map { "(" + $0 + ") AND " } ?? "") + check + textAfter
    }
}
