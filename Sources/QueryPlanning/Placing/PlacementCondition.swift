// PlacementCondition: "this row is this shard's" as SQL, so that a shard itself finds the rows that stay and those that go.
//
// The hash is PostgreSQL's own (`PartitionHash`), by the functions its hash partitions use; pgbraid.bucket makes the bucket of it.
import Primitives
import ShardMap

extension PlacementChange {
    /// - Parameter placement: a sharded one whose method is hash or modulo.
    static func condition(_ placement: Placement, _ table: Relation, _ shard: Int, _ shardCount: Int) -> String {
        guard case .sharded(let index, let key) = placement else { return "true" }
        let column = table.columns[index]
        if key.method == .modulo {
            let value = "\(SQLText.quoted(column.name))::pg_catalog.numeric"
            return "pg_catalog.mod(pg_catalog.mod(\(value), \(shardCount)) + \(shardCount), \(shardCount)) = \(shard)"
        }
        return "pg_catalog.mod(pgbraid.bucket(\(hash(column, key))), \(shardCount)) = \(shard)"
    }

    /// The hash of the column's value as a bigint.
    static func hash(_ column: Column, _ key: KeyPlacement) -> String {
        let seed = Int64(bitPattern: PartitionHash.seed)
        let value = SQLText.quoted(column.name)
        return switch key.keyType.family {
        case .integer: "pg_catalog.hashint8extended(\(value)::pg_catalog.int8, \(seed))"
        case .text: "pg_catalog.hashtextextended(\(value)::pg_catalog.text, \(seed))"
        case .uuid: "pg_catalog.uuid_hash_extended(\(value), \(seed))"
        }
    }
}
