// BackendKeyData, ParameterStatus, ReadyForQuery: what a server says about the session itself.
import Primitives

/// A view of a ParameterStatus frame: a setting the client library tracks.
public struct ParameterStatusMessage {
    public let name: UnsafeRawBufferPointer
    public let value: UnsafeRawBufferPointer

    public init(_ frame: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        var cursor = try MessageCursor(frame: frame)
        name = try cursor.string()
        value = try cursor.string()
        try cursor.end()
    }
}

/// Reads a BackendKeyData frame.
public struct BackendKeyDataMessage: Equatable, Sendable {
    public let key: CancelKey

    public init(_ frame: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        var cursor = try MessageCursor(frame: frame)
        key = CancelKey(processID: try cursor.integer(Int32.self), secretKey: try cursor.integer(Int32.self))
        try cursor.end()
    }
}

/// Where a session stands, as ReadyForQuery tells it.
public enum TransactionStatus: UInt8, Sendable {
    case idle = 0x49
    case inTransaction = 0x54
    case failed = 0x45
}

/// Reads a ReadyForQuery frame.
public struct ReadyForQueryMessage: Equatable, Sendable {
    public let status: TransactionStatus

    @inlinable
    public init(_ frame: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        var cursor = try MessageCursor(frame: frame)
        guard let status = TransactionStatus(rawValue: try cursor.byte()) else { throw .invalidFormat }
        self.status = status
        try cursor.end()
    }
}

extension ByteQueue {
    public mutating func writeBackendKeyData(_ key: CancelKey) {
        writeHeader(BackendMessageType.backendKeyData, bodyLength: 8)
        append(integer: key.processID)
        append(integer: key.secretKey)
    }

    public mutating func writeParameterStatus(name: String, value: String) {
        let mark = beginFrame(BackendMessageType.parameterStatus)
        append(cString: name)
        append(cString: value)
        endFrame(mark)
    }

    @inlinable
    public mutating func writeReadyForQuery(_ status: TransactionStatus) {
        writeHeader(BackendMessageType.readyForQuery, bodyLength: 1)
        append(status.rawValue)
    }
}
