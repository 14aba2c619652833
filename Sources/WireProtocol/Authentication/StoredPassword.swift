// StoredPassword: what pg_authid.rolpassword or a password file says about a user, and how it may be checked.

/// A password as it is stored.
public enum StoredPassword: Equatable, Sendable {
    case scram(ScramVerifier)
    /// "md5" and 32 hexadecimal digits.
    case md5([UInt8])
    /// The password itself: only in the proxy's own configuration, never in pg_authid.
    case clear([UInt8])

    /// Tells the three forms apart as PostgreSQL does (get_password_type in crypt.c).
    public init(_ text: String) {
        if let verifier = ScramVerifier(text) {
            self = .scram(verifier)
        } else if MD5Password.isVerifier(Array(text.utf8)) {
            self = .md5(Array(text.utf8))
        } else {
            self = .clear(Array(text.utf8))
        }
    }

    /// Whether a password sent in clear is right. Slow for SCRAM verifiers (their iterations).
    public func accepts(password: [UInt8], user: String) -> Bool {
        switch self {
        case .scram(let verifier): return verifier.accepts(password: password)
        case .md5(let stored):
            guard let computed = MD5Password.verifier(password: password, user: user) else { return false }
            return Digest.equalInConstantTime(stored, computed)
        case .clear(let stored): return Digest.equalInConstantTime(stored, password)
        }
    }

    /// The MD5 verifier for `user`, if one can be had: none can be made from a SCRAM verifier.
    public func md5Verifier(user: String) -> [UInt8]? {
        switch self {
        case .scram: return nil
        case .md5(let stored): return stored
        case .clear(let password): return MD5Password.verifier(password: password, user: user)
        }
    }

    /// The SCRAM verifier, if one can be had: none can be made from an MD5 one.
    /// - Parameter salt: for a verifier made from a password in clear; the same at every login, or clients could
    ///   tell such users apart.
    public func scramVerifier(salt: [UInt8]) -> ScramVerifier? {
        switch self {
        case .scram(let verifier): return verifier
        case .md5: return nil
        case .clear(let password): return ScramVerifier(password: password, salt: salt)
        }
    }
}

extension DatabaseMessage {
    /// What PostgreSQL answers to any wrong password, and to any unknown user.
    public static func passwordAuthenticationFailed(user: String) -> DatabaseMessage {
        DatabaseMessage(fatal: .invalidPassword, "password authentication failed for user \"\(user)\"")
    }
}
