// StartupMessage: who connects, to which database, with which settings.

/// The startup message of protocol 3.
public struct StartupMessage: Equatable, Sendable {
    public struct Parameter: Equatable, Sendable {
        public var name: String
        public var value: String

        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    public var version: ProtocolVersion
    /// In the order sent. A name may occur twice; the last one counts.
    public var parameters: [Parameter]

    public init(version: ProtocolVersion = .v3_0, parameters: [Parameter]) {
        self.version = version
        self.parameters = parameters
    }

    public subscript(name: String) -> String? { parameters.last { $0.name == name }?.value }

    public var user: String? { self["user"] }
    /// The database asked for; PostgreSQL takes the user's name when none (or an empty one) is given.
    public var database: String? {
        if let name = self["database"], !name.isEmpty { return name }
        return user
    }
    public var options: String? { self["options"] }

    /// Options of the protocol itself (`_pq_.` names); none is known yet.
    public var protocolOptions: [String] { parameters.map(\.name).filter { $0.hasPrefix("_pq_.") } }

    /// The answer due before authentication, if the client asked for more than protocol 3.0.
    public var negotiation: NegotiateProtocolVersionMessage? {
        let unknown = protocolOptions
        guard version.minor > 0 || !unknown.isEmpty else { return nil }
        return NegotiateProtocolVersionMessage(newestVersion: .v3_0, unrecognizedOptions: unknown)
    }
}

extension StartupMessage {
    /// Reads the parameters after the version.
    init(version: ProtocolVersion, packet: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        guard version.major == 3 else {
            throw ProtocolViolation(
                "unsupported frontend protocol \(version.major).\(version.minor): server supports 3.0 to 3.0",
                sqlState: .featureNotSupported)
        }
        self.version = version
        parameters = []
        var cursor = MessageCursor(bytes: packet)
        _ = try cursor.bytes(8)
        while cursor.remaining > 1, cursor.next != 0 {
            parameters.append(try StartupMessage.parameter(&cursor))
        }
        guard cursor.remaining == 1, cursor.next == 0 else { throw StartupMessage.badLayout }
        guard let user, !user.isEmpty else {
            throw ProtocolViolation(
                "no PostgreSQL user name specified in startup packet", sqlState: .invalidAuthorizationSpecification)
        }
    }

    private static var badLayout: ProtocolViolation {
        ProtocolViolation("invalid startup packet layout: expected terminator as last byte")
    }

    private static func parameter(_ cursor: inout MessageCursor) throws(ProtocolViolation) -> Parameter {
        guard let name = try? cursor.string(), let value = try? cursor.string() else { throw badLayout }
        return Parameter(name: try utf8(name), value: try utf8(value))
    }

    /// Names of users and databases are compared as text later: bytes that are not UTF-8 are refused, not repaired.
    private static func utf8(_ bytes: UnsafeRawBufferPointer) throws(ProtocolViolation) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw ProtocolViolation(
                "startup packet holds bytes that are not UTF-8", sqlState: .characterNotInRepertoire)
        }
        return text
    }
}
