// Comparisons of float4 and float8: a total order in which NaN equals NaN and is above everything, and -0 equals 0
// (float8_cmp_internal in float.h).

@inlinable @inline(__always)
func compareFloats<Number: BinaryFloatingPoint>(_ a: Number, _ b: Number) -> Int {
    if a < b { return -1 }
    if a > b { return 1 }
    if a == b { return 0 }
    return order(a.isNaN ? 1 : 0, b.isNaN ? 1 : 0)
}

/// float4.
@inlinable
public func compareFloat4(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
    guard a.count == 4, b.count == 4 else { return compareBytes(a, b) }
    return compareFloats(
        Float(bitPattern: a.integer(at: 0, as: UInt32.self)), Float(bitPattern: b.integer(at: 0, as: UInt32.self)))
}

/// float8.
@inlinable
public func compareFloat8(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
    guard a.count == 8, b.count == 8 else { return compareBytes(a, b) }
    return compareFloats(
        Double(bitPattern: a.integer(at: 0, as: UInt64.self)), Double(bitPattern: b.integer(at: 0, as: UInt64.self)))
}
