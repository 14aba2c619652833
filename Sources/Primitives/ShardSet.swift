// ShardSet: which shards, as a bit set without allocation.

/// The number of a shard in this proxy's configuration, from 0.
public struct ShardIndex: Hashable, Comparable, Sendable, CustomStringConvertible {
    public var value: UInt16

    @inlinable public init(_ value: Int) { self.value = UInt16(value) }
    @inlinable public var int: Int { Int(value) }
    @inlinable public static func < (left: ShardIndex, right: ShardIndex) -> Bool { left.value < right.value }
    public var description: String { "\(value)" }
}

/// A set of shards. All operations are O(1).
public struct ShardSet: Hashable, Sendable {
    @usableFromInline var words: (UInt64, UInt64, UInt64, UInt64)

    @inlinable public init() { words = (0, 0, 0, 0) }

    @inlinable public init(_ shard: ShardIndex) {
        words = (0, 0, 0, 0)
        insert(shard)
    }

    public init(_ shards: some Sequence<ShardIndex>) {
        self.init()
        for shard in shards { insert(shard) }
    }

    /// All shards of a cluster of `count`.
    public static func all(_ count: Int) -> ShardSet {
        var set = ShardSet()
        for index in 0..<count { set.insert(ShardIndex(index)) }
        return set
    }

    @inlinable public static func == (left: ShardSet, right: ShardSet) -> Bool { left.words == right.words }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
        hasher.combine(words.2)
        hasher.combine(words.3)
    }

    @inlinable public mutating func insert(_ shard: ShardIndex) {
        let bit = UInt64(1) << UInt64(shard.value & 63)
        switch shard.value >> 6 {
        case 0: words.0 |= bit
        case 1: words.1 |= bit
        case 2: words.2 |= bit
        default: words.3 |= bit
        }
    }

    @inlinable public func contains(_ shard: ShardIndex) -> Bool {
        let bit = UInt64(1) << UInt64(shard.value & 63)
        switch shard.value >> 6 {
        case 0: return words.0 & bit != 0
        case 1: return words.1 & bit != 0
        case 2: return words.2 & bit != 0
        default: return words.3 & bit != 0
        }
    }

    @inlinable public func intersection(_ other: ShardSet) -> ShardSet {
        var result = ShardSet()
        result.words = (
            words.0 & other.words.0, words.1 & other.words.1, words.2 & other.words.2, words.3 & other.words.3
        )
        return result
    }

    @inlinable public func union(_ other: ShardSet) -> ShardSet {
        var result = ShardSet()
        result.words = (
            words.0 | other.words.0, words.1 | other.words.1, words.2 | other.words.2, words.3 | other.words.3
        )
        return result
    }

    @inlinable public var count: Int {
        words.0.nonzeroBitCount + words.1.nonzeroBitCount + words.2.nonzeroBitCount + words.3.nonzeroBitCount
    }

    @inlinable public var isEmpty: Bool { words == (0, 0, 0, 0) }

    /// The lowest shard in the set.
    @inlinable public var first: ShardIndex? {
        if words.0 != 0 { return ShardIndex(words.0.trailingZeroBitCount) }
        if words.1 != 0 { return ShardIndex(64 + words.1.trailingZeroBitCount) }
        if words.2 != 0 { return ShardIndex(128 + words.2.trailingZeroBitCount) }
        if words.3 != 0 { return ShardIndex(192 + words.3.trailingZeroBitCount) }
        return nil
    }

    /// The shards in ascending order.
    public var shards: [ShardIndex] {
        (0..<Limits.maximumShardCount).map { ShardIndex($0) }.filter { contains($0) }
    }
}
