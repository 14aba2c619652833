// RowWindow: OFFSET and LIMIT of a merged result. Each shard is asked for the first offset + limit rows, and the merge
// cuts the window out of the whole.
import WireProtocol

/// The rows of a result that the client gets.
public struct RowWindow: Sendable, Equatable {
    /// Rows to pass at most; nil: all.
    public let limit: Int64?
    /// Rows to skip first.
    public let offset: Int64

    /// All rows.
    public static let everything = RowWindow(uncheckedLimit: nil, offset: 0)

    private init(uncheckedLimit: Int64?, offset: Int64) {
        limit = uncheckedLimit
        self.offset = offset
    }

    /// Takes the values of LIMIT and OFFSET; nil stands for NULL or no clause.
    ///
    /// Throws 2201W or 2201X for a negative value, LIMIT's after OFFSET's as PostgreSQL does (nodeLimit.c).
    public init(limit: Int64?, offset: Int64?) throws(MergeError) {
        if let offset, offset < 0 {
            throw MergeError(SQLState("2201X"), "OFFSET must not be negative")
        }
        if let limit, limit < 0 {
            throw MergeError(SQLState("2201W"), "LIMIT must not be negative")
        }
        self.init(uncheckedLimit: limit, offset: offset ?? 0)
    }

    /// The rows each shard must deliver at most: offset + limit, or nil for all.
    public var shardLimit: Int64? {
        guard let limit else { return nil }
        let (sum, overflow) = limit.addingReportingOverflow(offset)
        return overflow ? Int64.max : sum
    }
}
