// Messages of type 'p': a password, or a step of a SASL exchange. The authentication request before decides which.
import Primitives

/// A view of a PasswordMessage: clear text or "md5" and 32 hexadecimal digits.
public struct PasswordMessage {
    public let password: UnsafeRawBufferPointer

    /// PostgreSQL demands one string exactly as long as the message ("invalid password packet size", FATAL).
    public init(_ frame: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        var cursor = try MessageCursor(frame: frame)
        guard let string = try? cursor.string(), cursor.remaining == 0 else {
            throw ProtocolViolation("invalid password packet size")
        }
        password = string
    }
}

/// A view of a SASLInitialResponse.
public struct SASLInitialResponseMessage {
    /// The mechanism the client chose.
    public let mechanism: UnsafeRawBufferPointer
    /// The mechanism's first message, if it came along.
    public let response: UnsafeRawBufferPointer?

    public init(_ frame: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        var cursor = try MessageCursor(frame: frame)
        mechanism = try cursor.string()
        response = try cursor.value()
        try cursor.end()
    }
}

/// A view of a SASLResponse: the whole body belongs to the mechanism.
public struct SASLResponseMessage {
    public let response: UnsafeRawBufferPointer

    public init(_ frame: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        response = try MessageCursor(frame: frame).rest
    }
}

extension ByteQueue {
    /// - Parameter password: clear text, or what `MD5Password.response` made of it.
    public mutating func writePassword(_ password: [UInt8]) {
        writeHeader(FrontendMessageType.password, bodyLength: password.count + 1)
        append(password)
        append(UInt8(0))
    }

    public mutating func writeSASLInitialResponse(mechanism: String, response: [UInt8]?) {
        let mark = beginFrame(FrontendMessageType.password)
        append(cString: mechanism)
        append(value: response)
        endFrame(mark)
    }

    public mutating func writeSASLResponse(_ response: [UInt8]) {
        writeHeader(FrontendMessageType.password, bodyLength: response.count)
        append(response)
    }
}
