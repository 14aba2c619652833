// CopyPlans: COPY whose rows are split over the shards or joined.
import ShardMap

/// COPY table FROM STDIN.
public struct CopyInPlan: Sendable {
    /// Text for the shards, with the column list written out.
    public var shardText: String
    public var options: CopyOptions
    /// The key's placement, its position among the copied columns, and n if it is a varchar(n); nil: every row goes to every
    /// shard of the route.
    public var key: (placement: KeyPlacement, column: Int, limit: CharacterLimit?)?
    /// Copied columns, in order.
    public var columns: [String]
    public var tableName: String

    public init(
        shardText: String, options: CopyOptions, key: (placement: KeyPlacement, column: Int, limit: CharacterLimit?)?,
        columns: [String], tableName: String
    ) {
        self.shardText = shardText
        self.options = options
        self.key = key
        self.columns = columns
        self.tableName = tableName
    }
}

/// COPY (query) TO STDOUT of a query whose rows must be put together from several shards.
public struct CopyQueryPlan: Sendable {
    public var query: String
    /// How many characters of the client's text stand in front of the query: errors tell positions in the whole of it.
    public var charactersBefore: Int
    /// The statement's text before and behind the query, the parentheses with it.
    public var textBefore: String
    public var textAfter: String
    public var isBinary: Bool

    public init(query: String, charactersBefore: Int, textBefore: String, textAfter: String, isBinary: Bool) {
        self.query = query
        self.charactersBefore = charactersBefore
        self.textBefore = textBefore
        self.textAfter = textAfter
        self.isBinary = isBinary
    }
}

/// The options of COPY that matter for splitting and joining.
public struct CopyOptions: Sendable, Equatable {
    public var format: CopyFormat = .text
    public var delimiter: UInt8 = UInt8(ascii: "\t")
    public var null: String = "\\N"
    public var quote: UInt8 = UInt8(ascii: "\"")
    public var escape: UInt8 = UInt8(ascii: "\"")
    public var hasHeader = false
    public init() {}
}

/// Formats of COPY data.
public enum CopyFormat: UInt8, Sendable {
    case text, csv, binary
}
