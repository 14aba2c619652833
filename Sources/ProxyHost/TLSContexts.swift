// TLSContexts: what all TLS sessions share: the proxy's certificate, and whom to trust as a shard.
//
// The rules are PostgreSQL's own (src/backend/libpq/be-secure-openssl.c describes why): TLS 1.2 or newer, no
// renegotiation, no compression, no session tickets. Towards shards the modes are libpq's sslmode ones.
import COpenSSL
import Glibc
import ProxyCore

/// A certificate, key or root file that cannot be used.
public struct TLSError: Error, CustomStringConvertible {
    public let description: String

    init(_ what: String) { description = what + TLSError.queueText() }

    /// What OpenSSL's error queue says, or nothing. Empties the queue.
    static func queueText() -> String {
        let code = ERR_get_error()
        ERR_clear_error()
        guard code != 0 else { return "" }
        var buffer = [CChar](repeating: 0, count: 256)
        ERR_error_string_n(code, &buffer, buffer.count)
        let text = System.text(buffer)
        // "error:0A000102:SSL routines::unsupported protocol": the last part is the one for people.
        return ": " + (text.split(separator: ":").last.map(String.init) ?? text)
    }
}

/// Immutable after initialisation; OpenSSL counts and locks its own references.
final class TLSContexts: @unchecked Sendable {
    /// The protocol's name in ALPN.
    static let applicationProtocol = Array("postgresql".utf8)

    /// For clients; nil without a certificate.
    let server: OpaquePointer?
    /// Towards each shard; nil where TLS is off.
    let clients: [OpaquePointer?]
    /// For verify-full: the name each shard's certificate must bear.
    let shards: [ShardSettings]
    let method: OpaquePointer

    init(_ settings: ProxySettings) throws(TLSError) {
        guard let method = TLSFilter.makeMethod() else { throw TLSError("no memory for TLS") }
        self.method = method
        shards = settings.shards
        if let certificate = settings.tlsCertificateFile, let key = settings.tlsKeyFile {
            server = try Self.makeServer(certificate: certificate, key: key)
        } else {
            server = nil
        }
        var clients: [OpaquePointer?] = []
        for shard in settings.shards {
            clients.append(shard.tlsMode == .disable ? nil : try Self.makeClient(shard))
        }
        self.clients = clients
    }

    deinit {
        SSL_CTX_free(server)
        for client in clients { SSL_CTX_free(client) }
        BIO_meth_free(method)
    }

    private static func make(_ method: OpaquePointer?) throws(TLSError) -> OpaquePointer {
        guard let context = SSL_CTX_new(method) else { throw TLSError("TLS cannot be set up") }
        _ = copenssl_require_tls12(context)
        _ = copenssl_set_modes(context)
        copenssl_disable_sessions(context)
        copenssl_set_options(context)
        return context
    }

    private static func makeServer(certificate: String, key: String) throws(TLSError) -> OpaquePointer {
        let context = try make(TLS_server_method())
        do throws(TLSError) {
            if SSL_CTX_use_certificate_chain_file(context, certificate) != 1 {
                throw TLSError("the certificate file \"\(certificate)\" cannot be used")
            }
            if SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1 {
                throw TLSError("the key file \"\(key)\" cannot be used")
            }
            if SSL_CTX_check_private_key(context) != 1 {
                throw TLSError("the key in \"\(key)\" does not belong to the certificate in \"\(certificate)\"")
            }
        } catch {
            SSL_CTX_free(context)
            throw error
        }
        SSL_CTX_set_alpn_select_cb(context, selectApplicationProtocol, nil)
        return context
    }

    private static func makeClient(_ shard: ShardSettings) throws(TLSError) -> OpaquePointer {
        let context = try make(TLS_client_method())
        guard shard.tlsMode.isVerifying else { return context }
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
        let isLoaded =
            shard.tlsRootCertificateFile.map { SSL_CTX_load_verify_locations(context, $0, nil) }
            ?? SSL_CTX_set_default_verify_paths(context)
        if isLoaded != 1 {
            SSL_CTX_free(context)
            throw TLSError("the root certificates of shard \(shard.host) cannot be used")
        }
        return context
    }

    /// Accepts a client that offers "postgresql" and refuses one that offers only other protocols (ALPACA attack).
    private static let selectApplicationProtocol: SSL_CTX_alpn_select_cb_func = {
        _, output, outputLength, input, length, _ in
        guard let input, let output, let outputLength else { return SSL_TLSEXT_ERR_ALERT_FATAL }
        var position = 0
        while position < Int(length) {
            let size = Int(input[position])
            let name = UnsafeBufferPointer(start: input + position + 1, count: min(size, Int(length) - position - 1))
            if name.elementsEqual(TLSContexts.applicationProtocol) {
                output.pointee = name.baseAddress
                outputLength.pointee = UInt8(size)
                return SSL_TLSEXT_ERR_OK
            }
            position += 1 + size
        }
        return SSL_TLSEXT_ERR_ALERT_FATAL
    }
}
