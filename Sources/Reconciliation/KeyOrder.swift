// KeyOrder: the one order that both sides of a comparison have their rows in, and how rows are found again by their keys.
//
// Two servers may have other collations, and other versions of the same collation. So keys are put in order by what no server knows otherwise:
// numbers by value, uuids by their bytes, and all else by the bytes of its text (COLLATE "C"). NULL comes last. What the servers send is checked
// against this order, row by row: rows in any other are an error, and not differences.
import Glibc

struct KeyOrder {
    /// How values of one key column are compared.
    enum Kind: Equatable {
        case number
        /// By the bytes of the text, in which the column's own order agrees.
        case uuid
        /// By the bytes of a column that is a text.
        case text
        /// By the bytes of what the type's output function writes.
        case written
    }

    let kinds: [Kind]

    /// How values of two types are compared with each other. The OIDs are those of pg_type.dat.
    static func kind(_ source: UInt32, _ target: UInt32) -> Kind {
        let both = [source, target]
        if both.allSatisfy({ [20, 21, 23, 1700].contains($0) }) { return .number }
        if both.allSatisfy({ $0 == 2950 }) { return .uuid }
        if both.allSatisfy({ [25, 1043, 19].contains($0) }) { return .text }
        return .written
    }

    /// What ORDER BY says of a column.
    static func expression(_ column: String, _ kind: Kind) -> String {
        switch kind {
        case .number, .uuid: "q.\(SQL.name(column))"
        case .text: "q.\(SQL.name(column)) COLLATE \"C\""
        case .written: SQL.written("q.\(SQL.name(column))")
        }
    }

    /// Types whose values are found by `column = 'text'`, where both sides have the same one.
    private static let comparable: Set<UInt32> = [16, 17, 18, 19, 25, 26, 869, 1042, 1043, 1082, 1083, 1114, 1184, 2950]

    /// The condition that finds a key's value again, in a column of the type `type`, on whatever shard: the proxy must not take it for a sharding key
    /// whose shard it knows, since rows that are elsewhere are what is looked for. Indexes serve it all the same.
    /// - Parameters:
    ///   - other: the type of the other side's column, from which the value may be.
    ///   - parameters: of the statement; the value is added to them.
    static func condition(_ column: String, _ kind: Kind, type: UInt32, other: UInt32, value: String?, _ parameters: inout [String?]) -> String {
        let name = "q.\(SQL.name(column))"
        // Of a row IS NULL asks for its values.
        guard let value else { return kind == .written ? "\(name) IS NOT DISTINCT FROM NULL" : "\(name) IS NULL" }
        let written = canonical(value, kind)
        parameters.append(written)
        let parameter = "$\(parameters.count)"
        switch kind {
        case .number:
            // An integer can be looked up in an index of integers, another number only be compared with them.
            return "\(name) = \(parameter)::pg_catalog.text::pg_catalog.\(Int64(written) == nil ? "numeric" : "int8")"
        case .uuid: return "\(name) = \(parameter)::pg_catalog.text::pg_catalog.uuid"
        case .text: return "\(name) = (\(parameter)::pg_catalog.text || '')"
        case .written:
            let isSame = type == other && comparable.contains(type)
            return "\(isSame ? name : SQL.written(name)) = \(parameter)"
        }
    }

    /// One text for all texts that are equal as keys.
    static func canonical(_ value: String, _ kind: Kind) -> String {
        guard kind == .number else { return value }
        return Array(value.utf8).withUnsafeBytes { DecimalNumber($0) }?.text ?? value
    }

    /// Compares the keys of two rows, which are their first fields: below zero, zero, or above it.
    func compare(_ a: ResultRow, _ b: ResultRow) -> Int {
        a.withMessage { a in
            b.withMessage { b in
                var (a, b) = (a, b)
                for kind in kinds {
                    let order = Self.compare(a.next(), b.next(), kind)
                    if order != 0 { return order }
                }
                return 0
            }
        }
    }

    @inline(__always)
    private static func compare(_ a: UnsafeRawBufferPointer?, _ b: UnsafeRawBufferPointer?, _ kind: Kind) -> Int {
        guard let a, let b else { return a == nil ? (b == nil ? 0 : 1) : -1 }
        if kind == .number {
            if let left = DecimalNumber.smallInteger(a), let right = DecimalNumber.smallInteger(b) { return left < right ? -1 : left > right ? 1 : 0 }
            if let left = DecimalNumber(a), let right = DecimalNumber(b) { return DecimalNumber.compare(left, right) }
        }
        return compareBytes(a, b)
    }

    static func compareBytes(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
        guard let left = a.baseAddress, let right = b.baseAddress else { return a.count < b.count ? -1 : a.count > b.count ? 1 : 0 }
        let order = Int(memcmp(left, right, min(a.count, b.count)))
        return order != 0 ? order : a.count < b.count ? -1 : a.count > b.count ? 1 : 0
    }
}
