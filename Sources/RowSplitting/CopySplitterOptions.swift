// CopySplitterOptions: what a CopySplitter must know about the COPY statement and the table.
import ShardMap

/// The sharding key among the copied columns.
public struct CopyKeyColumn: Sendable {
    /// Its position in the COPY column list, from 0.
    public let column: Int
    public let type: KeyType
    public let method: PlacementMethod
    /// n of varchar(n). COPY drops blanks beyond it, which changes the hash; nil means no limit.
    public var limit: CharacterLimit?
    /// The key is in FORCE_NOT_NULL (CSV).
    public var isForcedNotNull = false
    /// The key is in FORCE_NULL (CSV).
    public var isForcedNull = false

    public init(column: Int, type: KeyType, method: PlacementMethod) {
        self.column = column
        self.type = type
        self.method = method
    }
}

/// What a CopySplitter must know. The client's encoding must be the server's: the key is hashed as it comes.
public struct CopySplitterOptions: Sendable {
    public let format: CopyDataFormat
    /// The copied columns in order.
    public let columnNames: [String]
    /// nil sends every byte to every shard (reference tables).
    public let key: CopyKeyColumn?
    /// The longest row that may wait for its end, in bytes; beyond it error 54000.
    public var rowLimitBytes = 64 << 20
    /// How many of the latest lines remember their shard, one byte each, to correct the lines in shards' errors.
    public var rememberedLines = 1 << 22

    /// `key.column` must be a position in `columnNames`.
    public init(format: CopyDataFormat, columnNames: [String], key: CopyKeyColumn?) {
        precondition(key.map { columnNames.indices.contains($0.column) } ?? true, "the key is no copied column")
        self.format = format
        self.columnNames = columnNames
        self.key = key
    }
}
