// RowFields: where the fields of a row lie. One pass over a DataRow frame checks every length and notes the extent of
// every field, so that sort keys, group keys and the end of the visible columns are found without a second walk.
import WireProtocol

/// The extent of one field in a frame.
struct FieldRange {
    /// Bytes from the start of the frame to the value.
    var offset: Int32
    /// Bytes of the value; -1 for NULL.
    var length: Int32

    var isNull: Bool { length < 0 }
}

/// The extents of all fields of the row read last. Owns memory: call `free` exactly once.
struct RowFields {
    /// Bytes of a frame before the first field: type, length and column count.
    static let headerBytes = FrameHeader.bytes + 2

    /// Columns of every row; nil until the first row or description.
    private(set) var columnCount: Int?
    private var ranges: UnsafeMutablePointer<FieldRange>?

    init() {}

    mutating func free() {
        ranges?.deallocate()
        ranges = nil
    }

    /// Fixes the number of columns, or checks it when it is fixed already.
    mutating func expect(columnCount count: Int) throws(MergeError) {
        if let columnCount {
            guard count == columnCount else { throw .unexpectedColumnCount(count, expected: columnCount) }
            return
        }
        columnCount = count
        ranges = .allocate(capacity: max(count, 1))
    }

    /// Column `index` (below `columnCount`) of the row read last.
    @inline(__always)
    subscript(index: Int) -> FieldRange { ranges.unsafelyUnwrapped[index] }

    /// The end of the first `visibleCount` columns of the row read last, in bytes from the start of the frame.
    @inline(__always)
    func end(ofFirst visibleCount: Int) -> Int {
        guard visibleCount > 0 else { return RowFields.headerBytes }
        let last = self[visibleCount - 1]
        return Int(last.offset) + max(0, Int(last.length))
    }

    /// Reads a whole DataRow frame. O(columns), allocates nothing after the first row.
    @inline(__always)
    mutating func read(_ frame: UnsafeRawBufferPointer) throws(MergeError) {
        guard frame.count >= RowFields.headerBytes, let base = frame.baseAddress else { throw .malformedRow }
        let count = Int(UInt16(bigEndian: base.loadUnaligned(fromByteOffset: FrameHeader.bytes, as: UInt16.self)))
        if count != columnCount { try expect(columnCount: count) }
        let ranges = ranges.unsafelyUnwrapped
        var position = RowFields.headerBytes
        for column in 0..<count {
            guard position <= frame.count - 4 else { throw .malformedRow }
            let length = Int32(bigEndian: base.loadUnaligned(fromByteOffset: position, as: Int32.self))
            position += 4
            guard length >= -1, Int(length) <= frame.count - position else { throw .malformedRow }
            ranges[column] = FieldRange(offset: Int32(truncatingIfNeeded: position), length: length)
            position += max(0, Int(length))
        }
        guard position == frame.count else { throw .malformedRow }
    }
}
