// Comparisons of the types that are integers on the wire. bool and "char" compare as unsigned bytes (btboolcmp,
// btcharcmp), oid and its kin as unsigned words.

@inlinable @inline(__always)
func compareIntegers<Number: FixedWidthInteger & BitwiseCopyable>(
    _ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer, as type: Number.Type
) -> Int {
    let size = MemoryLayout<Number>.size
    guard a.count == size, b.count == size else { return compareBytes(a, b) }
    return order(a.integer(at: 0, as: type), b.integer(at: 0, as: type))
}

/// bool: false below true.
@inlinable
public func compareBool(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
    compareIntegers(a, b, as: UInt8.self)
}

/// "char", the one-byte type of the catalogs.
@inlinable
public func compareInternalChar(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
    compareIntegers(a, b, as: UInt8.self)
}

/// int2.
@inlinable
public func compareInt2(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
    compareIntegers(a, b, as: Int16.self)
}

/// int4; also date, whose infinities are the extreme values.
@inlinable
public func compareInt4(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
    compareIntegers(a, b, as: Int32.self)
}

/// int8; also money, time, timestamp and timestamptz, whose infinities are the extreme values.
@inlinable
public func compareInt8(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
    compareIntegers(a, b, as: Int64.self)
}

/// oid; also regclass and its kin.
@inlinable
public func compareOID(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
    compareIntegers(a, b, as: UInt32.self)
}

/// pg_lsn and xid8.
@inlinable
public func compareUnsigned8(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
    compareIntegers(a, b, as: UInt64.self)
}
