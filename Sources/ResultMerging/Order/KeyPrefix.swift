// KeyPrefix: 64 bits of a value that order as the values do (PostgreSQL calls them abbreviated keys). Comparing two
// machine words decides nearly every comparison of a merge, whatever the type; the values are read only on a tie.
import WireProtocol

enum KeyPrefix {
    /// The prefix of a binary value that its kind accepts.
    @inline(__always)
    static func make(_ value: UnsafeRawBufferPointer, _ kind: KeyKind) -> UInt64 {
        switch kind {
        case .int8: signed(value.integer(at: 0, as: Int64.self))
        case .int4: signed(Int64(value.integer(at: 0, as: Int32.self)))
        case .bytes: leadingBytes(value)
        default: makeUncommon(value, kind)
        }
    }

    @inline(never)
    private static func makeUncommon(_ value: UnsafeRawBufferPointer, _ kind: KeyKind) -> UInt64 {
        switch kind {
        case .int8, .int4, .bytes: make(value, kind)
        case .bool, .char: UInt64(value[0])
        case .int2: signed(Int64(value.integer(at: 0, as: Int16.self)))
        case .uint4: UInt64(value.integer(at: 0, as: UInt32.self))
        case .uint8: value.integer(at: 0, as: UInt64.self)
        case .float4: float(Double(Float(bitPattern: value.integer(at: 0, as: UInt32.self))))
        case .float8: float(Double(bitPattern: value.integer(at: 0, as: UInt64.self)))
        case .numeric: BinaryNumeric(value)?.prefix ?? 0
        case .bpchar, .uuid, .macaddr, .macaddr8: leadingBytes(value)
        case .timetz: timeWithZone(value)
        case .interval: interval(value)
        case .inet: UInt64(value[0])
        case .bit: leadingBytes(value.part(from: 4, length: value.count - 4))
        }
    }

    @inline(__always)
    static func signed(_ value: Int64) -> UInt64 { UInt64(bitPattern: value) ^ (1 << 63) }

    /// Floats in PostgreSQL's order (float8_cmp_internal): zeros are equal, NaN is above all and equal to itself.
    static func float(_ value: Double) -> UInt64 {
        if value.isNaN { return UInt64.max }
        let bits = (value == 0 ? 0 : value).bitPattern
        return bits >> 63 == 1 ? ~bits : bits | 1 << 63
    }

    /// The moment in Greenwich: Int64 microseconds of local time, Int32 seconds west (timetz_send in date.c).
    private static func timeWithZone(_ value: UnsafeRawBufferPointer) -> UInt64 {
        let zoneSeconds = Int64(value.integer(at: 8, as: Int32.self))
        return signed(value.integer(at: 0, as: Int64.self) &+ zoneSeconds &* 1_000_000)
    }

    /// The leading 64 bits of the span, which is below 2^73 microseconds: Int64 microseconds, Int32 days, Int32 months of
    /// 30 days (interval_cmp_value in timestamp.c).
    private static func interval(_ value: UnsafeRawBufferPointer) -> UInt64 {
        let days = Int128(value.integer(at: 8, as: Int32.self)) + Int128(value.integer(at: 12, as: Int32.self)) * 30
        let microseconds = Int128(value.integer(at: 0, as: Int64.self)) + days * 86_400_000_000
        return signed(Int64(truncatingIfNeeded: microseconds >> 10))
    }

    /// The first eight bytes, zeros after the end.
    @inline(__always)
    static func leadingBytes(_ value: UnsafeRawBufferPointer) -> UInt64 {
        if value.count >= 8 { return value.integer(at: 0, as: UInt64.self) }
        var prefix: UInt64 = 0
        for index in 0..<value.count { prefix |= UInt64(value[index]) << UInt64(56 - 8 * index) }
        return prefix
    }
}
