// PlacementMethod: how a key's value chooses its shard.
//
//   hash     PostgreSQL's partition hash, modulo 5,040 buckets, buckets dealt to shards (ShardMap owns the deal)
//   modulo   an integer key modulo the number of shards, never negative
//   range    upper bounds, exclusive, in ascending order; text by its bytes
//   list     named values, optionally a shard for all others
import Primitives

/// How keys are dealt to shards.
public enum PlacementMethod: Hashable, Sendable {
    case hash
    case modulo
    case range(RangePlacement)
    case list(ListPlacement)

    /// Whether keys of `family` can be placed by this method.
    public func accepts(_ family: KeyFamily) -> Bool {
        switch self {
        case .hash: true
        case .modulo: family == .integer
        case .range(let range): range.family == family
        case .list(let list): list.family == family
        }
    }

    /// The method's name in the configuration.
    public var name: String {
        switch self {
        case .hash: "hash"
        case .modulo: "modulo"
        case .range: "range"
        case .list: "list"
        }
    }

    /// The highest shard the method itself names; nil if it names none.
    var highestShard: ShardIndex? {
        switch self {
        case .hash, .modulo: nil
        case .range(let range): (range.shards + [range.shardAbove].compactMap { $0 }).max()
        case .list(let list): (list.shards + [list.defaultShard].compactMap { $0 }).max()
        }
    }
}

/// Ranges of keys: key < bounds[0] is on shards[0], else key < bounds[1] on shards[1], and so on.
public struct RangePlacement: Hashable, Sendable {
    let bounds: SortedKeys
    /// The shard below each bound.
    public let shards: [ShardIndex]
    /// The shard for keys at or above the last bound; nil refuses them.
    public let shardAbove: ShardIndex?

    /// - Parameters:
    ///   - ranges: exclusive upper bounds, ascending, each with the shard of the keys below it.
    ///   - shardAbove: the shard for keys at or above the last bound.
    /// - Throws: `invalidRange` if there is no bound, or the bounds are of several families or not ascending.
    public init(
        _ ranges: [(below: KeyValue, shard: ShardIndex)], shardAbove: ShardIndex? = nil
    ) throws(ShardMapError) {
        guard let family = ranges.first?.below.family,
            let bounds = SortedKeys(ascending: ranges.map(\.below), family: family)
        else { throw .invalidRange }
        self.bounds = bounds
        shards = ranges.map(\.shard)
        self.shardAbove = shardAbove
    }

    public var family: KeyFamily { bounds.family }

    /// The exclusive upper bounds in ascending order.
    public var upperBounds: [KeyValue] { bounds.values }

    /// The shard of the key that has `count` bounds at or below it.
    @inline(__always)
    func shard(boundsPassed count: Int) -> ShardIndex? { count < shards.count ? shards[count] : shardAbove }
}

/// Named keys, each with its shard.
public struct ListPlacement: Hashable, Sendable {
    let keys: SortedKeys
    /// The shard of each key, in the order of the sorted keys.
    public let shards: [ShardIndex]
    /// The shard of every key that is not listed; nil refuses them.
    public let defaultShard: ShardIndex?

    /// - Throws: `invalidList` if there is no key, a key stands twice, or the keys are of several families.
    public init(
        _ entries: [(key: KeyValue, shard: ShardIndex)], defaultShard: ShardIndex? = nil
    ) throws(ShardMapError) {
        let sorted = entries.sorted { SortedKeys.areAscending($0.key, $1.key) }
        guard let family = sorted.first?.key.family,
            let keys = SortedKeys(ascending: sorted.map(\.key), family: family)
        else { throw .invalidList }
        self.keys = keys
        shards = sorted.map(\.shard)
        self.defaultShard = defaultShard
    }

    public var family: KeyFamily { keys.family }

    /// The listed keys in ascending order.
    public var listedKeys: [KeyValue] { keys.values }

    @inline(__always)
    func shard(at index: Int?) -> ShardIndex? { index.map { shards[$0] } ?? defaultShard }
}
