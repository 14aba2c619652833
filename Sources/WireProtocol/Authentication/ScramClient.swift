// ScramClient: the client's side of a SCRAM-SHA-256 exchange, for logging in to shards. It starts from a password
// in clear, or from the keys a client's own exchange with the proxy has shown (RFC 5802; PostgreSQL's
// fe-auth-scram.c).

/// What a client can prove.
public enum ScramCredential: Equatable, Sendable {
    case password([UInt8])
    case keys(ScramKeys)
}

/// One exchange with one server. All randomness comes in through the initialiser.
public struct ScramClient: Sendable {
    public let mechanism: ScramMechanism
    /// The data of SASLInitialResponse.
    public var clientFirst: [UInt8] { flag.header + clientFirstBare }

    private let credential: ScramCredential
    private let flag: ChannelBindingFlag
    private let channelBindingData: [UInt8]
    private let clientNonce: [UInt8]
    private var expectedSignature: [UInt8]?

    private var clientFirstBare: [UInt8] { Array("n=,r=".utf8) + clientNonce }

    /// - Parameters:
    ///   - mechanisms: what the server offers.
    ///   - channelBindingData: the `tls-server-end-point` hash of the server's certificate; nil without TLS.
    ///   - nonce: 18 random bytes.
    /// - Throws: if the server offers no mechanism known here.
    public init(
        mechanisms: [String], credential: ScramCredential, channelBindingData: [UInt8]?, nonce: [UInt8]
    ) throws(ProtocolViolation) {
        self.credential = credential
        self.channelBindingData = channelBindingData ?? []
        clientNonce = Base64.encode(nonce)
        if channelBindingData != nil, mechanisms.contains(ScramMechanism.sha256Plus.rawValue) {
            mechanism = .sha256Plus
            flag = .required
        } else if mechanisms.contains(ScramMechanism.sha256.rawValue) {
            mechanism = .sha256
            flag = channelBindingData == nil ? .unsupported : .serverLacksIt
        } else {
            throw ProtocolViolation("none of the server's SASL authentication mechanisms are supported")
        }
    }

    /// Takes the data of AuthenticationSASLContinue and makes that of the next SASLResponse. Costs the iterations
    /// if it starts from a password.
    /// - Throws: if the message is malformed, or if keys were given that belong to another salt (28P01).
    public mutating func receiveServerFirst(_ message: UnsafeRawBufferPointer) throws(ProtocolViolation) -> [UInt8] {
        let challenge = try ScramChallenge(message, clientNonce: clientNonce)
        let keys = try self.keys(for: challenge)
        let withoutProof =
            Array("c=".utf8) + Base64.encode(flag.header + (flag == .required ? channelBindingData : []))
            + Array(",r=".utf8) + challenge.nonce
        let signature = ScramProof.signature(
            key: Digest.sha256(keys.clientKey), clientFirstBare: clientFirstBare, serverFirst: Array(message),
            clientFinal: withoutProof)
        expectedSignature = ScramProof.signature(
            key: keys.serverKey, clientFirstBare: clientFirstBare, serverFirst: Array(message),
            clientFinal: withoutProof)
        let proof = ScramProof.exclusiveOr(keys.clientKey, signature)
        return withoutProof + Array(",p=".utf8) + Base64.encode(proof)
    }

    private func keys(for challenge: ScramChallenge) throws(ProtocolViolation) -> ScramKeys {
        switch credential {
        case .password(let password):
            return ScramKeys(password: password, salt: challenge.salt, iterations: challenge.iterations)
        case .keys(let keys):
            guard keys.salt == challenge.salt, keys.iterations == challenge.iterations else {
                throw ProtocolViolation(
                    "the server's SCRAM verifier has another salt than the one the client logged in with",
                    sqlState: .invalidPassword)
            }
            return keys
        }
    }

    /// Takes the data of AuthenticationSASLFinal.
    /// - Throws: if the server does not know the password either, and so may be an impostor.
    public func receiveServerFinal(_ message: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        var attributes = ScramAttributes(message)
        guard let expectedSignature, let (name, value) = try? attributes.anyAttribute() else {
            throw ProtocolViolation("malformed SCRAM message")
        }
        if name == UInt8(ascii: "e") {
            throw ProtocolViolation(
                "error received from server in SCRAM exchange: \(String(decoding: value, as: UTF8.self))",
                sqlState: .invalidPassword)
        }
        guard name == UInt8(ascii: "v"), let signature = Base64.decode(value),
            Digest.equalInConstantTime(signature, expectedSignature)
        else { throw ProtocolViolation("incorrect server signature", sqlState: .invalidPassword) }
    }
}

/// The server's first message, taken apart.
private struct ScramChallenge {
    let nonce: [UInt8]
    let salt: [UInt8]
    let iterations: Int

    init(_ message: UnsafeRawBufferPointer, clientNonce: [UInt8]) throws(ProtocolViolation) {
        var attributes = ScramAttributes(message)
        guard let nonce = try? attributes.value(of: "r"), let salt = try? attributes.value(of: "s"),
            let count = try? attributes.value(of: "i"), let iterations = Int(String(decoding: count, as: UTF8.self)),
            let decodedSalt = Base64.decode(salt), attributes.isAtEnd
        else { throw ProtocolViolation("malformed SCRAM message") }
        guard nonce.starts(with: clientNonce), nonce.count > clientNonce.count else {
            throw ProtocolViolation("invalid SCRAM response (nonce mismatch)")
        }
        guard iterations > 0, iterations <= ScramVerifier.maximumIterations else {
            throw ProtocolViolation("malformed SCRAM message (invalid iteration count)")
        }
        self.nonce = nonce
        self.salt = decodedSalt
        self.iterations = iterations
    }
}
