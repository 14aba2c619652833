// Comparison: what is asked of two sides so that their rows can be merged: the same columns in the same order, sorted by the key.
import DatabaseClient
import ProxyCore
import WireProtocol

/// One side of a comparison: a query, where it is asked.
struct ComparedSide {
    var session: DatabaseSession
    /// The only shard that is asked; nil: the whole database.
    var shard: Int?
    var query: String
    /// For messages: source or target.
    var role: String

    var name: String { "\(role) (\(session.name)\(shard.map { ", shard \($0)" } ?? ""))" }
}

struct Comparison {
    let source: ComparedSide
    let target: ComparedSide
    let order: KeyOrder
    let merge: RowMerge
    /// The key first.
    let columns: [String]
    let keyCount: Int
    private let types: [[UInt32]]
    private let limits: ReconciliationLimits

    var key: [String] { Array(columns[..<keyCount]) }

    /// - Throws: ReconciliationError where the sides cannot be compared; what asking them throws.
    init(
        source: ComparedSide, target: ComparedSide, key: [String], tolerances: [String: String] = [:], isSubset: Bool = false, limits: ReconciliationLimits
    ) throws {
        self.source = source
        self.target = target
        self.limits = limits
        let (left, right) = (try Self.columns(source), try Self.columns(target))
        let others = left.map(\.name).filter { !key.contains($0) }
        let columns = key + others
        self.columns = columns
        keyCount = key.count
        for (side, found) in [(source, left), (target, right)] {
            let missing = columns.filter { name in !found.contains { $0.name == name } }
            let further = found.map(\.name).filter { !columns.contains($0) }
            guard missing.isEmpty, further.isEmpty else {
                let words = missing.map { "\"\($0)\" is missing" } + further.map { "\"\($0)\" is one too many" }
                throw ReconciliationError(
                    "42703", "the \(side.name) has other columns: \(words.joined(separator: ", "))",
                    hint: "Both queries must have the key's columns, and all columns under the same names.")
            }
        }
        for name in tolerances.keys.sorted() where !others.contains(name) {
            throw ReconciliationError("42703", "there is no column \"\(name)\" that a tolerance could be for", hint: "Tolerances are for columns beside the key.")
        }
        types = [left, right].map { side in columns.map { name in side.first { $0.name == name }?.type ?? 0 } }
        order = KeyOrder(kinds: zip(types[0], types[1]).prefix(key.count).map { KeyOrder.kind($0, $1) })
        merge = RowMerge(order: order, tolerances: columns.map { tolerances[$0].flatMap(ValueTolerance.init) }, isSubset: isSubset)
    }

    private static func columns(_ side: ComparedSide) throws -> [(name: String, type: UInt32)] {
        let fields = try naming(side) { try side.session.connection.describe(SQL.addressed(side.shard, "SELECT * FROM (\n\(trimmed(side.query))\n) AS q")) }
        let names = fields.map(\.nameText)
        guard Set(names).count == names.count, !names.isEmpty else {
            throw ReconciliationError("42701", "the query of the \(side.name) has no columns, or several of one name", hint: "Name them: SELECT a.id, b.id AS other_id.")
        }
        return fields.map { ($0.nameText, $0.typeOID) }
    }

    /// Says of an error whose it is.
    private static func naming<Result>(_ side: ComparedSide, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as DatabaseMessage {
            throw ReconciliationError(error.sqlState.rawValue, "the \(side.name) refuses its query: \(error.message)", hint: error.hint)
        }
    }

    private static func trimmed(_ query: String) -> String {
        var query = query[...]
        while let last = query.last, last == ";" || last.isWhitespace { query.removeLast() }
        return String(query)
    }

    // MARK: Reading

    /// A reader of one side's rows, in the order of their keys.
    /// - Parameter keys: only the rows of these; nil: all.
    func reader(_ side: ComparedSide, keys: [[String?]]? = nil) -> RowReader {
        let isSource = side.role == source.role
        let list = columns.map { "q.\(SQL.name($0))" }.joined(separator: ", ")
        let sorting = zip(columns, order.kinds).map { KeyOrder.expression($0, $1) }.joined(separator: ", ")
        var parameters: [String?] = []
        let condition = keys.map { " WHERE " + self.condition($0, types[isSource ? 0 : 1], types[isSource ? 1 : 0], &parameters) } ?? ""
        let text = SQL.addressed(side.shard, "SELECT \(list) FROM (\n\(Self.trimmed(side.query))\n) AS q\(condition) ORDER BY \(sorting)")
        let (session, values) = (side.session, parameters)
        var portal = ""
        return RowReader(order: order, limits: limits, name: side.name) { rows, isAnew, take in
            if isAnew { portal = session.nextPortal() }
            session.awaitAnswer()
            return try session.connection.fetch(portal: portal, opening: isAnew ? text : nil, values, rows: rows, take)
        }
    }

    /// The values of the keys go into `parameters`: nothing of a client's stands in the text.
    private func condition(_ keys: [[String?]], _ types: [UInt32], _ others: [UInt32], _ parameters: inout [String?]) -> String {
        var conditions: [String] = []
        for values in keys {
            var parts: [String] = []
            for (index, value) in values.enumerated() {
                parts.append(KeyOrder.condition(columns[index], order.kinds[index], type: types[index], other: others[index], value: value, &parameters))
            }
            conditions.append("(" + parts.joined(separator: " AND ") + ")")
        }
        return conditions.joined(separator: " OR ")
    }

    /// Keys that one statement may ask for, whose values are its parameters.
    var keysPerStatement: Int { max(1, min(limits.keysPerStatement, ReconciliationLimits.parametersPerStatement / max(1, keyCount))) }

    /// Merges both sides once.
    /// - Parameter keys: only the rows of these; nil: all.
    /// - Returns: how many rows either has.
    func run(keys: [[String?]]? = nil, _ found: (Candidate) throws -> Void) throws -> (source: Int, target: Int) {
        let (left, right) = (reader(source, keys: keys), reader(target, keys: keys))
        do {
            try merge.run(left, right, found)
        } catch let error as DatabaseMessage {
            throw ReconciliationError(error.sqlState.rawValue, "\(source.session.name) or \(target.session.name): \(error.message)", hint: error.hint)
        }
        return (left.rowCount, right.rowCount)
    }

    func keyValues(_ candidate: Candidate) -> [String?] { candidate.row.map { Array($0.values.prefix(keyCount)) } ?? [] }

    /// Equal for candidates of one key, whichever side has written it. Bytes: Swift takes texts for equal that are two keys to PostgreSQL.
    func identity(_ candidate: Candidate) -> [[UInt8]?] {
        zip(keyValues(candidate), order.kinds).map { value, kind in value.map { Array(KeyOrder.canonical($0, kind).utf8) } }
    }

    func named(_ row: ResultRow?) -> [String: String?]? {
        row.map { Dictionary(zip(columns, $0.values)) { first, _ in first } }
    }
}
