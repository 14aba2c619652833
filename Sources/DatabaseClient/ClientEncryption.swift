// ClientEncryption: TLS of a connection that waits: the socket does not block, and whenever OpenSSL wants to read or to write, it is polled for that.
//
// As PostgreSQL itself: TLS 1.2 or newer, no renegotiation, no compression. Not over unix sockets, as with libpq.
import COpenSSL
import Glibc
import Primitives

/// What a client asks of the way to a server over TCP.
public struct Encryption: Sendable, Equatable {
    public var mode: TLSMode
    /// Certificate authorities, where the mode verifies the server; nil: the system's.
    public var rootCertificateFile: String?

    public init(_ mode: TLSMode, rootCertificateFile: String? = nil) {
        self.mode = mode
        self.rootCertificateFile = rootCertificateFile
    }
}

/// One TLS session over a socket that belongs to somebody else. Owned by one thread.
final class ClientEncryption {
    private let session: OpaquePointer
    /// Else OpenSSL's opinion of the certificate has no part in what fails.
    private let isVerifying: Bool

    /// What is to be waited for before a call is repeated.
    enum Outcome: Equatable {
        case done(Int)
        case wants(Int16)
    }

    /// - Throws: ConnectionLost for certificates that cannot be read, or a name that cannot be looked for.
    init(_ encryption: Encryption, descriptor: Int32, host: String) throws {
        guard let context = SSL_CTX_new(TLS_client_method()) else { throw Self.failure("TLS cannot be set up") }
        // The session has a reference of its own.
        defer { SSL_CTX_free(context) }
        _ = copenssl_require_tls12(context)
        _ = copenssl_set_modes(context)
        copenssl_disable_sessions(context)
        copenssl_set_options(context)
        if encryption.mode.isVerifying {
            SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
            let isLoaded = encryption.rootCertificateFile.map { SSL_CTX_load_verify_locations(context, $0, nil) } ?? SSL_CTX_set_default_verify_paths(context)
            if isLoaded != 1 { throw Self.failure("the root certificates\(encryption.rootCertificateFile.map { " in \($0)" } ?? "") cannot be used") }
        }
        isVerifying = encryption.mode.isVerifying
        guard let session = SSL_new(context) else { throw Self.failure("TLS cannot be set up") }
        self.session = session
        let protocols = [UInt8(10)] + Array("postgresql".utf8)
        SSL_set_alpn_protos(session, protocols, UInt32(protocols.count))
        let isAddress = Self.isAddress(host)
        if !isAddress { _ = copenssl_set_server_name(session, host) }
        if encryption.mode == .verifyFull {
            let parameters = SSL_get0_param(session)
            let isSet = isAddress ? X509_VERIFY_PARAM_set1_ip_asc(parameters, host) : X509_VERIFY_PARAM_set1_host(parameters, host, 0)
            guard isSet == 1 else { throw ConnectionLost(description: "no certificate can have the name \(host)") }
        }
        guard SSL_set_fd(session, descriptor) == 1, fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK) == 0 else {
            throw Self.failure("TLS cannot be set up")
        }
    }

    deinit { SSL_free(session) }

    func shakeHands() throws -> Outcome { try outcome { SSL_connect(session) } }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Outcome {
        try outcome { SSL_read(session, buffer.baseAddress, Int32(clamping: buffer.count)) }
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws -> Outcome { try outcome { SSL_write(session, bytes.baseAddress, Int32(clamping: bytes.count)) } }

    /// What has been sent, without taking it: bytes on the socket may be half of a record, or none of ours.
    func peek() throws -> Outcome {
        var byte: UInt8 = 0
        return try outcome { SSL_peek(session, &byte, 1) }
    }

    private func outcome(_ call: () -> Int32) throws -> Outcome {
        ERR_clear_error()
        let result = call()
        if result > 0 { return .done(Int(result)) }
        let code = errno
        switch SSL_get_error(session, result) {
        case SSL_ERROR_WANT_READ: return .wants(Int16(POLLIN))
        case SSL_ERROR_WANT_WRITE: return .wants(Int16(POLLOUT))
        case SSL_ERROR_ZERO_RETURN: throw ConnectionLost(description: "the server closed the connection")
        default:
            let verification = SSL_get_verify_result(session)
            if isVerifying, verification != X509_V_OK, let text = X509_verify_cert_error_string(verification) {
                throw ConnectionLost(description: "the server's certificate is not accepted: \(String(cString: text))")
            }
            throw Self.failure("the connection broke", code: code)
        }
    }

    private static func isAddress(_ host: String) -> Bool {
        var hints = addrinfo()
        hints.ai_flags = AI_NUMERICHOST
        var found: UnsafeMutablePointer<addrinfo>?
        defer { if let found { freeaddrinfo(found) } }
        return getaddrinfo(host, nil, &hints, &found) == 0
    }

    /// With what OpenSSL says, or the system.
    private static func failure(_ what: String, code: Int32 = 0) -> ConnectionLost {
        let number = ERR_get_error()
        ERR_clear_error()
        if let reason = ERR_reason_error_string(number) { return ConnectionLost(description: "\(what): \(String(cString: reason))") }
        return ConnectionLost(description: code == 0 ? what : "\(what): \(String(cString: strerror(code)))")
    }
}
