// BinaryTimes: the two time types that sort by a computed value: timetz (timetz_send) and interval (interval_send in
// PostgreSQL's date.c and timestamp.c).
import WireProtocol

/// A time of day with zone: microseconds of local time, and the zone in seconds west of Greenwich.
struct BinaryTimeTZ {
    let greenwichMicroseconds: Int64
    let zoneSeconds: Int32

    /// `value` has 12 bytes.
    init(_ value: UnsafeRawBufferPointer) {
        zoneSeconds = value.integer(at: 8, as: Int32.self)
        greenwichMicroseconds = value.integer(at: 0, as: Int64.self) &+ Int64(zoneSeconds) &* 1_000_000
    }

    /// timetz_cmp_internal: by the moment, then by zone.
    static func compare(_ left: BinaryTimeTZ, _ right: BinaryTimeTZ) -> Int {
        if left.greenwichMicroseconds != right.greenwichMicroseconds {
            return left.greenwichMicroseconds < right.greenwichMicroseconds ? -1 : 1
        }
        return left.zoneSeconds == right.zoneSeconds ? 0 : left.zoneSeconds < right.zoneSeconds ? -1 : 1
    }
}

/// An interval: microseconds, days and months, compared as if a month had 30 days of 24 hours.
struct BinaryInterval {
    private static let microsecondsPerDay: Int128 = 86_400_000_000

    /// interval_cmp_value: the whole span in microseconds, below 2^73.
    let spanMicroseconds: Int128

    /// `value` has 16 bytes.
    init(_ value: UnsafeRawBufferPointer) {
        let days = Int128(value.integer(at: 8, as: Int32.self)) + Int128(value.integer(at: 12, as: Int32.self)) * 30
        spanMicroseconds = Int128(value.integer(at: 0, as: Int64.self)) + days * BinaryInterval.microsecondsPerDay
    }

    /// The span's leading 64 bits.
    var prefix: UInt64 { KeyPrefix.signed(Int64(truncatingIfNeeded: spanMicroseconds >> 10)) }

    static func compare(_ left: BinaryInterval, _ right: BinaryInterval) -> Int {
        left.spanMicroseconds == right.spanMicroseconds ? 0 : left.spanMicroseconds < right.spanMicroseconds ? -1 : 1
    }
}
