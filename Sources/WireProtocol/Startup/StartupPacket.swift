// StartupPacket: the first packet of a stream, which alone has no type byte. It opens a session, asks for
// encryption, or cancels another session's query (PostgreSQL manual, sections 55.2.1, 55.2.7, 55.7; the order of
// the checks is ProcessStartupPacket's in postmaster.c).

/// A process and its secret: what BackendKeyData gives and CancelRequest shows.
public struct CancelKey: Hashable, Sendable {
    public var processID: Int32
    public var secretKey: Int32

    public init(processID: Int32, secretKey: Int32) {
        self.processID = processID
        self.secretKey = secretKey
    }
}

/// What a client asks for first.
public enum StartupPacket: Equatable, Sendable {
    case startup(StartupMessage)
    case sslRequest
    case gssEncryptionRequest
    case cancelRequest(CancelKey)
}

/// Whether a whole startup packet has arrived.
public enum StartupScan: Equatable, Sendable {
    /// Bytes of the whole packet, its length word included.
    case packet(length: Int)
    case incomplete
    /// The length word cannot be a startup packet's; PostgreSQL closes the stream without an answer.
    case violation
}

extension StartupPacket {
    /// Finds the packet at the front of `bytes`.
    /// - Parameter limit: the largest packet to accept, in bytes (PostgreSQL: 10,000 after the length word).
    public static func scan(_ bytes: UnsafeRawBufferPointer, limit: Int = 10_004) -> StartupScan {
        guard bytes.count >= 4 else { return .incomplete }
        let length = Int(bytes.integer(at: 0, as: Int32.self))
        guard length >= 8, length <= limit else { return .violation }
        return bytes.count >= length ? .packet(length: length) : .incomplete
    }

    /// Reads one whole packet.
    /// - Throws: `ProtocolViolation`, to be answered with FATAL where PostgreSQL answers at all.
    public init(_ packet: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        guard packet.count >= 8 else { throw ProtocolViolation("invalid length of startup packet") }
        switch ProtocolVersion(rawValue: packet.integer(at: 4, as: UInt32.self)) {
        case .cancelRequest:
            guard packet.count == 16 else { throw ProtocolViolation("invalid length of startup packet") }
            self = .cancelRequest(
                CancelKey(
                    processID: packet.integer(at: 8, as: Int32.self), secretKey: packet.integer(at: 12, as: Int32.self))
            )
        case .sslRequest: self = .sslRequest
        case .gssEncryptionRequest: self = .gssEncryptionRequest
        case let version: self = .startup(try StartupMessage(version: version, packet: packet))
        }
    }
}
