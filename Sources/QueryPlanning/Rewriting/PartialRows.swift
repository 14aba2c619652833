// PartialRows: what the shards compute for a finisher, column by column. Every column travels as text in an array and is cast
// back, so that PostgreSQL computes with the same values, scales and collations as one server would.
import ResultMerging

struct PartialRows {
    struct Column {
        /// What the shards compute.
        let expression: String
        let type: SQLType
        /// The type under a domain, else the type itself.
        let baseOID: UInt32
        /// `::type COLLATE ...`
        let cast: String
        /// Its type is a domain that may not take NULL, as which a column of an outer join can be all the same.
        let isConstrained: Bool
        let isKey: Bool
        let name: String

        /// The value out of its text.
        func value(_ text: String) -> String {
            isConstrained ? "(SELECT \(text)\(cast) WHERE \(text) IS NOT NULL)" : text + cast
        }
    }
    private(set) var columns: [Column] = []

    /// The name of the FROM item that offers the columns.
    static let name = "pgbraid_partial"

    /// The column that numbers fetched rows; it makes the order of rows the same wherever they are ordered.
    static let placeName = "place"
    static let place = name + "." + placeName

    /// Adds a column and returns how the finisher writes it; nil when its type cannot be named. Equal expressions share a
    /// column.
    /// - Parameter isKey: the shards group by it.
    mutating func add(_ expression: String, _ type: SQLType, isKey: Bool, _ context: AnalysisContext) -> String? {
        guard let typeName = context.castName(type), let collate = context.collateClause(type) else { return nil }
        let cast = "::\(typeName)\(collate)"
        if let known = columns.first(where: { $0.expression == expression && $0.cast == cast && $0.isKey == isKey }) {
            return "\(Self.name).\(known.name)"
        }
        let name = (isKey ? "k" : "a") + "\(columns.count { $0.isKey == isKey } + 1)"
        columns.append(
            Column(
                expression: expression, type: type, baseOID: context.baseOID(type.oid), cast: cast,
                isConstrained: context.isConstrained(type.oid), isKey: isKey, name: name))
        return "\(Self.name).\(name)"
    }

    /// Something to count rows by where nothing of them is needed.
    mutating func addRowMark(_ expression: String, _ type: SQLType, _ context: AnalysisContext) {
        if columns.isEmpty { _ = add(expression, type, isKey: false, context) }
    }

    /// Keys first: the order of the shards' target list.
    var ordered: [Column] { columns.filter(\.isKey) + columns.filter { !$0.isKey } }
    var keyCount: Int { columns.count(where: \.isKey) }

    /// The FROM item: `(SELECT r.a1::bigint AS a1 ... FROM unnest($3::text[], ...) AS r (a1 ...)) AS pgbraid_partial`.
    func source(firstParameter: Int) -> String {
        let names = ordered.map(\.name)
        let arrays = Self.unnest(ordered.indices.map { firstParameter + $0 })
        return "(SELECT \(casts) FROM \(arrays) AS pgbraid_rows (\(names.joined(separator: ", ")))) AS \(Self.name)"
    }

    /// `pgbraid_rows.a1::bigint AS a1, ...`
    var casts: String { ordered.map { $0.value("pgbraid_rows.\($0.name)") + " AS \($0.name)" }.joined(separator: ", ") }

    /// The grammar knows unnest of several arrays by its bare name only, and makes it pg_catalog's.
    static func unnest(_ parameters: [Int]) -> String {
        let arrays = parameters.map { "$\($0)::pg_catalog.text[]" }.joined(separator: ", ")
        return (parameters.count == 1 ? "pg_catalog.unnest" : "unnest") + "(\(arrays))"
    }
}

/// A query whose rows one server makes from what the shards compute.
struct PartialQuery {
    /// What every shard runs; its columns are `rows.ordered`.
    let shardText: String
    let rows: PartialRows
    /// The query around its FROM item, which offers the columns as `pgbraid_partial`.
    let before: String
    let after: String
    let reason: String

    /// The plan for a statement that is this query.
    func plan(_ planner: StatementPlanner) throws(Refusal) -> ScatterPlanner.Result {
        let first = planner.binder.parameterCount + 1
        let count = rows.columns.count
        let text = before + rows.source(firstParameter: first) + after
        let readsTables = try planner.checkFinisher(text, reading: rows.columns.map(\.type))
        let finisher = Finisher(text: text, firstArrayParameter: first, columnCounts: [count], readsTables: readsTables)
        return .init(
            plan: ScatterPlan(shardText: shardText, merge: MergePlan(visibleColumnCount: count), finisher: finisher), reason: reason)
    }
}
