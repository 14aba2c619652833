// Writers of startup packets, for the shard side, and of the one answer older clients understand.
import Primitives

extension ByteQueue {
    public mutating func writeStartupMessage(_ message: StartupMessage) {
        let mark = beginStartupPacket(message.version)
        for parameter in message.parameters {
            append(cString: parameter.name)
            append(cString: parameter.value)
        }
        append(UInt8(0))
        endFrame(mark)
    }

    public mutating func writeSSLRequest() {
        endFrame(beginStartupPacket(.sslRequest))
    }

    public mutating func writeGSSEncryptionRequest() {
        endFrame(beginStartupPacket(.gssEncryptionRequest))
    }

    public mutating func writeCancelRequest(_ key: CancelKey) {
        let mark = beginStartupPacket(.cancelRequest)
        append(integer: key.processID)
        append(integer: key.secretKey)
        endFrame(mark)
    }

    private mutating func beginStartupPacket(_ version: ProtocolVersion) -> FrameMark {
        let mark = FrameMark(lengthOffset: count)
        append(integer: Int32(0))
        append(integer: version.rawValue)
        return mark
    }

    /// Writes an error as protocol 2 had it: what PostgreSQL answers to a startup message of a major version below 3
    /// (send_message_to_frontend in elog.c).
    public mutating func writeProtocol2Error(_ message: DatabaseMessage) {
        append(BackendMessageType.errorResponse)
        append(cString: "\(message.severity.rawValue):  \(message.message)\n")
    }
}
