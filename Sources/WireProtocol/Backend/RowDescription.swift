// RowDescription: the columns of the rows to come. A merge asks shards for hidden columns at the end (sort keys,
// counts); the client sees the description cut before them.
import Primitives

/// A view of a RowDescription frame.
public struct RowDescriptionMessage {
    public let fieldCount: Int
    /// All fields, raw.
    @usableFromInline let fieldBytes: UnsafeRawBufferPointer

    /// Reads and checks a whole frame. O(fields), allocates nothing.
    @inlinable
    public init(_ frame: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        var cursor = try MessageCursor(frame: frame)
        fieldCount = try cursor.count()
        let atFields = cursor
        for _ in 0..<fieldCount {
            _ = try cursor.string()
            _ = try cursor.bytes(FieldDescription.fixedBytes)
        }
        fieldBytes = cursor.bytes(since: atFields)
        try cursor.end()
    }

    /// The fields as values that outlive the frame.
    public var fields: [FieldDescription] {
        var cursor = MessageCursor(bytes: fieldBytes)
        return (0..<fieldCount).compactMap { _ in try? FieldDescription(&cursor) }
    }

    /// The raw bytes of the first `count` fields.
    @inlinable
    public func bytes(ofFirst count: Int) -> UnsafeRawBufferPointer {
        precondition(count <= fieldCount, "more fields asked than described")
        let start = MessageCursor(bytes: fieldBytes)
        var cursor = start
        for _ in 0..<count {
            _ = try? cursor.string()
            _ = try? cursor.bytes(FieldDescription.fixedBytes)
        }
        return cursor.bytes(since: start)
    }
}

extension ByteQueue {
    public mutating func writeRowDescription(_ fields: [FieldDescription]) {
        let mark = beginFrame(BackendMessageType.rowDescription)
        append(count: fields.count)
        for field in fields {
            append(field.name)
            append(UInt8(0))
            append(integer: field.tableOID)
            append(integer: field.columnNumber)
            append(integer: field.typeOID)
            append(integer: field.typeSize)
            append(integer: field.typeModifier)
            append(integer: field.format.rawValue)
        }
        endFrame(mark)
    }

    /// Writes `message` again with its first `count` fields only.
    @inlinable
    public mutating func writeRowDescription(from message: RowDescriptionMessage, keepingFirst count: Int) {
        let kept = message.bytes(ofFirst: count)
        writeHeader(BackendMessageType.rowDescription, bodyLength: 2 + kept.count)
        append(count: count)
        append(kept)
    }
}
