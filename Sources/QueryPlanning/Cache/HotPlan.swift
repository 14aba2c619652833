// HotPlan: what the hot path needs to know of a pass-through plan, as a plain value without references.
import Primitives
import ShardMap

/// Where a statement of a cached shape takes one of its keys from.
public struct HotKey: Equatable, Sendable {
    enum Source: Equatable, Sendable {
        /// The literal of this number among those taken out of the shape, from 0.
        case literal(UInt8)
        /// Parameter `$n`, n from 1.
        case parameter(UInt16)
    }

    var source: Source
    var keyType: KeyType
    var isStored: Bool
    /// Number of the placement method in the planner's list; 0 is the hash placement.
    var method: UInt16
    /// Text up to this length is the key as it is, in bytes; longer text may be cut by the column's varchar(n).
    var plainBytes: UInt16 = .max
    /// Number of the column in the planner's list; 0 is an unknown one.
    var column: UInt16 = 0
}

/// The plan of a statement that passes through to one shard: any one, or the one of its keys.
///
/// From `lookUp`: valid until the planner is next asked for anything but `target`. From `hotPlan(of:environment:)`: as long as the
/// planner lives.
public struct HotPlan: Equatable, Sendable {
    /// Keys of more than this many literals or parameters are not read on the hot path.
    public static let maximumKeyCount = 4

    public internal(set) var effect: DataEffect
    /// The link that ran it has settings that nobody knows: it cannot just pass.
    public internal(set) var runsTriggers: Bool
    /// How many keys there are; they must all lie on one shard. None: any one shard will do.
    public internal(set) var keyCount: Int
    /// The number of the highest `$n` in the text.
    public internal(set) var parameterCount: Int
    var keys: (HotKey, HotKey, HotKey, HotKey)
    var slot: Int

    /// A plan that is none, to fill memory with.
    public static var none: HotPlan { HotPlan(effect: .unknown, parameterCount: 0, keys: []) }

    static let noKey = HotKey(source: .literal(0), keyType: .int8, isStored: false, method: 0)

    init(effect: DataEffect, parameterCount: Int, keys: [HotKey], runsTriggers: Bool = false) {
        self.effect = effect
        self.runsTriggers = runsTriggers
        self.parameterCount = parameterCount
        keyCount = keys.count
        func key(_ index: Int) -> HotKey { index < keys.count ? keys[index] : Self.noKey }
        self.keys = (key(0), key(1), key(2), key(3))
        slot = -1
    }

    @inline(__always)
    func key(_ index: Int) -> HotKey {
        switch index {
        case 0: keys.0
        case 1: keys.1
        case 2: keys.2
        default: keys.3
        }
    }

    public static func == (left: HotPlan, right: HotPlan) -> Bool {
        left.effect == right.effect && left.keyCount == right.keyCount && left.parameterCount == right.parameterCount
            && left.keys == right.keys && left.runsTriggers == right.runsTriggers
    }
}

/// Where a statement with a hot plan goes.
public enum HotTarget: Equatable, Sendable {
    /// Any one shard; prefer one that the transaction already uses.
    case any
    case shard(ShardIndex)
    /// The hot path cannot tell: ask for the plan of the text and resolve its route.
    case unknown
}
