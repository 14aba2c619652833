// CopyData, CopyDone, CopyFail: the data of a COPY. The first two travel in both directions in the same form.
import Primitives

/// A view of a CopyData frame.
public struct CopyDataMessage {
    public let data: UnsafeRawBufferPointer

    @inlinable
    public init(_ frame: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        data = try MessageCursor(frame: frame).rest
    }
}

/// A view of a CopyFail frame.
public struct CopyFailMessage {
    /// Why the client gives up.
    public let reason: UnsafeRawBufferPointer

    public init(_ frame: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        var cursor = try MessageCursor(frame: frame)
        reason = try cursor.string()
    }
}

extension ByteQueue {
    @inlinable
    public mutating func writeCopyData(_ data: UnsafeRawBufferPointer) {
        writeFrame(FrontendMessageType.copyData, body: data)
    }

    @inlinable
    public mutating func writeCopyDone() { writeEmptyFrame(FrontendMessageType.copyDone) }

    public mutating func writeCopyFail(reason: String) {
        let mark = beginFrame(FrontendMessageType.copyFail)
        append(cString: reason)
        endFrame(mark)
    }
}
