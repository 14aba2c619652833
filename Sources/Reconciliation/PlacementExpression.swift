// PlacementExpression: the shard of a key as an SQL expression, so that each shard finds the rows that are not its own by itself. It says what
// ShardMap says (tests compare them).
import Primitives
import ShardMap

enum PlacementExpression {
    /// - Parameter key: an expression of the key's type.
    /// - Returns: an expression that is NULL where the key belongs on no shard.
    static func shard(of key: String, _ type: KeyType, _ method: PlacementMethod, shardCount: Int) -> String {
        switch method {
        case .hash: hash(key, type, shardCount)
        case .modulo: "pg_catalog.mod(pg_catalog.mod(\(key)::pg_catalog.int8, \(shardCount)) + \(shardCount), \(shardCount))"
        case .range(let range):
            cases(zip(range.upperBounds, range.shards).map { ("\(bytewise(key, type)) < \(literal($0))", $1) }, otherwise: range.shardAbove)
        case .list(let list):
            cases(zip(list.listedKeys, list.shards).map { ("\(bytewise(key, type)) = \(literal($0))", $1) }, otherwise: list.defaultShard)
        }
    }

    /// The row hash is hash_combine64 of zero and the type's extended hash; the bucket is that modulo 5,040 without a sign; buckets are dealt in turn.
    private static func hash(_ key: String, _ type: KeyType, _ shardCount: Int) -> String {
        let seed = Int64(bitPattern: PartitionHash.seed)
        let hash =
            switch type.family {
            case .integer: "pg_catalog.hashint8extended(\(key)::pg_catalog.int8, \(seed))"
            case .text: "pg_catalog.hashtextextended(\(bytewise(key, type)), \(seed))"
            case .uuid: "pg_catalog.uuid_hash_extended(\(key), \(seed))"
            }
        let bucket = "pg_catalog.mod(pg_catalog.mod(\(hash)::pg_catalog.numeric + 23752253665144318179, 18446744073709551616), \(Limits.bucketCount))::pg_catalog.int4"
        return "pg_catalog.mod(\(bucket), \(shardCount))"
    }

    private static func bytewise(_ key: String, _ type: KeyType) -> String { type.family == .text ? "(\(key)::pg_catalog.text COLLATE \"C\")" : key }

    private static func literal(_ key: KeyValue) -> String {
        switch key {
        case .integer(let value): "'\(value)'::pg_catalog.int8"
        case .uuid(let value): "'\(value.text)'::pg_catalog.uuid"
        case .text(let bytes): SQL.literal(String(decoding: bytes, as: UTF8.self))
        }
    }

    private static func cases(_ cases: [(condition: String, shard: ShardIndex)], otherwise: ShardIndex?) -> String {
        "CASE " + cases.map { "WHEN \($0.condition) THEN \($0.shard.int)" }.joined(separator: " ") + " ELSE \(otherwise.map { "\($0.int)" } ?? "NULL") END"
    }
}
