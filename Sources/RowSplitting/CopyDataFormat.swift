// CopyDataFormat: how rows are written in the data of a COPY, for splitting and for joining.

/// The format options of COPY that decide where rows and fields end.
///
/// Source: PostgreSQL manual, COPY. The initialisers' defaults are COPY's own.
public struct CopyDataFormat: Hashable, Sendable {
    public enum Kind: UInt8, Hashable, Sendable {
        case text
        case csv
        case binary
    }

    public let kind: Kind
    public let delimiter: UInt8
    /// The string that stands for NULL.
    public let null: [UInt8]
    /// CSV only.
    public let quote: UInt8
    /// CSV only.
    public let escape: UInt8
    /// HEADER true or MATCH: the first line names the columns.
    public let hasHeader: Bool

    private init(kind: Kind, delimiter: UInt8, null: [UInt8], quote: UInt8, escape: UInt8, hasHeader: Bool) {
        self.kind = kind
        self.delimiter = delimiter
        self.null = null
        self.quote = quote
        self.escape = escape
        self.hasHeader = hasHeader
    }

    public static func text(
        delimiter: UInt8 = UInt8(ascii: "\t"), null: [UInt8] = Array("\\N".utf8), hasHeader: Bool = false
    ) -> CopyDataFormat {
        CopyDataFormat(kind: .text, delimiter: delimiter, null: null, quote: 0, escape: 0, hasHeader: hasHeader)
    }

    /// - Parameter escape: nil means the quote character, as in COPY.
    public static func csv(
        delimiter: UInt8 = UInt8(ascii: ","), null: [UInt8] = [], quote: UInt8 = UInt8(ascii: "\""),
        escape: UInt8? = nil, hasHeader: Bool = false
    ) -> CopyDataFormat {
        CopyDataFormat(
            kind: .csv, delimiter: delimiter, null: null, quote: quote, escape: escape ?? quote, hasHeader: hasHeader)
    }

    public static let binary = CopyDataFormat(
        kind: .binary, delimiter: 0, null: [], quote: 0, escape: 0, hasHeader: false)
}
