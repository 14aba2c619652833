// TLSFilter: one stream's TLS session between the socket's ciphertext and the worker's plaintext.
//
// OpenSSL reads and writes through a BIO of our own: reading takes from the bytes one recv brought into the thread's
// shared buffer, writing appends to a pooled queue that one send empties. So TLS keeps the loop's economy (one recv,
// one send a tick, records of a burst joined), needs no memory while idle (SSL_MODE_RELEASE_BUFFERS), and never
// blocks: the read side reports "retry" at the end of the bytes, the write side always takes all.
import COpenSSL
import Glibc
import Primitives
import ProxyCore

/// What an OpenSSL call came to.
enum TLSResult {
    /// Bytes moved (or the handshake is done).
    case done(Int)
    /// More ciphertext must come first.
    case needsInput
    /// The peer said goodbye.
    case ended
    case failed(String)
}

/// One TLS session. Owned through a pointer, since OpenSSL keeps the address; `free` exactly once.
struct TLSFilter {
    /// OpenSSL's SSL.
    let session: OpaquePointer
    /// Ciphertext received and not yet read by OpenSSL; valid during one event.
    fileprivate var incoming = UnsafeRawBufferPointer(start: nil, count: 0)
    /// Ciphertext to send.
    var outgoing: ByteQueue
    var isEstablished = false
    /// The client began with TLS, so it must have named the protocol (PostgreSQL 17, sslnegotiation=direct).
    var requiresApplicationProtocol = false
    /// Keeps the contexts of this session alive across a reload.
    private let contexts: Unmanaged<TLSContexts>

    static func makeServer(_ contexts: TLSContexts, pool: BlockPool.Reference) -> UnsafeMutablePointer<TLSFilter>? {
        guard let context = contexts.server, let filter = make(context, contexts, pool) else { return nil }
        SSL_set_accept_state(filter.pointee.session)
        return filter
    }

    static func makeClient(
        _ contexts: TLSContexts, shard: ShardIndex, pool: BlockPool.Reference
    ) -> UnsafeMutablePointer<TLSFilter>? {
        guard let context = contexts.clients[shard.int], let filter = make(context, contexts, pool) else { return nil }
        let session = filter.pointee.session
        SSL_set_connect_state(session)
        let settings = contexts.shards[shard.int]
        let protocols = [UInt8(TLSContexts.applicationProtocol.count)] + TLSContexts.applicationProtocol
        SSL_set_alpn_protos(session, protocols, UInt32(protocols.count))
        let isAddress = (try? System.resolve(host: settings.host, port: 0, numericOnly: true)) != nil
        if !isAddress { _ = copenssl_set_server_name(session, settings.host) }
        guard settings.tlsMode != .verifyFull || requiresName(session, settings.host, isAddress: isAddress) else {
            free(filter)
            return nil
        }
        return filter
    }

    /// Has the certificate's name checked; false for an address that OpenSSL does not read (127.1, fe80::1%eth0).
    private static func requiresName(_ session: OpaquePointer, _ host: String, isAddress: Bool) -> Bool {
        let parameters = SSL_get0_param(session)
        let isSet = isAddress ? X509_VERIFY_PARAM_set1_ip_asc(parameters, host) : X509_VERIFY_PARAM_set1_host(parameters, host, 0)
        return isSet == 1
    }

    private static func make(
        _ context: OpaquePointer, _ contexts: TLSContexts, _ pool: BlockPool.Reference
    ) -> UnsafeMutablePointer<TLSFilter>? {
        guard let session = SSL_new(context) else { return nil }
        guard let bio = BIO_new(contexts.method) else {
            SSL_free(session)
            return nil
        }
        let filter = UnsafeMutablePointer<TLSFilter>.allocate(capacity: 1)
        filter.initialize(
            to: TLSFilter(
                session: session, outgoing: ByteQueue(pool: pool), contexts: Unmanaged.passRetained(contexts)))
        BIO_set_data(bio, filter)
        BIO_set_init(bio, 1)
        SSL_set_bio(session, bio, bio)
        return filter
    }

    private init(session: OpaquePointer, outgoing: ByteQueue, contexts: Unmanaged<TLSContexts>) {
        self.session = session
        self.outgoing = outgoing
        self.contexts = contexts
    }

    static func free(_ filter: UnsafeMutablePointer<TLSFilter>) {
        SSL_free(filter.pointee.session)
        filter.pointee.outgoing.free()
        filter.pointee.contexts.release()
        filter.deinitialize(count: 1)
        filter.deallocate()
    }
}

// The operations are static over a pointer, not mutating: OpenSSL calls back into the same record.
extension TLSFilter {
    /// Gives OpenSSL the bytes of one recv; they must be read (`read` until `needsInput`) before the next event.
    static func feed(_ filter: UnsafeMutablePointer<TLSFilter>, _ bytes: UnsafeRawBufferPointer) {
        filter.pointee.incoming = bytes
    }

    static func handshake(_ filter: UnsafeMutablePointer<TLSFilter>) -> TLSResult {
        let session = filter.pointee.session
        ERR_clear_error()
        let code = SSL_do_handshake(session)
        guard code == 1 else { return result(filter, code) }
        if filter.pointee.requiresApplicationProtocol && !hasApplicationProtocol(session) {
            return .failed("direct TLS without the application protocol \"postgresql\"")
        }
        filter.pointee.isEstablished = true
        return .done(0)
    }

