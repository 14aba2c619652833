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

    /// The worker has finished: what its sessions were told last is still sent, as long as any other stream's would be that closes.
    func sendLastWords() {
        for index in 0..<sockets.count where sockets.at(index).pointee.state != .vacant {
            // What a client still says is not heard any more.
            if isSendingLastWords(sockets.at(index)) { watch(sockets.at(index), Self.writable) } else { release(sockets.at(index)) }
        }
        var now = System.now()
        let end = now + Self.lingerTimeout
        while now < end, (0..<sockets.count).contains(where: { isSendingLastWords(sockets.at($0)) }) {
            let count = System.wait(poll, events, milliseconds: Int32(clamping: (end.nanoseconds - now.nanoseconds) / 1_000_000 + 1))
            now = System.now()
            for position in 0..<max(0, count) {
                let data = events[position].data.u64
                let index = UInt32(truncatingIfNeeded: data)
                guard data < Self.firstListenerData, index < sockets.count, case let socket = sockets.at(index),
                    socket.pointee.generation == UInt32(data >> 32), isSendingLastWords(socket)
                else { continue }
                // A peer that is gone takes nothing.
                if events[position].events & Self.writable != 0 { send(socket, now) } else { release(socket) }
            }
        }
    }

    private func isSendingLastWords(_ socket: UnsafeMutablePointer<Socket>) -> Bool {
        socket.pointee.state == .open && socket.pointee.stream.pointee.isClosing && !socket.pointee.isWriteBroken
            && (!socket.pointee.stream.pointee.output.isEmpty || hasCiphertext(socket))
    }

    /// The thread ends: whatever is still open is closed.
    func closeEverything() {
        environment.mailbox.close()
        stopAccepting()
        for index in 0..<sockets.count where sockets.at(index).pointee.state != .vacant {
            release(sockets.at(index))
        }
    }
}
