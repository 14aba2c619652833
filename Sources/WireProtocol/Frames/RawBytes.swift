// Small accessors over raw memory that every reader uses: big-endian integers, parts, comparisons, text.
#if canImport(Glibc)
    import Glibc
#endif

extension UnsafeRawBufferPointer {
    /// A big-endian integer; `offset` must leave room for it (checked).
    @inlinable @inline(__always)
    public func integer<Number: FixedWidthInteger & BitwiseCopyable>(at offset: Int, as type: Number.Type) -> Number {
        precondition(offset >= 0 && offset <= count - MemoryLayout<Number>.size, "read outside the bytes")
        return Number(bigEndian: baseAddress.unsafelyUnwrapped.loadUnaligned(fromByteOffset: offset, as: type))
    }

    /// `length` bytes from `offset`, as a view (checked).
    @inlinable @inline(__always)
    public func part(from offset: Int, length: Int) -> UnsafeRawBufferPointer {
        precondition(offset >= 0 && length >= 0 && offset <= count - length, "part outside the bytes")
        guard let baseAddress else { return self }
        return UnsafeRawBufferPointer(start: baseAddress + offset, count: length)
    }

    /// Whether both hold the same bytes. Not constant in time.
    @inlinable
    public func hasSameBytes(as other: UnsafeRawBufferPointer) -> Bool {
        guard count == other.count, count > 0 else { return count == other.count }
        return memcmp(baseAddress.unsafelyUnwrapped, other.baseAddress.unsafelyUnwrapped, count) == 0
    }

    /// Whether the bytes are exactly those of `text`. Allocates nothing.
    @inlinable
    public func equals(_ text: StaticString) -> Bool {
        hasSameBytes(as: UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// The bytes as text; what is not UTF-8 becomes replacement characters.
    public var text: String { String(decoding: self, as: UTF8.self) }
}
