// AuthenticationOk, ...CleartextPassword, ...MD5Password, ...SASL, ...SASLContinue, ...SASLFinal: what a server
// asks for before it lets a session in. One type letter, told apart by a number.
import Primitives

/// A request for authentication as a client (the proxy on a link) reads it.
public enum AuthenticationMessage {
    case ok
    case cleartextPassword
    case md5Password(salt: [UInt8])
    case sasl(mechanisms: [String])
    case saslContinue(UnsafeRawBufferPointer)
    case saslFinal(UnsafeRawBufferPointer)
    /// A method the proxy does not speak (Kerberos, GSSAPI, SSPI), by its number.
    case unsupported(Int32)

    public init(_ frame: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        var cursor = try MessageCursor(frame: frame)
        let code = try cursor.integer(Int32.self)
        switch code {
        case 0: self = .ok
        case 3: self = .cleartextPassword
        case 5: self = .md5Password(salt: Array(try cursor.bytes(4)))
        case 10: self = .sasl(mechanisms: try AuthenticationMessage.mechanisms(&cursor))
        case 11: self = .saslContinue(try cursor.bytes(cursor.remaining))
        case 12: self = .saslFinal(try cursor.bytes(cursor.remaining))
        default:
            self = .unsupported(code)
            return
        }
        try cursor.end()
    }

    private static func mechanisms(_ cursor: inout MessageCursor) throws(ProtocolViolation) -> [String] {
        var names: [String] = []
        while true {
            let name = try cursor.string()
            if name.isEmpty { return names }
            names.append(name.text)
        }
    }
}

extension ByteQueue {
    public mutating func writeAuthenticationOk() {
        writeAuthentication(0, data: [])
    }

    public mutating func writeAuthenticationCleartextPassword() {
        writeAuthentication(3, data: [])
    }

    /// - Parameter salt: four random bytes.
    public mutating func writeAuthenticationMD5Password(salt: [UInt8]) {
        precondition(salt.count == 4, "an MD5 salt has four bytes")
        writeAuthentication(5, data: salt)
    }

    public mutating func writeAuthenticationSASL(mechanisms: [String]) {
        writeAuthentication(10, data: mechanisms.flatMap { Array($0.utf8) + [0] } + [0])
    }

    public mutating func writeAuthenticationSASLContinue(_ data: [UInt8]) {
        writeAuthentication(11, data: data)
    }

    public mutating func writeAuthenticationSASLFinal(_ data: [UInt8]) {
        writeAuthentication(12, data: data)
    }

    private mutating func writeAuthentication(_ code: Int32, data: [UInt8]) {
        writeHeader(BackendMessageType.authentication, bodyLength: 4 + data.count)
        append(integer: code)
        append(data)
    }
}
