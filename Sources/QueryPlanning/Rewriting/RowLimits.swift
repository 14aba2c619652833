// RowLimits: LIMIT, OFFSET and FETCH FIRST of a query over many shards. Each shard is asked for limit + offset rows, the
// proxy (or the finisher) cuts.
import CPGQuery

/// The top-level LIMIT and OFFSET.
struct RowLimits {
    let limit: Amount?
    let offset: Amount?
    /// WITH TIES: only PostgreSQL knows which rows tie.
    let hasTies: Bool

    /// A count as it stands in the text.
    enum Amount {
        case count(RowCount)
        /// An expression: only PostgreSQL can compute it.
        case expression
    }

    /// - Throws: PostgreSQL's errors for negative constants.
    init(_ select: PgQuery__SelectStmt) throws(Refusal) {
        limit = try Self.amount(Node(select.limit_count), "2201W", "LIMIT")
        offset = try Self.amount(Node(select.limit_offset), "2201X", "OFFSET")
        hasTies = select.limit_option == PG_QUERY__LIMIT_OPTION__LIMIT_OPTION_WITH_TIES
    }

    private static func amount(_ node: Node?, _ sqlState: String, _ name: String) throws(Refusal) -> Amount? {
        guard let node else { return nil }
        if let parameter = node.paramRef { return .count(.parameter(Int(parameter.pointee.number))) }
        guard let literal = node.literal?.value else { return .expression }
        let value: Int64
        switch literal {
        case .null: return nil
        case .integer(let number): value = Int64(number)
        case .number(let digits):
            guard let number = Int64(digits) else { return .expression }
            value = number
        case .string(let digits):
            guard let number = Int64(digits) else { return .expression }
            value = number
        case .boolean, .bitString: return .expression
        }
        guard value >= 0 else { throw Refusal(sqlState, "\(name) must not be negative") }
        return .count(.constant(value))
    }

    var isPresent: Bool { limit != nil || offset != nil }

    /// For the proxy; nil with `isExpression`.
    var limitCount: RowCount? { Self.count(limit) }
    var offsetCount: RowCount? { Self.count(offset) }

    private static func count(_ amount: Amount?) -> RowCount? {
        if case .count(let count)? = amount { return count }
        return nil
    }

    /// Whether the proxy cannot cut the rows by itself.
    var hasExpression: Bool {
        if hasTies { return true }
        if case .expression? = limit { return true }
        if case .expression? = offset { return true }
        return false
    }

    /// What each shard is asked for, as SQL; nil for all rows.
    var shardClause: String? {
        if let shardLimit { return "LIMIT \(shardLimit)" }
        // PostgreSQL wants every parameter in the text: it would find no type for one that is missing. Nothing is skipped by this.
        if limit == nil, case .count(.parameter(let number))? = offset { return "OFFSET LEAST($\(number), 0::pg_catalog.int8)" }
        return nil
    }

    /// How many rows each shard is asked for; nil for all. Saturates instead of overflowing.
    private var shardLimit: String? {
        guard !hasTies, case .count(let limit)? = limit else { return nil }
        switch (limit, offset) {
        case (.constant(let count), nil): return "\(count)"
        case (.parameter(let number), nil): return "$\(number)"
        case (.constant(let count), .count(.constant(let skipped))?):
            let (sum, overflow) = count.addingReportingOverflow(skipped)
            return "\(overflow ? Int64.max : sum)"
        case (_, .count(let skipped)?): return Self.saturatingSum(limit, skipped)
        case (_, .expression?): return nil
        }
    }

    private static func saturatingSum(_ limit: RowCount, _ offset: RowCount) -> String {
        // least() passes over NULL, which means no limit.
        "LEAST(\(numeric(limit)) + COALESCE(\(numeric(offset)), 0), \(Int64.max))::pg_catalog.int8"
    }

    private static func numeric(_ count: RowCount) -> String {
        switch count {
        case .constant(let value): "\(value)::pg_catalog.numeric"
        case .parameter(let number): "$\(number)::pg_catalog.int8::pg_catalog.numeric"
        }
    }
}
