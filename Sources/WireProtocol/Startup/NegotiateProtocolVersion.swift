// NegotiateProtocolVersion: "I speak only this minor version, and do not know these options".
import Primitives

public struct NegotiateProtocolVersionMessage: Equatable, Sendable {
    /// The newest version the server speaks of the major version asked for.
    public var newestVersion: ProtocolVersion
    /// Options of the protocol (`_pq_.` names) the server does not know.
    public var unrecognizedOptions: [String]

    public init(newestVersion: ProtocolVersion, unrecognizedOptions: [String]) {
        self.newestVersion = newestVersion
        self.unrecognizedOptions = unrecognizedOptions
    }

    public init(_ frame: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        var cursor = try MessageCursor(frame: frame)
        newestVersion = ProtocolVersion(rawValue: try cursor.integer(UInt32.self))
        let optionCount = Int(try cursor.integer(Int32.self))
        guard optionCount >= 0, optionCount <= cursor.remaining else { throw .insufficientData }
        unrecognizedOptions = []
        for _ in 0..<optionCount { unrecognizedOptions.append(try cursor.string().text) }
        try cursor.end()
    }
}

extension ByteQueue {
    /// PostgreSQL sends the full version number (SendNegotiateProtocolVersion), not the minor alone.
    public mutating func writeNegotiateProtocolVersion(_ message: NegotiateProtocolVersionMessage) {
        let mark = beginFrame(BackendMessageType.negotiateProtocolVersion)
        append(integer: message.newestVersion.rawValue)
        append(integer: Int32(message.unrecognizedOptions.count))
        for option in message.unrecognizedOptions { append(cString: option) }
        endFrame(mark)
    }
}
