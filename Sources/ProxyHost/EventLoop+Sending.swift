// Sending: what waits in dirty streams, one send for each.
import CLinux
import Glibc
import Primitives
import ProxyCore

extension EventLoop {
    @inline(__always)
    func sendToLinks(_ now: Instant) {
        while let index = streams.dirtyLinks.next() { sendDirty(index, now) }
    }

    @inline(__always)
    func sendToClients(_ now: Instant) {
        while let index = streams.dirtyClients.next() { sendDirty(index, now) }
    }

    /// Sends the output of a dirty stream.
    private func sendDirty(_ index: UInt32, _ now: Instant) {
        let stream = streams.at(index)
        guard stream.pointee.isDirty else { return }
        stream.pointee.isDirty = false
        // A link may have output before it is connected; it is marked again then.
        guard index < sockets.count, case let socket = sockets.at(index), socket.pointee.state == .open else { return }
        send(socket, now)
    }

    /// Sends what waits on one open stream, as far as the peer takes it.
    @inline(__always)
    func send(_ socket: UnsafeMutablePointer<Socket>, _ now: Instant) {
        let stream = socket.pointee.stream
        // The worker marks it dirty again when it lets go; until then nobody wants to hear that the peer takes more.
        if stream.pointee.isHeld {
            if socket.pointee.interest & Self.writable != 0 { watchWritable(socket, false) }
            return
        }
        if socket.pointee.tls != nil {
            sendEncrypted(socket)
        } else if !stream.pointee.output.isEmpty {
            let result = System.send(socket.pointee.descriptor, stream.pointee.output.readable)
            if result >= 0 {
                stream.pointee.output.consume(result)
            } else if !System.isWouldBlock(result) {
                writeBroke(socket)
            }
        }
        let isEmpty = stream.pointee.output.isEmpty && !hasCiphertext(socket)
        if isEmpty { stream.pointee.output.releaseIfEmpty() }
        if isEmpty != (socket.pointee.interest & Self.writable == 0) { watchWritable(socket, !isEmpty) }
        if isEmpty && (stream.pointee.isClosing || socket.pointee.pendingTLS != .none) {
            return outputFinished(socket, now)
        }
        if stream.pointee.wantsDrained && stream.pointee.output.count <= lowWaterBytes { tellDrained(socket, now) }
    }

    @inline(never)
    private func tellDrained(_ socket: UnsafeMutablePointer<Socket>, _ now: Instant) {
        socket.pointee.stream.pointee.wantsDrained = false
        worker.drained(socket.pointee.index, now: now)
        carryOutEffects(now)
    }

    @inline(never)
    private func watchWritable(_ socket: UnsafeMutablePointer<Socket>, _ wanted: Bool) {
        // A parked stream (interest 0) is watched for writing too once it has output; a hang-up then shows again.
        let interest = socket.pointee.interest
        watch(socket, wanted ? interest | Self.writable : interest & ~Self.writable)
    }

    /// All output is with the kernel: what waited for that happens now.
    @inline(never)
    private func outputFinished(_ socket: UnsafeMutablePointer<Socket>, _ now: Instant) {
        if socket.pointee.stream.pointee.isClosing { return finishClosing(socket) }
        let pending = socket.pointee.pendingTLS
        socket.pointee.pendingTLS = .none
        beginTLS(socket, pending, now)
    }

    /// The peer takes nothing any more. Its own last words may still wait to be read, so the end is left to the
    /// reading side, which epoll now reports without fail.
    func writeBroke(_ socket: UnsafeMutablePointer<Socket>) {
        socket.pointee.isWriteBroken = true
        socket.pointee.pendingTLS = .none
        socket.pointee.stream.pointee.output.free()
        discardCiphertext(socket)
    }
}
