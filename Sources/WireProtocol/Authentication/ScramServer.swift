// ScramServer: the server's side of a SCRAM-SHA-256 exchange, message for message as PostgreSQL's auth-scram.c.
//
//   awaitingFirst  --client-first-->  awaitingFinal   (answers the nonce, salt and iteration count)
//   awaitingFinal  --client-final-->  finished        (answers the server's signature, or throws)
//
// For a user without a usable verifier the exchange runs to its end with a salt that is always the same for the
// name, and then fails: a client cannot learn which users exist.

/// One exchange with one client. All randomness comes in through the initialiser.
public struct ScramServer: Sendable {
    /// What to do next.
    public enum Reply: Equatable, Sendable {
        /// Send AuthenticationSASLContinue with this.
        case challenge([UInt8])
        /// The password is right: send AuthenticationSASLFinal with `serverFinal`; `keys` log in to shards.
        case success(serverFinal: [UInt8], keys: ScramKeys)
    }

    private enum State {
        case awaitingFirst
        case awaitingFinal(flag: ChannelBindingFlag, nonce: [UInt8], clientFirstBare: [UInt8], serverFirst: [UInt8])
        case finished
    }

    private let mechanism: ScramMechanism
    private let user: String
    private let verifier: ScramVerifier
    private let isDoomed: Bool
    private let channelBindingData: [UInt8]?
    private let serverNonce: [UInt8]
    private var state = State.awaitingFirst

    /// - Parameters:
    ///   - mechanismName: what the client chose in SASLInitialResponse.
    ///   - verifier: nil dooms the exchange (no such user, no password, only an MD5 one).
    ///   - user: the name from the startup message; the one inside SCRAM is ignored, as PostgreSQL does.
    ///   - channelBindingData: the `tls-server-end-point` hash of the server's certificate; nil without TLS.
    ///   - nonce: 18 random bytes.
    ///   - mockSecret: random bytes that stay the same as long as possible; they make up salts for unknown users.
    /// - Throws: a FATAL 08P01 for a mechanism that was not offered.
    public init(
        mechanismName: UnsafeRawBufferPointer, verifier: ScramVerifier?, user: String, channelBindingData: [UInt8]?,
        nonce: [UInt8], mockSecret: [UInt8]
    ) throws(DatabaseMessage) {
        guard let mechanism = ScramMechanism(rawValue: mechanismName.text),
            mechanism == .sha256 || channelBindingData != nil
        else {
            throw DatabaseMessage(
                fatal: .protocolViolation, "client selected an invalid SASL authentication mechanism")
        }
        self.mechanism = mechanism
        self.user = user
        self.verifier = verifier ?? ScramServer.mockVerifier(user: user, secret: mockSecret)
        isDoomed = verifier == nil
        self.channelBindingData = channelBindingData
        serverNonce = Base64.encode(nonce)
    }

    private static func mockVerifier(user: String, secret: [UInt8]) -> ScramVerifier {
        let salt = Digest.sha256(Array(user.utf8) + secret).prefix(ScramVerifier.defaultSaltBytes)
        let noKey = [UInt8](repeating: 0, count: 32)
        return ScramVerifier(
            iterations: ScramVerifier.defaultIterations, salt: Array(salt), storedKey: noKey, serverKey: noKey)
    }

    /// Takes the data of a SASLInitialResponse (nil if it brought none) or SASLResponse.
    /// - Throws: the FATAL to send before the stream is closed.
    public mutating func receive(_ response: UnsafeRawBufferPointer?) throws(DatabaseMessage) -> Reply {
        guard let response else { return .challenge([]) }
        guard response.count > 0 else { throw ScramAttributes.malformed("The message is empty.") }
        guard !response.contains(0) else {
            throw ScramAttributes.malformed("Message length does not match input length.")
        }
        switch state {
        case .awaitingFirst: return .challenge(try receiveFirst(Array(response)))
        case .awaitingFinal(let flag, let nonce, let clientFirstBare, let serverFirst):
            state = .finished
            return try receiveFinal(
                Array(response), flag: flag, nonce: nonce, clientFirstBare: clientFirstBare, serverFirst: serverFirst)
        case .finished: throw DatabaseMessage(fatal: .internalError, "invalid SCRAM exchange state")
        }
    }

    private mutating func receiveFirst(_ message: [UInt8]) throws(DatabaseMessage) -> [UInt8] {
        var attributes = ScramAttributes(message)
        let flag = try channelBindingFlag(&attributes)
        if attributes.next == UInt8(ascii: "a") {
            throw DatabaseMessage(
                fatal: .featureNotSupported, "client uses authorization identity, but it is not supported")
        }
        guard attributes.next == UInt8(ascii: ",") else {
            throw ScramAttributes.malformed(
                "Unexpected attribute \"\(ScramAttributes.shown(attributes.next))\" in client-first-message.")
        }
        try attributes.comma()
        let clientFirstBare = Array(attributes.rest)
        let nonce = try clientNonce(&attributes) + serverNonce
        let salt = String(decoding: Base64.encode(verifier.salt), as: UTF8.self)
        let serverFirst = Array("r=".utf8) + nonce + Array(",s=\(salt),i=\(verifier.iterations)".utf8)
        state = .awaitingFinal(flag: flag, nonce: nonce, clientFirstBare: clientFirstBare, serverFirst: serverFirst)
        return serverFirst
    }

