// MessageCursor: reads the fields of a message body in order and never past its end. Its errors are those of
// PostgreSQL's pqformat.c, because clients' test suites compare them.
#if canImport(Glibc)
import Glibc
#endif

/// A reading position in a message body. Views it hands out live as long as the frame's memory.
public struct MessageCursor {
    @usableFromInline let bytes: UnsafeRawBufferPointer
    public var position: Int

    /// Starts after the header of a whole frame.
    @inlinable
    public init(frame: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        guard frame.count >= FrameHeader.bytes else { throw .invalidLength }
        bytes = frame
        position = FrameHeader.bytes
    }

    /// Starts at `position` of bytes without a header.
    @inlinable
    public init(bytes: UnsafeRawBufferPointer, position: Int = 0) {
        self.bytes = bytes
        self.position = position
    }

    @inlinable public var remaining: Int { bytes.count - position }

    @inlinable
    public mutating func byte() throws(ProtocolViolation) -> UInt8 {
        guard remaining >= 1 else { throw .noDataLeft }
        defer { position += 1 }
        return bytes[position]
    }

    @inlinable
    public mutating func integer<Number: FixedWidthInteger & BitwiseCopyable>(
        _ type: Number.Type
    ) throws(ProtocolViolation) -> Number {
        guard remaining >= MemoryLayout<Number>.size else { throw .insufficientData }
        defer { position += MemoryLayout<Number>.size }
        return bytes.integer(at: position, as: type)
    }

    /// An Int16 that PostgreSQL reads as unsigned: counts of parameters and formats.
    @inlinable
    public mutating func count() throws(ProtocolViolation) -> Int {
        Int(try integer(UInt16.self))
    }

    @inlinable
    public mutating func bytes(_ length: Int) throws(ProtocolViolation) -> UnsafeRawBufferPointer {
        guard length >= 0, length <= remaining else { throw .insufficientData }
        defer { position += length }
        return bytes.part(from: position, length: length)
    }

    /// A zero-terminated string, without its terminator.
    @inlinable
    public mutating func string() throws(ProtocolViolation) -> UnsafeRawBufferPointer {
        guard remaining > 0, let base = bytes.baseAddress, let end = memchr(base + position, 0, remaining) else {
            throw .invalidString
        }
        let length = UnsafeRawPointer(end) - (base + position)
        defer { position += length + 1 }
        return bytes.part(from: position, length: length)
    }

    /// A value after its length word; nil for NULL (length -1).
    @inlinable
    public mutating func value() throws(ProtocolViolation) -> UnsafeRawBufferPointer? {
        let length = Int(try integer(Int32.self))
        if length == -1 { return nil }
        return try bytes(length)
    }

    /// Everything left.
    @inlinable
    public mutating func rest() -> UnsafeRawBufferPointer {
        defer { position = bytes.count }
        return bytes.part(from: position, length: remaining)
    }

    /// Requires that nothing is left.
    @inlinable
    public func end() throws(ProtocolViolation) {
        guard position == bytes.count else { throw .invalidFormat }
    }
}
