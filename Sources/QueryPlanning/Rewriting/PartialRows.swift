// PartialRows: the shards' partial columns as the finisher reads them. Every column travels as text in an array and is cast
// back, so that PostgreSQL computes with the same values, scales and collations as one server would.

struct PartialRows {
    struct Column {
        /// What the shards compute.
        let expression: String
        /// `::type COLLATE ...`
        let cast: String
        let isKey: Bool
        let name: String
    }
    private(set) var columns: [Column] = []

    static let name = "pgbraid_partial"

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
        columns.append(Column(expression: expression, cast: cast, isKey: isKey, name: name))
        return "\(Self.name).\(name)"
    }

    /// Keys first: the order of the shards' target list.
    var ordered: [Column] { columns.filter(\.isKey) + columns.filter { !$0.isKey } }
    var keyCount: Int { columns.count(where: \.isKey) }

    /// The FROM item: `(SELECT r.a1::bigint AS a1 ... FROM unnest($3::text[], ...) AS r (a1 ...)) AS pgbraid_partial`.
    func source(firstParameter: Int) -> String {
        let columns = ordered
        let casts = columns.map { "pgbraid_rows.\($0.name)\($0.cast) AS \($0.name)" }
        let arrays = columns.indices.map { "$\(firstParameter + $0)::pg_catalog.text[]" }
        // The grammar knows unnest of several arrays by its bare name only, and makes it pg_catalog's.
        let unnest = columns.count == 1 ? "pg_catalog.unnest" : "unnest"
        return "(SELECT \(casts.joined(separator: ", ")) FROM \(unnest)(\(arrays.joined(separator: ", "))) AS pgbraid_rows ("
            + columns.map(\.name).joined(separator: ", ") + ")) AS \(Self.name)"
    }
}
