// CatalogRow: one row of a catalog question's answer, read field by field.
import Primitives

/// A catalog answer that is not what the question promises.
public struct CatalogError: Error, Sendable, CustomStringConvertible {
    public var query: CatalogQuery
    public var column: Int
    /// The field as it came.
    public var value: String?

    public var description: String {
        "catalog question \"\(query)\" was answered with \(value.map { "\"\($0)\"" } ?? "NULL") in column \(column + 1)"
    }
}

/// The fields of one row in text format.
///
/// A name that can be written in several ways is read as one that no statement can mean: texts are equal to Swift that PostgreSQL tells apart.
struct CatalogRow {
    let query: CatalogQuery
    let fields: [String?]

    init(_ query: CatalogQuery, _ fields: [String?]) throws(CatalogError) {
        guard fields.count == query.columnCount else {
            throw CatalogError(query: query, column: fields.count, value: nil)
        }
        self.query = query
        self.fields = fields
    }

    func optional(_ column: Int) -> String? { fields[column] }

    func text(_ column: Int) throws(CatalogError) -> String {
        guard let value = fields[column] else { throw error(column) }
        return value
    }

    func name(_ column: Int) throws(CatalogError) -> String {
        let value = try text(column)
        return value.hasOneForm ? value : Self.unmeant + value.utf8.map { String($0, radix: 16) }.joined(separator: " ")
    }

    /// How names begin that no statement can mean.
    static let unmeant = "\u{0}"

    func character(_ column: Int) throws(CatalogError) -> Character {
        guard let value = fields[column]?.first else { throw error(column) }
        return value
    }

    func number<Number: FixedWidthInteger>(_ column: Int, as type: Number.Type = Number.self) throws(CatalogError) -> Number {
        guard let value = fields[column].flatMap({ Number($0) }) else { throw error(column) }
        return value
    }

    func boolean(_ column: Int) throws(CatalogError) -> Bool {
        switch fields[column] {
        case "t": return true
        case "f": return false
        default: throw error(column)
        }
    }

    /// Numbers joined by commas; NULL and the empty text are none.
    func numbers<Number: FixedWidthInteger>(_ column: Int, as type: Number.Type = Number.self) throws(CatalogError) -> [Number] {
        var numbers: [Number] = []
        for part in (fields[column] ?? "").split(separator: ",") {
            guard let number = Number(part) else { throw error(column) }
            numbers.append(number)
        }
        return numbers
    }

    func error(_ column: Int) -> CatalogError { CatalogError(query: query, column: column, value: fields[column]) }
}
