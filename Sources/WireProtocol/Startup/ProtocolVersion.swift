// ProtocolVersion: the number at the head of a startup packet.

/// A protocol version: major in the high 16 bits, minor in the low ones.
public struct ProtocolVersion: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public init(major: UInt16, minor: UInt16) { rawValue = UInt32(major) << 16 | UInt32(minor) }

    public var major: UInt16 { UInt16(truncatingIfNeeded: rawValue >> 16) }
    public var minor: UInt16 { UInt16(truncatingIfNeeded: rawValue) }

    public static let v3_0 = ProtocolVersion(major: 3, minor: 0)

    // Requests that take the place of a version (pqcomm.h): major 1234.
    static let cancelRequest = ProtocolVersion(major: 1234, minor: 5678)
    static let sslRequest = ProtocolVersion(major: 1234, minor: 5679)
    static let gssEncryptionRequest = ProtocolVersion(major: 1234, minor: 5680)
}
