// FetchedInsertPlan: INSERT ... SELECT whose rows belong to other shards than they come from. The query is run first; its rows
// are then inserted as VALUES, a part at a time, each part planned like any other INSERT.
//
// Each value travels as a string constant of the type the query gave it, so that PostgreSQL assigns it to its column as it would have
// done itself. Constants and parameters without a type stay so: their type is the column's.
//
// UPDATE that changes sharding keys is such a statement, too: its query is a DELETE that returns what the rows will be.

/// What is needed to turn rows into statements.
public struct FetchedInsertPlan: Sendable, Equatable {
    /// The query alone; parameters keep their numbers.
    public var query: String
    /// The statement before and behind the query.
    public var textBefore: String
    public var textAfter: String
    /// Positions of columns whose values have no type of their own.
    public var untypedColumns: Set<Int>
    /// How many columns there are to take values.
    public var columnCount: Int
    /// The statement names its columns, so that there must be a value for each.
    public var namesColumns: Bool
    public var hasReturning: Bool
    /// ON CONFLICT DO UPDATE: PostgreSQL refuses to update a row twice, which it can only see within one statement.
    public var updatesOnConflict: Bool
    /// An UPDATE that moves rows to the shards of their new keys: the query deletes them.
    public var movesRows: Bool

    package init(
        query: String, textBefore: String, textAfter: String, untypedColumns: Set<Int>, columnCount: Int, namesColumns: Bool,
        hasReturning: Bool, updatesOnConflict: Bool, movesRows: Bool = false
    ) {
        self.query = query
        self.textBefore = textBefore
        self.textAfter = textAfter
        self.untypedColumns = untypedColumns
        self.columnCount = columnCount
        self.namesColumns = namesColumns
        self.hasReturning = hasReturning
        self.updatesOnConflict = updatesOnConflict
        self.movesRows = movesRows
    }

    /// The names of the columns' types as SQL; nil for those without.
    /// - Parameter types: the OIDs that the description of the query's rows gives.
    /// - Throws: for a wrong number of columns, as PostgreSQL would, and for types that shards may number differently.
    public func typeNames(_ types: [UInt32]) throws(Refusal) -> [String?] {
        if types.count > columnCount { throw Refusal("42601", "INSERT has more expressions than target columns") }
        if namesColumns, types.count < columnCount { throw Refusal("42601", "INSERT has more target columns than expressions") }
        var names: [String?] = []
        for (position, type) in types.enumerated() {
            if untypedColumns.contains(position) {
                names.append(nil)
            } else if let name = TypeOID.nameByOID[type] {
                names.append("pg_catalog." + SQLText.quoted(name))
            } else {
                throw Refusal(
                    "0A000", "column \(position + 1) of the query has a type of your own, which cannot be inserted into other shards",
                    hint: "Cast it to a built-in type in the query, or read the rows first and insert them with COPY.")
            }
        }
        return names
    }

    /// The statement that inserts these rows; with none of them one that inserts nothing, but checks and describes the same.
    /// - Parameter rows: values in text format; nil is NULL.
    public func text(rows: [[String?]], typeNames: [String?]) -> String {
        guard !rows.isEmpty else {
            let nulls = typeNames.map { Self.value(nil, $0) }.joined(separator: ", ")
            return textBefore + " SELECT " + nulls + " WHERE false " + textAfter
        }
        let tuples = rows.map { row in "(" + zip(row, typeNames).map(Self.value).joined(separator: ", ") + ")" }
        return textBefore + " VALUES " + tuples.joined(separator: ", ") + " " + textAfter
    }

    private static func value(_ value: String?, _ typeName: String?) -> String {
        let literal = value.map(SQLText.literal) ?? "NULL"
        return typeName.map { "CAST(" + literal + " AS " + $0 + ")" } ?? literal
    }
}
