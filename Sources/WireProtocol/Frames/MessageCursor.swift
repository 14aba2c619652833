// MessageCursor: reads the fields of a message body in order and never past its end. Its errors are those of
// PostgreSQL's pqformat.c, because clients' test suites compare them. It is two pointers, so that each step costs
// one comparison.
#if canImport(Glibc)
    import Glibc
#endif

/// A reading position in a message body. Views it hands out live as long as the frame's memory.
public struct MessageCursor {
    @usableFromInline var current: UnsafeRawPointer
    @usableFromInline let limit: UnsafeRawPointer

    /// Starts after the header of a whole frame.
    @inlinable @inline(__always)
    public init(frame: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        guard frame.count >= FrameHeader.bytes, let base = frame.baseAddress else { throw .invalidLength }
        current = base + FrameHeader.bytes
        limit = base + frame.count
    }

    /// Starts at the front of bytes without a header.
    @inlinable
    public init(bytes: UnsafeRawBufferPointer) {
        // Without memory there is nothing to read: any address does for both ends.
        current = bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 1).unsafelyUnwrapped
        limit = current + bytes.count
    }

    @inlinable @inline(__always) public var remaining: Int { limit - current }

    /// The next byte, which stays.
    @inlinable public var next: UInt8? { remaining > 0 ? current.load(as: UInt8.self) : nil }

    @inlinable @inline(__always)
    public mutating func byte() throws(ProtocolViolation) -> UInt8 {
        guard remaining >= 1 else { throw .noDataLeft }
        defer { current += 1 }
        return current.load(as: UInt8.self)
    }

    @inlinable @inline(__always)
    public mutating func integer<Number: FixedWidthInteger & BitwiseCopyable>(
        _ type: Number.Type
    ) throws(ProtocolViolation) -> Number {
        guard remaining >= MemoryLayout<Number>.size else { throw .insufficientData }
        defer { current += MemoryLayout<Number>.size }
        return Number(bigEndian: current.loadUnaligned(as: type))
    }

    /// An Int16 that PostgreSQL reads as unsigned: counts of parameters and formats.
    @inlinable @inline(__always)
    public mutating func count() throws(ProtocolViolation) -> Int {
        Int(try integer(UInt16.self))
    }

    @inlinable @inline(__always)
    public mutating func bytes(_ length: Int) throws(ProtocolViolation) -> UnsafeRawBufferPointer {
        guard length >= 0, length <= remaining else { throw .insufficientData }
        defer { current += length }
        return UnsafeRawBufferPointer(start: current, count: length)
    }

    /// A zero-terminated string, without its terminator.
    @inlinable @inline(__always)
    public mutating func string() throws(ProtocolViolation) -> UnsafeRawBufferPointer {
        guard remaining > 0 else { throw .invalidString }
        var length = 0
        // Names are mostly empty; only the others are worth a call.
        if current.load(as: UInt8.self) != 0 {
            guard let end = memchr(current, 0, remaining) else { throw .invalidString }
            length = UnsafeRawPointer(end) - current
        }
        defer { current += length &+ 1 }
        return UnsafeRawBufferPointer(start: current, count: length)
    }

    /// A value after its length word; nil for NULL (length -1).
    @inlinable @inline(__always)
    public mutating func value() throws(ProtocolViolation) -> UnsafeRawBufferPointer? {
        let length = Int(try integer(Int32.self))
        if length == -1 { return nil }
        return try bytes(length)
    }

    /// What was read since the cursor was `earlier`.
    @inlinable @inline(__always)
    public func bytes(since earlier: MessageCursor) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: earlier.current, count: current - earlier.current)
    }

    /// Everything left, which stays.
    @inlinable @inline(__always)
    public var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: current, count: remaining) }

    /// Requires that nothing is left.
    @inlinable @inline(__always)
    public func end() throws(ProtocolViolation) {
        guard current == limit else { throw .invalidFormat }
    }
}
