// CapacitySettings: what the section [capacity] of proxy.conf says: how often sizes are noted, how long they are kept, and when a shard is full.
import Primitives

public struct CapacitySettings: Sendable, Equatable {
    /// Between two samples of a shard; zero: none are taken.
    public var sampleInterval = Span.seconds(600)
    /// How long every sample is kept; of older days one.
    public var detailedDays = 14
    /// How long any sample is kept.
    public var keptDays = 800
    /// Bytes that one shard's database may have; nil: nobody has said so.
    public var limitBytes: Int?
    /// Statements between two whose sharding key is looked at, on average; 0: none is.
    public var keySampleInterval: UInt64 = 1024

    public init() {}
}
