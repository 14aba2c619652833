// Execute: runs a portal, whole or up to a number of rows.
import Primitives

/// A view of an Execute frame.
public struct ExecuteMessage {
    public let portal: UnsafeRawBufferPointer
    /// Rows to return before PortalSuspended; zero or less means all.
    public let maximumRows: Int32

    @inlinable
    public init(_ frame: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        var cursor = try MessageCursor(frame: frame)
        portal = try cursor.string()
        maximumRows = try cursor.integer(Int32.self)
        try cursor.end()
    }
}

extension ByteQueue {
    @inlinable
    public mutating func writeExecute(portal: UnsafeRawBufferPointer, maximumRows: Int32 = 0) {
        writeHeader(FrontendMessageType.execute, bodyLength: portal.count + 5)
        append(cString: portal)
        append(integer: maximumRows)
    }

    public mutating func writeExecute(portal: String = "", maximumRows: Int32 = 0) {
        var portal = portal
        portal.withUTF8 { writeExecute(portal: UnsafeRawBufferPointer($0), maximumRows: maximumRows) }
    }
}
