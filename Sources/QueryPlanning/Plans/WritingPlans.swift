// WritingPlans: INSERT whose rows belong to several shards, and values that one server must choose first.
import ShardMap

/// A multi-row INSERT whose rows belong to several shards.
public struct InsertPlan: Sendable {
    /// The statement's text up to and including `VALUES `.
    public var textBefore: String
    /// Each row's text, parentheses included.
    public var rows: [String]
    /// What follows the rows: ON CONFLICT, RETURNING, or empty.
    public var textAfter: String
    public var placement: KeyPlacement
    /// Where each row's key comes from.
    public var keys: [KeyOperand]
    /// n of a varchar(n) that the keys are stored in.
    public var limit: CharacterLimit?
    public var hasReturning: Bool

    public init(
        textBefore: String, rows: [String], textAfter: String, placement: KeyPlacement, keys: [KeyOperand],
        limit: CharacterLimit? = nil, hasReturning: Bool
    ) {
        self.textBefore = textBefore
        self.rows = rows
        self.textAfter = textAfter
        self.placement = placement
        self.keys = keys
        self.limit = limit
        self.hasReturning = hasReturning
    }
}

/// Values that only one server may choose (numbers of a sequence, the time, random values), to be had before a statement
/// can be routed or run alike on several shards.
///
/// Run `query` on the lowest shard, in the statement's transaction; it yields a row, or several one after another. Build the
/// statement's text from their values, plan that text, and carry out that plan with the parameters of the original.
public struct DrawPlan: Sendable, Equatable {
    /// One column a value; ask for text format. Where there are more values than a query has columns, these are several queries.
    public var query: String
    /// The new text around the values: one piece more than there are values.
    public var pieces: [String]

    public init(query: String, pieces: [String]) {
        self.query = query
        self.pieces = pieces
    }

    /// The text to plan and run instead of the original.
    /// - Parameter values: the rows' values in text format; nil is NULL.
    public func text(values: [String?]) -> String {
        var text = pieces.first ?? ""
        for (value, piece) in zip(values, pieces.dropFirst()) { text += (value.map(Self.literal) ?? "NULL") + piece }
        return text
    }

    /// A string constant, byte by byte: a quote followed by a combining mark is a quote all the same.
    private static func literal(_ value: String) -> String {
        let quote = UInt8(ascii: "'")
        var bytes = [quote]
        for byte in value.utf8 { bytes += byte == quote ? [quote, quote] : [byte] }
        return String(decoding: bytes + [quote], as: UTF8.self)
    }
}
