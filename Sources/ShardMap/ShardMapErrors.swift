// The errors of placement: PlacementError belongs to one key or statement, ShardMapError to a configuration.

/// A key, or a table, that has no place. The client's error.
public enum PlacementError: Error, Hashable, Sendable {
    /// A range or list placement has no shard for this key.
    case noShard(KeyValue)
    /// The placement method cannot place keys of this family (modulo of text, integers in ranges of uuids ...).
    case methodRefusesKey(method: String, family: KeyFamily)
    /// A rule shards the table by a column that it does not have.
    case keyColumnMissing(table: String, column: String)
    /// The value is none of the key's type.
    case invalidKey(KeyFormatError, type: KeyType, text: String)

    public var sqlState: String {
        switch self {
        case .noShard: "23514"
        case .methodRefusesKey: "42804"
        case .keyColumnMissing: "42703"
        case .invalidKey(let error, _, _): error.sqlState
        }
    }

    public var message: String {
        switch self {
        case .noShard(let key): "no shard for key \"\(key)\""
        case .methodRefusesKey(let method, let family):
            "placement method \(method) does not fit a key of type \(family.name)"
        case .keyColumnMissing(let table, let column):
            "sharding key column \"\(column)\" of table \(table) does not exist"
        case .invalidKey(let error, let type, let text): error.message(type: type, text: text)
        }
    }

    public var hint: String? {
        switch self {
        case .noShard: "Add a range, a list value or a default shard for this key to the table's placement rule."
        case .methodRefusesKey: "Use method hash, or a key column of a type that fits."
        case .keyColumnMissing:
            "Correct the table's rule in the configuration, or name its key column in create_distributed_table."
        case .invalidKey: nil
        }
    }
}

/// A configuration that cannot be used.
public enum ShardMapError: Error, Hashable, Sendable, CustomStringConvertible {
    /// No shard, or more than `Limits.maximumShardCount`.
    case invalidShardCount(Int)
    /// Bounds missing, of several types, or not in ascending order.
    case invalidRange
    /// Keys missing, of several types, or listed twice.
    case invalidList
    /// A rule names a shard that does not exist.
    case unknownShard(Int, shardCount: Int)
    /// An explicit bucket table has not exactly `Limits.bucketCount` entries.
    case invalidBucketTable(entries: Int)
    /// A table name that is not `table` or `schema.table`.
    case invalidTableName(String)
    /// Two rules for one table.
    case duplicateRule(String)

    public var description: String {
        switch self {
        case .invalidShardCount(let count): "a cluster has 1 to 256 shards, not \(count)"
        case .invalidRange: "a range placement needs upper bounds of one type in ascending order"
        case .invalidList: "a list placement needs keys of one type, each once"
        case .unknownShard(let shard, let count):
            "a placement names shard \(shard), but there are only \(count) shards (from 0)"
        case .invalidBucketTable(let entries): "a bucket table has 5040 entries, not \(entries)"
        case .invalidTableName(let name): "\"\(name)\" is no table name: write table or schema.table"
        case .duplicateRule(let name): "table \(name) has two rules"
        }
    }
}
