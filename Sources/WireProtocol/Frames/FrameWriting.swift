// How frames are written: straight into a ByteQueue, the length word patched when the body is complete. Writers
// never read from the queue they write to: a view into it would dangle when it grows.
import Primitives

/// Remembers where a frame under construction began. Valid until bytes are consumed from the queue.
public struct FrameMark {
    @usableFromInline let lengthOffset: Int

    @inlinable init(lengthOffset: Int) { self.lengthOffset = lengthOffset }
}

extension ByteQueue {
    /// Opens a frame; write the body, then call `endFrame`.
    @inlinable
    public mutating func beginFrame(_ type: UInt8) -> FrameMark {
        let mark = FrameMark(lengthOffset: count + 1)
        writeHeader(type, bodyLength: 0)
        return mark
    }

    /// Closes a frame: its length is known now.
    @inlinable
    public mutating func endFrame(_ mark: FrameMark) {
        patch(int32: Int32(count - mark.lengthOffset), at: mark.lengthOffset)
    }

    /// Writes a header whose body of `bodyLength` bytes follows.
    @inlinable
    public mutating func writeHeader(_ type: UInt8, bodyLength: Int) {
        let room = prepare(FrameHeader.bytes)
        room[0] = type
        room.storeBytes(of: Int32(bodyLength + 4).bigEndian, toByteOffset: 1, as: Int32.self)
        commit(FrameHeader.bytes)
    }

    /// Writes a frame without a body.
    @inlinable
    public mutating func writeEmptyFrame(_ type: UInt8) {
        writeHeader(type, bodyLength: 0)
    }

    /// Writes a frame whose body is `body`.
    @inlinable
    public mutating func writeFrame(_ type: UInt8, body: UnsafeRawBufferPointer) {
        writeHeader(type, bodyLength: body.count)
        append(body)
    }

    /// Appends bytes and a zero byte. A zero byte inside would cut the string short: the caller has checked.
    @inlinable
    public mutating func append(cString bytes: UnsafeRawBufferPointer) {
        append(bytes)
        append(UInt8(0))
    }

    /// Appends the bytes of a literal without a terminator.
    @inlinable
    public mutating func append(literal text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Appends a count as the protocol's Int16, which readers take as unsigned.
    @inlinable
    public mutating func append(count: Int) {
        append(integer: UInt16(count))
    }

    /// Appends the length word that stands for NULL.
    @inlinable
    public mutating func appendNull() {
        append(integer: Int32(-1))
    }

    /// Appends a value with its length word, or -1 for NULL.
    @inlinable
    public mutating func append(value: UnsafeRawBufferPointer?) {
        guard let value else { return appendNull() }
        append(integer: Int32(value.count))
        append(value)
    }
}
