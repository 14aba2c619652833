// ScramMechanism: the two SASL mechanisms of PostgreSQL, and the channel binding that tells them apart.

/// SCRAM-SHA-256 (RFC 7677), without and with channel binding.
public enum ScramMechanism: String, Sendable {
    case sha256 = "SCRAM-SHA-256"
    case sha256Plus = "SCRAM-SHA-256-PLUS"

    /// The mechanisms a server offers, best first.
    /// - Parameter channelBinding: whether the stream is TLS and the certificate's hash is known.
    public static func offered(channelBinding: Bool) -> [String] {
        channelBinding ? [sha256Plus.rawValue, sha256.rawValue] : [sha256.rawValue]
    }
}

/// How a client stands to channel binding: the flag that opens its first message (RFC 5802, section 6).
enum ChannelBindingFlag: UInt8 {
    /// The client does not support it.
    case unsupported = 0x6E
    /// The client supports it and believes the server does not.
    case serverLacksIt = 0x79
    /// The client demands it.
    case required = 0x70

    /// The GS2 header: the flag, and no authorization identity.
    var header: [UInt8] {
        switch self {
        case .unsupported: return Array("n,,".utf8)
        case .serverLacksIt: return Array("y,,".utf8)
        case .required: return Array("p=tls-server-end-point,,".utf8)
        }
    }
}

/// The arithmetic both sides share (RFC 5802, section 3).
enum ScramProof {
    static func signature(key: [UInt8], clientFirstBare: [UInt8], serverFirst: [UInt8], clientFinal: [UInt8]) -> [UInt8]
    {
        let comma = [UInt8(ascii: ",")]
        return Digest.hmacSHA256(key: key, clientFirstBare + comma + serverFirst + comma + clientFinal)
    }

    static func exclusiveOr(_ a: [UInt8], _ b: [UInt8]) -> [UInt8] {
        zip(a, b).map { $0 ^ $1 }
    }
}
