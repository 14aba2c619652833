// TLSMode: how a connection to a server is encrypted: by libpq's words (PostgreSQL manual, section 34.19).

/// The raw value is the word of a configuration.
public enum TLSMode: String, Sendable, CaseIterable {
    /// Never; if the server offers it; always; always, by a server whose certificate an authority has signed; and one that has the name we asked for.
    case disable, prefer, require
    case verifyCA = "verify-ca"
    case verifyFull = "verify-full"

    /// The server must have a certificate that somebody we trust has signed.
    public var isVerifying: Bool { self == .verifyCA || self == .verifyFull }
}
