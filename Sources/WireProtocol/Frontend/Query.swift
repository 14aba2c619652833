// Query: the simple protocol's one message. Its text may hold several statements.
import Primitives

/// A view of a Query frame.
public struct QueryMessage {
    /// The text without its terminator.
    public let text: UnsafeRawBufferPointer

    /// - Parameter frame: the whole frame, header included.
    @inlinable
    public init(_ frame: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        var cursor = try MessageCursor(frame: frame)
        text = try cursor.string()
        try cursor.end()
    }
}

extension ByteQueue {
    @inlinable
    public mutating func writeQuery(_ text: UnsafeRawBufferPointer) {
        writeHeader(FrontendMessageType.query, bodyLength: text.count + 1)
        append(cString: text)
    }

    public mutating func writeQuery(_ text: String) {
        var text = text
        text.withUTF8 { writeQuery(UnsafeRawBufferPointer($0)) }
    }
}
