// ScramVerifier and ScramKeys: what a server stores of a password, and what suffices to log in with it.
//
// A server keeps StoredKey = H(ClientKey) and ServerKey. A client proves that it knows ClientKey, and in doing so
// shows it to the server, which may use it to log in elsewhere under the same verifier: that is how the proxy logs
// in to shards as the client (RFC 5802, section 3; verifiers as in PostgreSQL's scram-common.c).

/// The verifier `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`.
public struct ScramVerifier: Equatable, Sendable {
    public var iterations: Int
    public var salt: [UInt8]
    public var storedKey: [UInt8]
    public var serverKey: [UInt8]

    /// PostgreSQL 15's iteration count for new verifiers.
    public static let defaultIterations = 4096
    /// PostgreSQL's salt length for new verifiers, in bytes.
    public static let defaultSaltBytes = 16
    /// More iterations than this a client does not compute for a server: they would stop the thread for seconds.
    public static let maximumIterations = 1_000_000

    public init(iterations: Int, salt: [UInt8], storedKey: [UInt8], serverKey: [UInt8]) {
        self.iterations = iterations
        self.salt = salt
        self.storedKey = storedKey
        self.serverKey = serverKey
    }

    /// Makes a verifier from a password in clear; `salt` is random. Costs `iterations` HMACs.
    public init(password: [UInt8], salt: [UInt8], iterations: Int = ScramVerifier.defaultIterations) {
        let keys = ScramKeys(password: password, salt: salt, iterations: iterations)
        self.init(
            iterations: iterations, salt: salt, storedKey: Digest.sha256(keys.clientKey), serverKey: keys.serverKey)
    }

    /// Reads the stored form; nil if it is not one.
    public init?(_ text: String) {
        let parts = text.split(separator: "$", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "SCRAM-SHA-256" else { return nil }
        let head = parts[1].split(separator: ":", omittingEmptySubsequences: false)
        let tail = parts[2].split(separator: ":", omittingEmptySubsequences: false)
        guard head.count == 2, tail.count == 2, let iterations = Int32(head[0]), iterations > 0,
            let salt = Base64.decode(head[1].utf8), !salt.isEmpty,
            let storedKey = Base64.decode(tail[0].utf8), storedKey.count == 32,
            let serverKey = Base64.decode(tail[1].utf8), serverKey.count == 32
        else { return nil }
        self.init(iterations: Int(iterations), salt: salt, storedKey: storedKey, serverKey: serverKey)
    }

    /// The stored form.
    public var text: String {
        let encoded = [salt, storedKey, serverKey].map { String(decoding: Base64.encode($0), as: UTF8.self) }
        return "SCRAM-SHA-256$\(iterations):\(encoded[0])$\(encoded[1]):\(encoded[2])"
    }

    /// Whether a password in clear fits. Costs `iterations` HMACs.
    public func accepts(password: [UInt8]) -> Bool {
        let keys = ScramKeys(password: password, salt: salt, iterations: iterations)
        return Digest.equalInConstantTime(keys.serverKey, serverKey)
    }
}

/// The two keys with which a client can log in wherever the verifier has this salt and iteration count.
public struct ScramKeys: Equatable, Sendable {
    public var iterations: Int
    public var salt: [UInt8]
    public var clientKey: [UInt8]
    public var serverKey: [UInt8]

    public init(iterations: Int, salt: [UInt8], clientKey: [UInt8], serverKey: [UInt8]) {
        self.iterations = iterations
        self.salt = salt
        self.clientKey = clientKey
        self.serverKey = serverKey
    }

    /// Derives the keys from a password in clear. Costs `iterations` HMACs.
    public init(password: [UInt8], salt: [UInt8], iterations: Int) {
        let salted = Digest.saltedPassword(SASLPrep.prepare(password), salt: salt, iterations: iterations)
        self.init(
            iterations: iterations, salt: salt,
            clientKey: Digest.hmacSHA256(key: salted, Array("Client Key".utf8)),
            serverKey: Digest.hmacSHA256(key: salted, Array("Server Key".utf8)))
    }
}
