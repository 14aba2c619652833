// ShardMap: which key lives where. An immutable snapshot; a reload makes a new one and swaps it whole.
//
// The hash placement goes key -> row hash -> bucket -> shard through a table of 5,040 entries, by default dealt round
// robin, so that moving buckets changes only the table. The table is reached through a raw pointer, so that placing a
// key costs no allocation and no reference counting.
import Primitives

/// A cluster's placement: number of shards, rules and buckets. Safe to share between threads.
public final class ShardMap: Sendable {
    public let shardCount: Int
    public let rules: ShardingRules
    /// `canonicalText` as 32 hexadecimal digits: proxies with the same fingerprint place every key alike.
    public let fingerprint: String

    /// Written once in `init`, read only from then on.
    @usableFromInline nonisolated(unsafe) let shardOfBucket: UnsafeMutablePointer<UInt16>
    /// How many buckets from the first are enough to know all: the others repeat them. With buckets dealt round robin these are
    /// as many as shards, and one cache line has them all, whichever key is placed.
    @usableFromInline let period: UInt32

    /// - Parameter bucketTable: the shard of each bucket; by default bucket modulo `shardCount`, which for a shard
    ///   count that divides 5,040 is the remainder of PostgreSQL's own hash partitions.
    /// - Throws: `invalidShardCount`, `invalidBucketTable`, or `unknownShard` if the table or a rule names one.
    public init(
        shardCount: Int, rules: ShardingRules = ShardingRules(), bucketTable: [ShardIndex]? = nil
    ) throws(ShardMapError) {
        guard (1...Limits.maximumShardCount).contains(shardCount) else { throw .invalidShardCount(shardCount) }
        let buckets = bucketTable ?? (0..<Limits.bucketCount).map { ShardIndex($0 % shardCount) }
        guard buckets.count == Limits.bucketCount else { throw .invalidBucketTable(entries: buckets.count) }
        let named = rules.methods.compactMap(\.highestShard) + buckets
        if let highest = named.max(), highest.int >= shardCount {
            throw .unknownShard(highest.int, shardCount: shardCount)
        }
        self.shardCount = shardCount
        self.rules = rules
        fingerprint = Fingerprint.digest(
            Fingerprint.canonicalText(shardCount: shardCount, rules: rules, buckets: buckets))
        shardOfBucket = .allocate(capacity: Limits.bucketCount)
        let isDealtInTurn = buckets.enumerated().allSatisfy { $1.int == $0 % shardCount }
        period = UInt32(isDealtInTurn ? shardCount : Limits.bucketCount)
        for (index, shard) in buckets.enumerated() { (shardOfBucket + index).initialize(to: shard.value) }
    }

    deinit { shardOfBucket.deallocate() }

    /// The shard of each bucket.
    public var bucketTable: [ShardIndex] { (0..<Limits.bucketCount).map { ShardIndex(Int(shardOfBucket[$0])) } }

    /// All shards.
    public var allShards: ShardSet { .all(shardCount) }

    /// What the fingerprint is of: the effective rules as readable text, one a line, in a fixed order.
    public var canonicalText: String {
        Fingerprint.canonicalText(shardCount: shardCount, rules: rules, buckets: bucketTable)
    }

    /// The shard of a bucket, from 0 to 5,039. O(1).
    @inlinable @inline(__always)
    public func shard(bucket: Int) -> ShardIndex {
        precondition(bucket >= 0 && bucket < Limits.bucketCount, "bucket out of range")
        return ShardIndex(Int(shardOfBucket[Int(UInt32(truncatingIfNeeded: bucket) % period)]))
    }

    /// The shard of an integer key under the hash placement. O(1), allocates nothing.
    @inlinable @inline(__always)
    public func shard(hashingInteger key: Int64) -> ShardIndex {
        shard(bucket: PartitionHash.bucket(rowHash: PartitionHash.rowHash(integer: key)))
    }

    /// The shard of a text key, or a uuid key's 16 bytes, under the hash placement. O(bytes), allocates nothing.
    @inlinable
    public func shard(hashingBytes key: UnsafeRawBufferPointer) -> ShardIndex {
        shard(bucket: PartitionHash.bucket(rowHash: PartitionHash.rowHash(bytes: key)))
    }
}
