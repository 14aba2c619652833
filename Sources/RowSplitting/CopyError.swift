// CopyError: what is wrong with COPY data, in PostgreSQL's words and with PostgreSQL's CONTEXT line.

/// An error in the data of a COPY FROM. The client's error; the COPY has failed.
public struct CopyError: Error, Hashable, Sendable {
    /// What CONTEXT says beside the line.
    public enum Place: Hashable, Sendable {
        /// Nothing: the error is in the file's header.
        case nowhere
        case line
        /// The line's content.
        case content([UInt8])
        /// A column and its text; nil is NULL.
        case field(column: String, text: [UInt8]?)
        /// A column of binary data, whose value is not shown.
        case column(String)
    }

    public let sqlState: String
    public let message: String
    public let hint: String?
    /// The line of the client's data, from 1; a header line counts. In binary data, the row.
    public let line: Int
    public let place: Place

    public init(sqlState: String, message: String, hint: String? = nil, line: Int, place: Place) {
        self.sqlState = sqlState
        self.message = message
        self.hint = hint
        self.line = line
        self.place = place
    }

    /// PostgreSQL's CONTEXT for this error; nil if it would give none.
    ///
    /// Source: CopyFromErrorCallback in src/backend/commands/copyfrom.c.
    public func context(tableName: String) -> String? {
        let line = "COPY \(tableName), line \(self.line)"
        switch place {
        case .nowhere: return nil
        case .line: return line
        case .content(let bytes): return "\(line): \"\(Self.clipped(bytes))\""
        case .field(let column, nil): return "\(line), column \(column): null input"
        case .field(let column, let text?): return "\(line), column \(column): \"\(Self.clipped(text))\""
        case .column(let column): return "\(line), column \(column)"
        }
    }

    /// At most 100 bytes of a value, whole UTF-8 characters, with dots for the rest.
    private static func clipped(_ bytes: [UInt8]) -> String {
        guard bytes.count > 100 else { return String(decoding: bytes, as: UTF8.self) }
        var end = 100
        while end > 0, bytes[end] & 0xC0 == 0x80 { end -= 1 }
        return String(decoding: bytes[..<end], as: UTF8.self) + "..."
    }
}

/// An error in how lines end, before there is a row.
enum RowSyntaxError: Error {
    case carriageReturn(isCSV: Bool)
    case newline(isCSV: Bool)
    case markerCorrupt
    case markerStyle

    var message: String {
        switch self {
        case .carriageReturn(let isCSV): "\(isCSV ? "unquoted" : "literal") carriage return found in data"
        case .newline(let isCSV): "\(isCSV ? "unquoted" : "literal") newline found in data"
        case .markerCorrupt: "end-of-copy marker corrupt"
        case .markerStyle: "end-of-copy marker does not match previous newline style"
        }
    }

    var hint: String? {
        switch self {
        case .carriageReturn(isCSV: true): "Use quoted CSV field to represent carriage return."
        case .carriageReturn(isCSV: false): "Use \"\\r\" to represent carriage return."
        case .newline(isCSV: true): "Use quoted CSV field to represent newline."
        case .newline(isCSV: false): "Use \"\\n\" to represent newline."
        case .markerCorrupt, .markerStyle: nil
        }
    }
}