    private func clientNonce(_ attributes: inout ScramAttributes) throws(DatabaseMessage) -> [UInt8] {
        if attributes.next == UInt8(ascii: "m") {
            throw DatabaseMessage(fatal: .featureNotSupported, "client requires an unsupported SCRAM extension")
        }
        _ = try attributes.value(of: "n")
        let nonce = try attributes.value(of: "r")
        guard ScramAttributes.isPrintable(nonce) else {
            throw DatabaseMessage(fatal: .protocolViolation, "non-printable characters in SCRAM nonce")
        }
        while !attributes.isAtEnd { _ = try attributes.anyAttribute() }
        return nonce
    }
}

extension ScramServer {
    private func channelBindingFlag(
        _ attributes: inout ScramAttributes
    ) throws(DatabaseMessage) -> ChannelBindingFlag {
        switch ChannelBindingFlag(rawValue: attributes.next) {
        case .unsupported:
            guard mechanism == .sha256 else { throw ScramServer.bindingMissing }
            _ = attributes.take()
            try attributes.comma()
            return .unsupported
        case .serverLacksIt:
            guard mechanism == .sha256 else { throw ScramServer.bindingMissing }
            guard channelBindingData == nil else { throw ScramServer.downgrade }
            _ = attributes.take()
            try attributes.comma()
            return .serverLacksIt
        case .required:
            guard mechanism == .sha256Plus else { throw ScramServer.bindingUnexpected }
            let name = String(decoding: try attributes.value(of: "p"), as: UTF8.self)
            guard name == "tls-server-end-point" else {
                throw DatabaseMessage(
                    fatal: .protocolViolation, "unsupported SCRAM channel-binding type \"\(name)\"")
            }
            return .required
        case nil:
            throw ScramAttributes.malformed(
                "Unexpected channel-binding flag \"\(ScramAttributes.shown(attributes.next))\".")
        }
    }

    private static var bindingMissing: DatabaseMessage {
        ScramAttributes.malformed(
            "The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding data.")
    }

    private static var bindingUnexpected: DatabaseMessage {
        ScramAttributes.malformed(
            "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data."
        )
    }

    private static var downgrade: DatabaseMessage {
        DatabaseMessage(
            fatal: .invalidAuthorizationSpecification, "SCRAM channel binding negotiation error",
            detail: "The client supports SCRAM channel binding but thinks the server does not.  "
                + "However, this server does support channel binding.")
    }

    private func receiveFinal(
        _ message: [UInt8], flag: ChannelBindingFlag, nonce: [UInt8], clientFirstBare: [UInt8], serverFirst: [UInt8]
    ) throws(DatabaseMessage) -> Reply {
        var attributes = ScramAttributes(message)
        try checkChannelBinding(try attributes.value(of: "c"), flag)
        let finalNonce = try attributes.value(of: "r")
        let (proof, withoutProof) = try clientProof(&attributes, message)
        guard finalNonce == nonce else {
            throw DatabaseMessage(
                fatal: .protocolViolation, "invalid SCRAM response", detail: "Nonce does not match.")
        }
        let signature = ScramProof.signature(
            key: verifier.storedKey, clientFirstBare: clientFirstBare, serverFirst: serverFirst,
            clientFinal: withoutProof)
        let clientKey = ScramProof.exclusiveOr(proof, signature)
        guard Digest.equalInConstantTime(Digest.sha256(clientKey), verifier.storedKey), !isDoomed else {
            throw .passwordAuthenticationFailed(user: user)
        }
        let serverSignature = ScramProof.signature(
            key: verifier.serverKey, clientFirstBare: clientFirstBare, serverFirst: serverFirst,
            clientFinal: withoutProof)
        return .success(
            serverFinal: Array("v=".utf8) + Base64.encode(serverSignature),
            keys: ScramKeys(
                iterations: verifier.iterations, salt: verifier.salt, clientKey: clientKey,
                serverKey: verifier.serverKey))
    }

    private func checkChannelBinding(_ value: [UInt8], _ flag: ChannelBindingFlag) throws(DatabaseMessage) {
        let data = flag == .required ? channelBindingData ?? [] : []
        guard value != Base64.encode(flag.header + data) else { return }
        if flag == .required {
            throw DatabaseMessage(fatal: .invalidAuthorizationSpecification, "SCRAM channel binding check failed")
        }
        throw DatabaseMessage(
            fatal: .protocolViolation, "unexpected SCRAM channel-binding attribute in client-final-message")
    }

    /// The proof, which must be the last attribute, and the message before it.
    private func clientProof(
        _ attributes: inout ScramAttributes, _ message: [UInt8]
    ) throws(DatabaseMessage) -> (proof: [UInt8], withoutProof: [UInt8]) {
        while true {
            let start = message.count - attributes.rest.count
            let (name, value) = try attributes.anyAttribute()
            guard name == UInt8(ascii: "p") else { continue }
            guard let proof = Base64.decode(value), proof.count == 32 else {
                throw ScramAttributes.malformed("Malformed proof in client-final-message.")
            }
            guard attributes.isAtEnd else {
                throw ScramAttributes.malformed("Garbage found at the end of client-final-message.")
            }
            return (proof, Array(message.prefix(start - 1)))
        }
    }
}