    /// Decrypts into `buffer`.
    static func read(
        _ filter: UnsafeMutablePointer<TLSFilter>, into buffer: UnsafeMutableRawBufferPointer
    ) -> TLSResult {
        var count = 0
        ERR_clear_error()
        let code = SSL_read_ex(filter.pointee.session, buffer.baseAddress, buffer.count, &count)
        return code == 1 ? .done(count) : result(filter, code)
    }

    /// Encrypts some of `bytes` into `outgoing`.
    static func write(_ filter: UnsafeMutablePointer<TLSFilter>, _ bytes: UnsafeRawBufferPointer) -> TLSResult {
        var count = 0
        ERR_clear_error()
        let code = SSL_write_ex(filter.pointee.session, bytes.baseAddress, bytes.count, &count)
        return code == 1 ? .done(count) : result(filter, code)
    }

    /// Appends our goodbye to `outgoing`.
    static func shutDown(_ filter: UnsafeMutablePointer<TLSFilter>) {
        ERR_clear_error()
        if filter.pointee.isEstablished { _ = SSL_shutdown(filter.pointee.session) }
    }

    private static func result(_ filter: UnsafeMutablePointer<TLSFilter>, _ code: Int32) -> TLSResult {
        let session = filter.pointee.session
        switch SSL_get_error(session, code) {
        case SSL_ERROR_WANT_READ: return .needsInput
        case SSL_ERROR_ZERO_RETURN: return .ended
        default:
            let verification = SSL_get_verify_result(session)
            if verification != X509_V_OK, let text = X509_verify_cert_error_string(verification) {
                ERR_clear_error()
                return .failed("the certificate is not accepted: \(String(cString: text))")
            }
            return .failed("TLS failed\(TLSError.queueText())")
        }
    }

    private static func hasApplicationProtocol(_ session: OpaquePointer) -> Bool {
        var name: UnsafePointer<UInt8>?
        var length: UInt32 = 0
        SSL_get0_alpn_selected(session, &name, &length)
        return UnsafeBufferPointer(start: name, count: Int(length)).elementsEqual(TLSContexts.applicationProtocol)
    }

    static func facts(_ filter: UnsafeMutablePointer<TLSFilter>) -> TLSFacts {
        let session = filter.pointee.session
        let isServer = SSL_is_server(session) == 1
        let peer = isServer ? nil : SSL_get1_peer_certificate(session)
        defer { X509_free(peer) }
        let certificate = isServer ? SSL_get_certificate(session) : peer
        return TLSFacts(
            version: String(cString: SSL_get_version(session)),
            cipher: String(cString: SSL_CIPHER_get_name(SSL_get_current_cipher(session))),
            serverEndPoint: certificate.map(endPointHash) ?? [])
    }

    /// RFC 5929 section 4.1: the certificate's hash by its own signature's digest, SHA-256 in place of MD5 and SHA-1.
    private static func endPointHash(_ certificate: OpaquePointer) -> [UInt8] {
        var digest: Int32 = 0
        let isKnown = X509_get_signature_info(certificate, &digest, nil, nil, nil) == 1
        let isWeak = !isKnown || digest == NID_md5 || digest == NID_sha1
        guard let algorithm = isWeak ? EVP_sha256() : EVP_get_digestbyname(OBJ_nid2sn(digest)) else { return [] }
        var hash = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var length: UInt32 = 0
        guard X509_digest(certificate, algorithm, &hash, &length) == 1 else { return [] }
        return Array(hash.prefix(Int(length)))
    }
}

// The BIO: OpenSSL's view of the filter's two byte stores.
extension TLSFilter {
    static func makeMethod() -> OpaquePointer? {
        guard let method = BIO_meth_new(BIO_get_new_index() | Int32(BIO_TYPE_SOURCE_SINK), "pgbraid stream") else {
            return nil
        }
        BIO_meth_set_read(method, bioRead)
        BIO_meth_set_write(method, bioWrite)
        BIO_meth_set_ctrl(method) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
        return method
    }

    private static let bioRead: @convention(c) (OpaquePointer?, UnsafeMutablePointer<CChar>?, Int32) -> Int32 = {
        bio, buffer, count in
        guard let bio, let buffer, let data = BIO_get_data(bio) else { return -1 }
        let filter = data.assumingMemoryBound(to: TLSFilter.self)
        let size = min(Int(count), filter.pointee.incoming.count)
        copenssl_clear_retry(bio)
        guard size > 0, let source = filter.pointee.incoming.baseAddress else {
            copenssl_set_retry_read(bio)
            return -1
        }
        memcpy(buffer, source, size)
        filter.pointee.incoming = UnsafeRawBufferPointer(rebasing: filter.pointee.incoming[size...])
        return Int32(size)
    }

    private static let bioWrite: @convention(c) (OpaquePointer?, UnsafePointer<CChar>?, Int32) -> Int32 = {
        bio, bytes, count in
        guard let bio, let bytes, let data = BIO_get_data(bio) else { return -1 }
        copenssl_clear_retry(bio)
        let filter = data.assumingMemoryBound(to: TLSFilter.self)
        filter.pointee.outgoing.append(UnsafeRawBufferPointer(start: bytes, count: Int(count)))
        return count
    }
}
