// NotificationResponse: another session said NOTIFY.
import Primitives

/// A view of a NotificationResponse frame.
public struct NotificationResponseMessage {
    /// The server process that notified.
    public let processID: Int32
    public let channel: UnsafeRawBufferPointer
    public let payload: UnsafeRawBufferPointer

    public init(_ frame: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        var cursor = try MessageCursor(frame: frame)
        processID = try cursor.integer(Int32.self)
        channel = try cursor.string()
        payload = try cursor.string()
        try cursor.end()
    }
}

extension ByteQueue {
    public mutating func writeNotificationResponse(processID: Int32, channel: String, payload: String) {
        let mark = beginFrame(BackendMessageType.notificationResponse)
        append(integer: processID)
        append(cString: channel)
        append(cString: payload)
        endFrame(mark)
    }
}
