// TableName: a table as a rule names it, `table` or `schema.table`.
//
// Read as PostgreSQL reads identifiers: letters fold to lower case unless quoted, `""` inside quotes is one quote.
import Primitives

/// A table's name in a rule; without a schema it means the table in every schema.
public struct TableName: Hashable, Sendable, CustomStringConvertible {
    public let schema: String?
    public let table: String

    public init(schema: String?, table: String) {
        self.schema = schema
        self.table = table
    }

    /// - Throws: `invalidTableName` for anything but one or two identifiers joined by a dot.
    public init(parsing text: String) throws(ShardMapError) {
        guard let parts = Self.identifiers(in: Array(text.utf8)), (1...2).contains(parts.count) else {
            throw .invalidTableName(text)
        }
        schema = parts.count == 2 ? parts[0] : nil
        table = parts[parts.count - 1]
    }

    /// Always quoted, so that two names never read alike.
    public var description: String {
        (schema.map { Self.quoted($0) + "." } ?? "") + Self.quoted(table)
    }

    /// An SQL identifier in double quotes.
    static func quoted(_ identifier: String) -> String { QuotedText.identifier(identifier) }

    private static func identifiers(in text: [UInt8]) -> [String]? {
        var parts: [String] = []
        var position = 0
        while true {
            guard let part = identifier(in: text, at: &position) else { return nil }
            parts.append(part)
            if position == text.count { return parts }
            guard text[position] == UInt8(ascii: ".") else { return nil }
            position += 1
        }
    }

    private static func identifier(in text: [UInt8], at position: inout Int) -> String? {
        guard position < text.count else { return nil }
        let bytes =
            text[position] == UInt8(ascii: "\"")
            ? quotedIdentifier(in: text, at: &position) : plainIdentifier(in: text, at: &position)
        guard let bytes, !bytes.isEmpty else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func plainIdentifier(in text: [UInt8], at position: inout Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        while position < text.count, text[position] != UInt8(ascii: ".") {
            let byte = text[position]
            guard byte != UInt8(ascii: "\""), byte > 0x20 else { return nil }
            bytes.append((UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte + 32 : byte)
            position += 1
        }
        return bytes
    }

    private static func quotedIdentifier(in text: [UInt8], at position: inout Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        position += 1
        while position < text.count {
            let byte = text[position]
            position += 1
            if byte == UInt8(ascii: "\"") {
                guard position < text.count, text[position] == byte else { return bytes }
                position += 1
            }
            bytes.append(byte)
        }
        return nil
    }
}
