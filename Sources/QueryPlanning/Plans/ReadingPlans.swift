// ReadingPlans: SELECT over many shards, by merging their rows or finishing partial ones.
import ResultMerging

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

/// A limit or offset.
public enum RowCount: Sendable, Equatable {
    case constant(Int64)
    /// Parameter `$n`, to be read as bigint; NULL means no limit.
    case parameter(Int)
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
