// Every placement method on keys at its edges.
import Primitives
import ShardMap
import Testing

@Suite struct PlacementTests {
    let map: ShardMap

    init() throws { map = try ShardMap(shardCount: 4) }

    @Test func theHashPlacementIsPostgreSQLsRemainder() throws {
        // satisfies_hash_partition(parent, 4, 2, 42::bigint) is true.
        #expect(try map.shard(of: .integer(42), by: .hash) == ShardIndex(2))
        #expect(map.shard(hashingInteger: 42) == ShardIndex(2))
        #expect(try map.shard(of: .text("alice"), by: .hash) == ShardIndex(2773 % 4))
        #expect(try map.shard(of: .uuid(UUIDKey(high: 0, low: 0)), by: .hash) == ShardIndex(4965 % 4))
    }

    @Test func anExplicitBucketTableMovesABucket() throws {
        var table = map.bucketTable
        #expect(table[4914] == ShardIndex(2))
        table[4914] = ShardIndex(1)
        let moved = try ShardMap(shardCount: 4, bucketTable: table)
        #expect(moved.shard(hashingInteger: 42) == ShardIndex(1))
        #expect(moved.shard(hashingInteger: 5) == map.shard(hashingInteger: 5))
        #expect(moved.fingerprint != map.fingerprint)
    }

    @Test(arguments: [(0, 0), (7, 3), (-1, 3), (-4, 0), (-5, 3), (Int64.min, 0), (Int64.max, 3)])
    func moduloIsNeverNegative(key: Int64, shard: Int) throws {
        #expect(try map.shard(ofInteger: key, by: .modulo) == ShardIndex(shard))
    }

    @Test func moduloRefusesTextAndUUIDs() throws {
        let refusal = PlacementError.methodRefusesKey(method: "modulo", family: .text)
        #expect(throws: refusal) { try map.shard(of: .text("7"), by: .modulo) }
        #expect(throws: refusal) { try ColocationGroup(method: .modulo, keyType: .text) }
        #expect(throws: PlacementError.methodRefusesKey(method: "modulo", family: .uuid)) {
            try map.shard(of: .uuid(UUIDKey(high: 0, low: 0)), by: .modulo)
        }
    }

    @Test func aRangeEndsBeforeItsUpperBound() throws {
        let range = PlacementMethod.range(
            try RangePlacement([(.integer(0), ShardIndex(3)), (.integer(100), ShardIndex(1))]))
        #expect(try map.shard(ofInteger: -1, by: range) == ShardIndex(3))
        #expect(try map.shard(ofInteger: 0, by: range) == ShardIndex(1))
        #expect(try map.shard(ofInteger: 99, by: range) == ShardIndex(1))
        #expect(throws: PlacementError.noShard(.integer(100))) { try map.shard(ofInteger: 100, by: range) }
        #expect(throws: PlacementError.methodRefusesKey(method: "range", family: .text)) {
            try map.shard(of: .text("0"), by: range)
        }
    }

    @Test func textRangesCompareBytes() throws {
        let range = PlacementMethod.range(
            try RangePlacement([(.text("a"), ShardIndex(0)), (.text("ab"), ShardIndex(1))], shardAbove: ShardIndex(2)))
        for (key, shard) in [("", 0), ("Z", 0), ("a", 1), ("aZ", 1), ("aa\u{10FFFF}", 1), ("ab", 2), ("é", 2)] {
            #expect(try map.shard(of: .text(key), by: range) == ShardIndex(shard), "\(key)")
        }
    }

    @Test func aListNamesItsKeysAndMayNameARest() throws {
        let entries: [(key: KeyValue, shard: ShardIndex)] = [
            (.text("us"), ShardIndex(1)), (.text("de"), ShardIndex(0)), (.text(""), ShardIndex(2)),
        ]
        let closed = PlacementMethod.list(try ListPlacement(entries))
        #expect(try map.shard(of: .text("de"), by: closed) == ShardIndex(0))
        #expect(try map.shard(of: .text("us"), by: closed) == ShardIndex(1))
        #expect(try map.shard(of: .text(""), by: closed) == ShardIndex(2))
        #expect(throws: PlacementError.noShard(.text("fr"))) { try map.shard(of: .text("fr"), by: closed) }
        let open = PlacementMethod.list(try ListPlacement(entries, defaultShard: ShardIndex(3)))
        #expect(try map.shard(of: .text("fr"), by: open) == ShardIndex(3))
    }

    @Test func keysInTextAndBinaryFormatGoToTheSameShard() throws {
        let binary: [UInt8] = [0, 0, 0, 42]
        let fromText = try Array(" 42".utf8).withUnsafeBytes { try map.shard(ofTextFormat: $0, type: .int8, by: .hash) }
        let fromBinary = try binary.withUnsafeBytes { try map.shard(ofBinaryFormat: $0, type: .int4, by: .hash) }
        #expect(fromText == fromBinary)
        #expect(throws: PlacementError.invalidKey(.invalidSyntax, type: .int4, text: "x")) {
            try Array("x".utf8).withUnsafeBytes { try map.shard(ofTextFormat: $0, type: .int4, by: .hash) }
        }
    }

    @Test func configurationsThatCannotWorkAreRefused() throws {
        #expect(throws: ShardMapError.invalidShardCount(0)) { try ShardMap(shardCount: 0) }
        #expect(throws: ShardMapError.invalidShardCount(257)) { try ShardMap(shardCount: 257) }
        #expect(throws: ShardMapError.invalidBucketTable(entries: 1)) {
            try ShardMap(shardCount: 1, bucketTable: [ShardIndex(0)])
        }
        #expect(throws: ShardMapError.invalidRange) {
            try RangePlacement([(.integer(1), ShardIndex(0)), (.integer(1), ShardIndex(1))])
        }
        #expect(throws: ShardMapError.invalidList) {
            try ListPlacement([(.integer(1), ShardIndex(0)), (.text("1"), ShardIndex(1))])
        }
        let rules = ShardingRules(defaultMethod: .list(try ListPlacement([(.integer(1), ShardIndex(4))])))
        #expect(throws: ShardMapError.unknownShard(4, shardCount: 4)) { try ShardMap(shardCount: 4, rules: rules) }
    }
}
