// Names and values as SQL text.
import Primitives

enum SQL {
    static func name(_ name: String) -> String { QuotedText.identifier(name) }

    static func literal(_ text: String) -> String { QuotedText.literal(text) }

    static func literal(_ text: String?) -> String { text.map { literal($0) } ?? "NULL" }

    /// A value as its type's output function writes it, put in order by its bytes; NULL stays NULL, which format() alone would make an empty text. Not a
    /// cast, which the type's owner may have made; IS NULL would be true of a row of NULLs.
    static func written(_ value: String) -> String {
        "CASE WHEN \(value) IS DISTINCT FROM NULL THEN pg_catalog.format('%s', \(value)) END COLLATE \"C\""
    }

    /// A statement for one shard alone; nil: for the whole database.
    static func addressed(_ shard: Int?, _ text: String) -> String { shard.map { "/* pgbraid: shard=\($0) */ \(text)" } ?? text }

    /// The row of a table that has these values.
    static func condition(_ names: [String], _ values: [String?]) -> String {
        zip(names, values).map { name, value in value.map { "\(SQL.name(name)) = \(literal($0))" } ?? "\(SQL.name(name)) IS NULL" }.joined(separator: " AND ")
    }
}
