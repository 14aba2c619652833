// PlacementExpression: PostgreSQL finds each key on the shard on which the proxy finds it, by every method.
import Primitives
import ShardMap
import TestSupport
import Testing

@testable import Reconciliation

@Suite struct PlacementExpressionTests {
    private static let shardCount = 5

    private static let keys: [(type: KeyType, sqlType: String, texts: String)] = [
        (.int2, "int2", "SELECT unnest('{0,1,-1,32767,-32768,999,1000,1001}'::int2[])"),
        (.int4, "int4", "SELECT i * 37 - 20000 FROM generate_series(1, 500) AS i"),
        (.int8, "int8", "SELECT i::int8 * 92233720368547 - 4611686018427387904 FROM generate_series(1, 500) AS i"),
        (.text, "text", "SELECT md5(i::text) || repeat('é', i % 7) FROM generate_series(1, 500) AS i UNION ALL SELECT unnest('{\"\",a,B,b,é,zz,m}'::text[])"),
        (.text, "varchar", "SELECT i::text FROM generate_series(1, 100) AS i"), (.uuid, "uuid", "SELECT md5(i::text)::uuid FROM generate_series(1, 500) AS i"),
    ]

    private static func methods(_ type: KeyType) throws -> [PlacementMethod] {
        switch type.family {
        case .integer:
            [
                .hash, .modulo, .range(try RangePlacement([(.integer(-1000), ShardIndex(3)), (.integer(1000), ShardIndex(1))], shardAbove: ShardIndex(4))),
                .list(try ListPlacement([(.integer(1), ShardIndex(2)), (.integer(-1), ShardIndex(0))], defaultShard: ShardIndex(1))),
            ]
        case .text:
            [
                .hash, .range(try RangePlacement([(.text("B"), ShardIndex(0)), (.text("m"), ShardIndex(2))], shardAbove: ShardIndex(3))),
                .list(try ListPlacement([(.text("a"), ShardIndex(2)), (.text("é"), ShardIndex(4))], defaultShard: ShardIndex(0))),
            ]
        case .uuid: [.hash]
        }
    }

    @Test func theServerSaysWhatTheShardMapSays() throws {
        let server = try TemporaryPostgreSQL()
        defer { server.stop() }
        let map = try ShardMap(shardCount: Self.shardCount)
        var compared = 0
        for (type, sqlType, texts) in Self.keys {
            for method in try Self.methods(type) {
                let expression = PlacementExpression.shard(of: "k.key", type, method, shardCount: Self.shardCount)
                for row in try server.psql("SELECT key::text, \(expression) FROM (SELECT q::\(sqlType) FROM (\(texts)) AS t(q)) AS k(key)") {
                    let shard = try (row[0] ?? "").utf8.withContiguousStorageIfAvailable { try map.shard(ofTextFormat: UnsafeRawBufferPointer($0), type: type, by: method).int }
                    #expect(shard.map { "\($0)" } == row[1], "\(sqlType) \(method.name) \(row[0] ?? "")")
                    compared += 1
                }
            }
        }
        #expect(compared > 5000)
    }

    /// A key that belongs nowhere is on the wrong shard wherever it is.
    @Test func aKeyWithoutAShardHasNone() throws {
        let server = try TemporaryPostgreSQL()
        defer { server.stop() }
        let range = PlacementMethod.range(try RangePlacement([(.integer(10), ShardIndex(0))]))
        let expression = PlacementExpression.shard(of: "k.key", .int4, range, shardCount: 2)
        #expect(try server.psql("SELECT \(expression) FROM (VALUES (9), (10)) AS k(key)") == [["0"], [nil]])
    }
}
