// ValueWalk: steps through values that each follow a length word (Bind parameters, DataRow fields).

/// Walks a run of values that was checked before.
public struct ValueWalk {
    @usableFromInline let bytes: UnsafeRawBufferPointer
    @usableFromInline var position = 0

    @inlinable @inline(__always) init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// The next value, nil for NULL. The caller counts; stepping past the last value is a broken invariant.
    @inlinable @inline(__always)
    public mutating func next() -> UnsafeRawBufferPointer? {
        let length = Int(bytes.integer(at: position, as: Int32.self))
        position += 4
        guard length >= 0 else { return nil }
        defer { position += length }
        return bytes.part(from: position, length: length)
    }
}
