// Transcript: what a server sent, one line a frame, without what may differ between servers that behave alike:
// process ids and keys, OIDs of what users made, source lines of errors.
import WireProtocol

enum Transcript {
    /// OIDs from here on belong to objects made after initdb (FirstNormalObjectId).
    private static let firstUserOID: UInt32 = 16_384

    /// The frame as text. Frames that cannot be read are shown as such, never dropped.
    static func line(of frame: Frame, onlyStates: Bool = false) -> String {
        frame.bytes.withUnsafeBytes { bytes in
            do {
                return try read(bytes, frame.letter, onlyStates)
            } catch {
                return "unreadable \(frame.letter): \(frame.bytes)"
            }
        }
    }

    private static func read(_ bytes: UnsafeRawBufferPointer, _ letter: Character, _ onlyStates: Bool) throws -> String {
        var cursor = try MessageCursor(frame: bytes)
        switch letter {
        case "R": return "R \(try cursor.integer(Int32.self))"
        case "K": return "K"
        case "S": return "S \(text(try cursor.string()))=\(text(try cursor.string()))"
        case "Z": return "Z \(Character(UnicodeScalar(try cursor.byte())))"
        case "C": return "C \(text(try cursor.string()))"
        case "D": return "D " + (try values(&cursor)).joined(separator: "|")
        case "T": return "T " + (try columns(&cursor)).joined(separator: "|")
        case "t": return "t " + (try oids(&cursor)).joined(separator: ",")
        case "E", "N": return try message(letter, &cursor, onlyStates)
        case "d": return "d \(text(cursor.rest))"
        case "G", "H": return try copyResponse(letter, &cursor)
        case "v": return try negotiation(&cursor)
        case "A":
            _ = try cursor.integer(Int32.self)
            return "A \(text(try cursor.string())) \(text(try cursor.string()))"
        default: return cursor.remaining == 0 ? String(letter) : "\(letter) \(text(cursor.rest))"
        }
    }

    /// Readable bytes as they are, the others in hexadecimal.
    private static func text(_ bytes: UnsafeRawBufferPointer) -> String {
        bytes.map { byte in
            switch byte {
            case UInt8(ascii: "\n"): "\\n"
            case UInt8(ascii: "\t"): "\\t"
            case 0x20..<0x7F: String(UnicodeScalar(byte))
            default: "\\x" + String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
            }
        }.joined()
    }

    private static func values(_ cursor: inout MessageCursor) throws -> [String] {
        var values: [String] = []
        for _ in 0..<(try cursor.count()) { values.append(try cursor.value().map(text) ?? "NULL") }
        return values
    }

    private static func columns(_ cursor: inout MessageCursor) throws -> [String] {
        var columns: [String] = []
        for _ in 0..<(try cursor.count()) {
            let name = text(try cursor.string())
            let table = oid(try cursor.integer(UInt32.self))
            let number = try cursor.integer(Int16.self)
            let type = oid(try cursor.integer(UInt32.self))
            let (size, modifier) = (try cursor.integer(Int16.self), try cursor.integer(Int32.self))
            columns.append("\(name) \(table).\(number) \(type) \(size) \(modifier) \(try cursor.integer(Int16.self))")
        }
        return columns
    }

    private static func oids(_ cursor: inout MessageCursor) throws -> [String] {
        var list: [String] = []
        for _ in 0..<(try cursor.count()) { list.append(oid(try cursor.integer(UInt32.self))) }
        return list
    }

    private static func oid(_ number: UInt32) -> String { number >= firstUserOID ? "user" : "\(number)" }

    private static func message(_ letter: Character, _ cursor: inout MessageCursor, _ onlyStates: Bool) throws -> String {
        var fields: [Character: String] = [:]
        while let code = cursor.next, code != 0 {
            _ = try cursor.byte()
            fields[Character(UnicodeScalar(code))] = text(try cursor.string())
        }
        var line = "\(letter) \(fields["V"] ?? "?") \(fields["C"] ?? "?")"
        if onlyStates { return line }
        line += " \(fields["M"] ?? "?")"
        for code: Character in ["D", "H", "P", "p", "q", "W", "s", "t", "c", "d", "n"] {
            if let value = fields[code] { line += " \(code)=\(value)" }
        }
        return line
    }

    private static func copyResponse(_ letter: Character, _ cursor: inout MessageCursor) throws -> String {
        var line = "\(letter) \(try cursor.byte())"
        for _ in 0..<(try cursor.count()) { line += " \(try cursor.integer(Int16.self))" }
        return line
    }

    private static func negotiation(_ cursor: inout MessageCursor) throws -> String {
        var line = "v \(try cursor.integer(Int32.self))"
        for _ in 0..<(try cursor.integer(Int32.self)) { line += " \(text(try cursor.string()))" }
        return line
    }
}
