// Comparisons of values that sort as their bytes do: bytea, uuid, macaddr, and text under the C collation.
//
// All comparators of this folder take two values in their type's binary format and answer -1, 0 or 1 as the type's
// B-tree operator class would. NULLs are the caller's. They never trap: a value of a length its type cannot have is
// compared as bytes, so a broken peer gets a strange order, not a crash; whoever must know checks before.
#if canImport(Glibc)
    import Glibc
#endif

/// -1, 0 or 1 as `a` is below, equal to or above `b`.
@inlinable @inline(__always)
func order<Value: Comparable>(_ a: Value, _ b: Value) -> Int {
    a < b ? -1 : (a == b ? 0 : 1)
}

/// Unsigned bytes, then length: bytea, and text, varchar and name under the collations C, POSIX and ucs_basic.
@inlinable
public func compareBytes(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
    let common = min(a.count, b.count)
    if common > 0 {
        let result = memcmp(a.baseAddress.unsafelyUnwrapped, b.baseAddress.unsafelyUnwrapped, common)
        if result != 0 { return result < 0 ? -1 : 1 }
    }
    return order(a.count, b.count)
}

/// bytea.
@inlinable
public func compareBytea(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int { compareBytes(a, b) }

/// uuid.
@inlinable
public func compareUUID(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int { compareBytes(a, b) }

/// text, varchar, name under the C collation.
@inlinable
public func compareTextC(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int { compareBytes(a, b) }

/// character(n) under the C collation: trailing blanks do not count (bpcharcmp in varchar.c).
@inlinable
public func compareBlankPaddedC(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
    compareBytes(withoutTrailingBlanks(a), withoutTrailingBlanks(b))
}

@inlinable
func withoutTrailingBlanks(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    var length = bytes.count
    while length > 0, bytes[length - 1] == UInt8(ascii: " ") { length -= 1 }
    return bytes.part(from: 0, length: length)
}
