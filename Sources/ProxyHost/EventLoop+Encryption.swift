// Encryption: streams whose bytes pass through TLS.
import CLinux
import Glibc
import Primitives
import ProxyCore

extension EventLoop {
    /// Ciphertext made ahead of one send, in bytes; what is above stays plaintext in the stream's output.
    static let ciphertextAheadBytes = 64 << 10
    /// Ciphertext that waits to be sent above which a peer that goes on sending is let go: what is encrypted ahead, and answers of TLS itself.
    static let ciphertextUnreadBytes = 512 << 10
    /// First byte of a TLS handshake record. No startup packet begins so: it would be 369 MB long.
    static let tlsHandshakeByte: UInt8 = 0x16

    // MARK: Beginning

    /// The worker asks for TLS; it begins when the plaintext output (the answer S) has been sent.
    func startTLS(_ id: StreamID, _ kind: PendingTLS, _ now: Instant) {
        guard let socket = sockets.find(id), socket.pointee.state == .open else { return }
        // Bytes that came before the handshake could have been put there by anyone on the way and would be taken for
        // encrypted ones (CVE-2021-23214 in the server, CVE-2021-23222 in the client).
        if !socket.pointee.stream.pointee.input.isEmpty {
            logger.warning("unencrypted data before the TLS handshake; the connection is closed")
            return peerClosed(socket, "received unencrypted data before the TLS handshake", now)
        }
        if socket.pointee.stream.pointee.output.isEmpty { return beginTLS(socket, kind, now) }
        socket.pointee.pendingTLS = kind
        streams.markDirty(id.index)
    }

    /// A client without SSLRequest whose first byte is TLS's (PostgreSQL 17: sslnegotiation=direct).
    func opensWithTLS(_ socket: UnsafeMutablePointer<Socket>, _ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes[0] == Self.tlsHandshakeByte && environment.tls.server != nil
    }

    func beginDirectTLS(_ socket: UnsafeMutablePointer<Socket>, _ bytes: UnsafeRawBufferPointer, _ now: Instant) {
        let id = socket.pointee.id
        beginTLS(socket, .server, now)
        guard sockets.find(id) != nil, let filter = socket.pointee.tls else { return }
        filter.pointee.requiresApplicationProtocol = true
        decrypt(socket, bytes, now)
    }

    func beginTLS(_ socket: UnsafeMutablePointer<Socket>, _ kind: PendingTLS, _ now: Instant) {
        let pool = streams.pool.reference
        switch kind {
        case .none: return
        case .server: socket.pointee.tls = TLSFilter.makeServer(environment.tls, pool: pool)
        case .client(let shard): socket.pointee.tls = TLSFilter.makeClient(environment.tls, shard: shard, pool: pool)
        }
        guard socket.pointee.tls != nil else { return peerClosed(socket, "TLS is not configured", now) }
        // The handshake is read even if the worker had paused the plaintext before it.
        watch(socket, socket.pointee.interest | Self.watching)
        // A client speaks first.
        if case .client = kind { continueHandshake(socket, now) }
    }

    // MARK: Receiving

    /// Ciphertext came in.
    @inline(never)
    func decrypt(_ socket: UnsafeMutablePointer<Socket>, _ bytes: UnsafeRawBufferPointer, _ now: Instant) {
        guard let filter = socket.pointee.tls else { return }
        let id = socket.pointee.id
        TLSFilter.feed(filter, bytes)
        if !filter.pointee.isEstablished {
            continueHandshake(socket, now)
            guard sockets.find(id) != nil, filter.pointee.isEstablished else { return }
        }
        deliverDecrypted(socket, filter, now)
        guard sockets.find(id) != nil, hasCiphertext(socket) else { return }
        // Key updates and requests to negotiate anew are answered while reading: a peer that sends many and reads no answer is not served.
        if filter.pointee.outgoing.count > Self.ciphertextUnreadBytes {
            return peerClosed(socket, "the peer does not read what TLS has to answer", now)
        }
        streams.markDirty(id.index)
    }

    private func continueHandshake(_ socket: UnsafeMutablePointer<Socket>, _ now: Instant) {
        guard let filter = socket.pointee.tls else { return }
        let result = TLSFilter.handshake(filter)
        if hasCiphertext(socket) { streams.markDirty(socket.pointee.index) }
        switch result {
        case .needsInput:
            return
        case .done:
            worker.tlsEstablished(socket.pointee.id, facts: TLSFilter.facts(filter), now: now)
            carryOutEffects(now)
        case .ended:
            peerClosed(socket, "the peer closed the connection during the TLS handshake", now)
        case .failed(let reason):
            flushAlert(socket)
            peerClosed(socket, reason, now)
        }
    }

