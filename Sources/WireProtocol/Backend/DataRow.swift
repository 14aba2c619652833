// DataRow: one row. The view checks the extent of every field once; fields are then reached without copying.
import Primitives

/// A view of a DataRow frame.
public struct DataRowMessage {
    public let fieldCount: Int
    /// All fields with their length words, raw.
    @usableFromInline let fieldBytes: UnsafeRawBufferPointer

    /// Reads and checks a whole frame. O(fields), allocates nothing.
    @inlinable
    public init(_ frame: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        var cursor = try MessageCursor(frame: frame)
        fieldCount = try cursor.count()
        let atFields = cursor
        for _ in 0..<fieldCount { _ = try cursor.value() }
        fieldBytes = cursor.bytes(since: atFields)
        try cursor.end()
    }

    /// Field `index` (from 0, below `fieldCount`), nil for NULL. O(index): walk all fields with `makeWalk`.
    @inlinable
    public func field(_ index: Int) -> UnsafeRawBufferPointer? {
        precondition(index >= 0 && index < fieldCount, "field index out of range")
        var walk = makeWalk()
        for _ in 0..<index { _ = walk.next() }
        return walk.next()
    }

    /// A walk over the fields; call `next` at most `fieldCount` times.
    @inlinable
    public func makeWalk() -> ValueWalk { ValueWalk(fieldBytes) }

    /// Calls `body` with each field in order, nil for NULL.
    @inlinable
    public func forEachField(_ body: (Int, UnsafeRawBufferPointer?) -> Void) {
        var walk = makeWalk()
        for index in 0..<fieldCount { body(index, walk.next()) }
    }

    /// The raw bytes of the first `count` fields with their length words.
    @inlinable
    public func bytes(ofFirst count: Int) -> UnsafeRawBufferPointer {
        precondition(count <= fieldCount, "more fields asked than the row has")
        var walk = makeWalk()
        for _ in 0..<count { _ = walk.next() }
        return fieldBytes.part(from: 0, length: walk.position)
    }
}

extension ByteQueue {
    /// Opens a row; write each field with `append(value:)`, exactly `fieldCount` of them, then `endFrame`.
    @inlinable
    public mutating func beginDataRow(fieldCount: Int) -> FrameMark {
        let mark = beginFrame(BackendMessageType.dataRow)
        append(count: fieldCount)
        return mark
    }

    public mutating func writeDataRow(_ fields: [[UInt8]?]) {
        let mark = beginDataRow(fieldCount: fields.count)
        for field in fields { append(value: field) }
        endFrame(mark)
    }

    public mutating func writeDataRow(text fields: [String?]) {
        let mark = beginDataRow(fieldCount: fields.count)
        for field in fields { append(value: field) }
        endFrame(mark)
    }

    /// Writes `message` again with its first `count` fields only.
    @inlinable
    public mutating func writeDataRow(from message: DataRowMessage, keepingFirst count: Int) {
        let kept = message.bytes(ofFirst: count)
        writeHeader(BackendMessageType.dataRow, bodyLength: 2 + kept.count)
        append(count: count)
        append(kept)
    }

    /// Appends a text value with its length word, or -1 for NULL.
    public mutating func append(value: String?) {
        guard var value else { return appendNull() }
        value.withUTF8 { append(value: UnsafeRawBufferPointer($0)) }
    }
}
