// Comparisons of date and time types that are more than one integer; the others have names here too.

/// date: days since 2000-01-01.
@inlinable
public func compareDate(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int { compareInt4(a, b) }

/// time without time zone: microseconds since midnight.
@inlinable
public func compareTime(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int { compareInt8(a, b) }

/// timestamp and timestamptz: microseconds since 2000-01-01.
@inlinable
public func compareTimestamp(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int { compareInt8(a, b) }

/// time with time zone: by the moment in UTC, then by the zone (timetz_cmp_internal in date.c). On the wire: Int64
/// microseconds, Int32 seconds west of Greenwich.
@inlinable
public func compareTimeWithZone(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
    guard a.count == 12, b.count == 12 else { return compareBytes(a, b) }
    let (zoneA, zoneB) = (a.integer(at: 8, as: Int32.self), b.integer(at: 8, as: Int32.self))
    let momentA = a.integer(at: 0, as: Int64.self) &+ Int64(zoneA) &* 1_000_000
    let momentB = b.integer(at: 0, as: Int64.self) &+ Int64(zoneB) &* 1_000_000
    return momentA == momentB ? order(zoneA, zoneB) : order(momentA, momentB)
}

/// interval: a month counts as 30 days, a day as 24 hours, in 128 bits (interval_cmp_value in timestamp.c).
@inlinable
public func compareInterval(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
    guard a.count == 16, b.count == 16 else { return compareBytes(a, b) }
    return order(intervalSpan(a), intervalSpan(b))
}

/// Length of an interval in microseconds. On the wire: Int64 microseconds, Int32 days, Int32 months.
@inlinable
func intervalSpan(_ bytes: UnsafeRawBufferPointer) -> Int128 {
    let days = Int64(bytes.integer(at: 12, as: Int32.self)) * 30 + Int64(bytes.integer(at: 8, as: Int32.self))
    return Int128(bytes.integer(at: 0, as: Int64.self)) + Int128(days) * 86_400_000_000
}
