// Closing: how streams end, from either side.
import CLinux
import Glibc
import Primitives
import ProxyCore

extension EventLoop {
    /// The peer has closed, or the stream broke: the worker is told, then both records are freed.
    @inline(never)
    func peerClosed(_ socket: UnsafeMutablePointer<Socket>, _ reason: String, _ now: Instant) {
        let isForgotten = socket.pointee.stream.pointee.isClosing
        if !isForgotten { worker.closed(socket.pointee.id, reason: reason, now: now) }
        release(socket)
        carryOutEffects(now)
    }

    /// The worker is done with the stream: what waits is sent, then it closes.
    func close(_ id: StreamID, _ now: Instant) {
        guard let socket = sockets.find(id) else { return streams.free(id) }
        socket.pointee.stream.pointee.isClosing = true
        guard socket.pointee.state == .open, !socket.pointee.isWriteBroken else { return release(socket) }
        socket.pointee.pendingTLS = .none
        // Without a finished handshake nothing more can be said.
        if let filter = socket.pointee.tls, !filter.pointee.isEstablished {
            socket.pointee.stream.pointee.output.free()
        }
        send(socket, now)
        if sockets.find(id) != nil { schedule(.linger(id), at: now + Self.lingerTimeout) }
    }

    /// The last byte is with the kernel. Input nobody wants is read once, since closing over unread bytes resets the
    /// connection and can destroy our last words before the peer has read them.
    func finishClosing(_ socket: UnsafeMutablePointer<Socket>) {
        sendCloseNotify(socket)
        // Not into the shared buffer: another stream's bytes may be in it.
        withUnsafeTemporaryAllocation(byteCount: BlockPool.blockBytes, alignment: 16) {
            _ = System.receive(socket.pointee.descriptor, into: $0)
        }
        release(socket)
    }

    /// Closes the file and frees both records.
    func release(_ socket: UnsafeMutablePointer<Socket>) {
        let id = socket.pointee.id
        if socket.pointee.state == .resolving || socket.pointee.state == .connecting {
            attempts.removeValue(forKey: id.index)
        }
        freeTLS(socket)
        if socket.pointee.descriptor >= 0 { System.close(socket.pointee.descriptor) }
        socket.pointee.descriptor = -1
        socket.pointee.interest = 0
        socket.pointee.state = .vacant
        streams.free(id)
    }

    /// The thread ends: whatever is still open is closed.
    func closeEverything() {
        stopAccepting()
        for index in 0..<sockets.count where sockets.at(index).pointee.state != .vacant {
            release(sockets.at(index))
        }
    }
}
