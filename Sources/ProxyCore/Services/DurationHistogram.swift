// DurationHistogram: how long statements took, at the cost of a few instructions each: counts by powers of two, in memory that is there already.
import Primitives

/// Counts of durations: bucket `b` has those of 2^b nanoseconds or more and less than 2^(b + 1), which its `upperBound` is.
struct DurationHistogram {
    static let bucketCount = 64

    /// The buckets, and behind them the sum. Raw memory: an array would be checked for being shared at each statement.
    private let counts: UnsafeMutablePointer<UInt64>

    init() {
        counts = .allocate(capacity: Self.bucketCount + 1)
        counts.initialize(repeating: 0, count: Self.bucketCount + 1)
    }

    func free() { counts.deallocate() }

    @inline(__always)
    func add(_ duration: Span) {
        let nanoseconds = UInt64(truncatingIfNeeded: duration.nanoseconds)
        // No duration has no bucket of its own: it is in the lowest.
        counts[63 &- (nanoseconds | 1).leadingZeroBitCount] &+= 1
        counts[Self.bucketCount] &+= nanoseconds
    }

    func count(ofBucket bucket: Int) -> UInt64 { counts[bucket] }

    /// In nanoseconds.
    var sum: UInt64 { counts[Self.bucketCount] }

    /// In nanoseconds; durations in the bucket are shorter. The last bucket has none.
    static func upperBound(ofBucket bucket: Int) -> UInt64? { bucket < 63 ? 1 << (UInt64(bucket) + 1) : nil }
}