    private func deliverDecrypted(
        _ socket: UnsafeMutablePointer<Socket>, _ filter: UnsafeMutablePointer<TLSFilter>, _ now: Instant
    ) {
        var used = 0
        while true {
            let room = UnsafeMutableRawBufferPointer(
                start: plaintextBuffer.baseAddress.unsafelyUnwrapped + used, count: Self.plaintextBytes - used)
            let result = TLSFilter.read(filter, into: room)
            if case .done(let count) = result {
                used += count
                if used < Self.plaintextBytes { continue }
            }
            let id = socket.pointee.id
            deliverPlaintext(socket, UnsafeRawBufferPointer(rebasing: plaintextBuffer[..<used]), now)
            guard sockets.find(id) != nil else { return }
            switch result {
            case .done: used = 0
            case .needsInput: return
            case .ended: return peerClosed(socket, "the peer closed the connection", now)
            case .failed(let reason):
                flushAlert(socket)
                return peerClosed(socket, reason, now)
            }
        }
    }

    private func deliverPlaintext(
        _ socket: UnsafeMutablePointer<Socket>, _ bytes: UnsafeRawBufferPointer, _ now: Instant
    ) {
        let stream = socket.pointee.stream
        if bytes.isEmpty || stream.pointee.isClosing { return }
        if stream.pointee.input.isEmpty && !stream.pointee.isReadPaused { return deliver(socket, bytes, now) }
        stream.pointee.input.append(bytes)
        if !stream.pointee.isReadPaused { offerInput(socket, now) }
    }

    // MARK: Sending

    func hasCiphertext(_ socket: UnsafeMutablePointer<Socket>) -> Bool {
        guard let filter = socket.pointee.tls else { return false }
        return !filter.pointee.outgoing.isEmpty
    }

    /// Encrypts and sends until all is sent or the peer takes no more.
    func sendEncrypted(_ socket: UnsafeMutablePointer<Socket>) {
        guard let filter = socket.pointee.tls else { return }
        repeat {
            guard encrypt(socket, filter) else { return writeBroke(socket) }
            if filter.pointee.outgoing.isEmpty { break }
            let result = System.send(socket.pointee.descriptor, filter.pointee.outgoing.readable)
            if System.isWouldBlock(result) { return }
            if result < 0 { return writeBroke(socket) }
            filter.pointee.outgoing.consume(result)
            if !filter.pointee.outgoing.isEmpty { return }
        } while !socket.pointee.stream.pointee.output.isEmpty && filter.pointee.isEstablished
        filter.pointee.outgoing.releaseIfEmpty()
    }

    /// Turns waiting output into ciphertext, a bounded amount at a time; false when the session is broken.
    private func encrypt(
        _ socket: UnsafeMutablePointer<Socket>, _ filter: UnsafeMutablePointer<TLSFilter>
    ) -> Bool {
        let stream = socket.pointee.stream
        while filter.pointee.isEstablished && !stream.pointee.output.isEmpty
            && filter.pointee.outgoing.count < Self.ciphertextAheadBytes
        {
            switch TLSFilter.write(filter, stream.pointee.output.readable) {
            case .done(let count): stream.pointee.output.consume(count)
            case .needsInput: return true
            case .ended, .failed: return false
            }
        }
        return true
    }

    func discardCiphertext(_ socket: UnsafeMutablePointer<Socket>) {
        socket.pointee.tls?.pointee.outgoing.free()
    }

    /// Tells the peer why the handshake failed, as far as one send goes.
    private func flushAlert(_ socket: UnsafeMutablePointer<Socket>) {
        guard let filter = socket.pointee.tls, !filter.pointee.outgoing.isEmpty else { return }
        _ = System.send(socket.pointee.descriptor, filter.pointee.outgoing.readable)
    }

    func sendCloseNotify(_ socket: UnsafeMutablePointer<Socket>) {
        guard let filter = socket.pointee.tls, !socket.pointee.isWriteBroken else { return }
        TLSFilter.shutDown(filter)
        flushAlert(socket)
    }

    func freeTLS(_ socket: UnsafeMutablePointer<Socket>) {
        if let filter = socket.pointee.tls { TLSFilter.free(filter) }
        socket.pointee.tls = nil
    }
}
