// Receiving: bytes from the kernel to the worker, and what it leaves over.
import CLinux
import Glibc
import Primitives
import ProxyCore

extension EventLoop {
    /// The kernel says there is something to read, or that the peer has gone.
    @inline(__always)
    func receive(_ socket: UnsafeMutablePointer<Socket>, _ events: UInt32, _ now: Instant) {
        let stream = socket.pointee.stream
        if stream.pointee.isReadPaused || stream.pointee.isClosing {
            return eventWhilePaused(socket, events, now)
        }
        if !stream.pointee.input.isEmpty && socket.pointee.tls == nil { return receiveMore(socket, events, now) }
        let count = System.receive(socket.pointee.descriptor, into: receiveBuffer)
        if count <= 0 { return endOfInput(socket, count, now) }
        remindIfMore(socket, count, of: Self.receiveBytes, events)
        let bytes = UnsafeRawBufferPointer(rebasing: receiveBuffer[..<count])
        if socket.pointee.tls != nil { return decrypt(socket, bytes, now) }
        if socket.pointee.isFresh {
            socket.pointee.isFresh = false
            if opensWithTLS(socket, bytes) { return beginDirectTLS(socket, bytes, now) }
        }
        deliver(socket, bytes, now)
    }

    /// Offers bytes that follow no waiting ones; what the worker leaves is kept.
    @inline(__always)
    func deliver(_ socket: UnsafeMutablePointer<Socket>, _ bytes: UnsafeRawBufferPointer, _ now: Instant) {
        let consumed = worker.received(socket.pointee.index, bytes: bytes, now: now)
        if consumed < bytes.count {
            socket.pointee.stream.pointee.input.append(UnsafeRawBufferPointer(rebasing: bytes[consumed...]))
        }
        carryOutEffects(now)
    }

    /// Reads behind waiting input: the rest of a frame that did not come in one piece.
    private func receiveMore(_ socket: UnsafeMutablePointer<Socket>, _ events: UInt32, _ now: Instant) {
        let stream = socket.pointee.stream
        let room = stream.pointee.input.prepare(BlockPool.blockBytes / 4)
        let count = System.receive(socket.pointee.descriptor, into: room)
        if count <= 0 { return endOfInput(socket, count, now) }
        remindIfMore(socket, count, of: room.count, events)
        stream.pointee.input.commit(count)
        offerInput(socket, now)
    }

    /// Offers the waiting input once more.
    func offerInput(_ socket: UnsafeMutablePointer<Socket>, _ now: Instant) {
        let stream = socket.pointee.stream
        let consumed = worker.received(socket.pointee.index, bytes: stream.pointee.input.readable, now: now)
        stream.pointee.input.consume(consumed)
        stream.pointee.input.releaseIfEmpty()
        carryOutEffects(now)
    }

    /// recv gave nothing: a false alarm, the end, or an error.
    @inline(never)
    private func endOfInput(_ socket: UnsafeMutablePointer<Socket>, _ result: Int, _ now: Instant) {
        if System.isWouldBlock(result) { return }
        let reason = result == 0 ? "the peer closed the connection" : System.message(Int32(-result))
        peerClosed(socket, reason, now)
    }

    /// Something arrived on a stream nobody reads from at the moment. Interest in input is dropped only now: most
    /// pauses end before anything comes.
    @inline(never)
    private func eventWhilePaused(_ socket: UnsafeMutablePointer<Socket>, _ events: UInt32, _ now: Instant) {
        if events & (Self.halfClosed | Self.broken) == 0 {
            return watch(socket, socket.pointee.interest & ~Self.readable)
        }
        if socket.pointee.stream.pointee.isClosing { return hungUpWhileClosing(socket, events) }
        // A shard's last words (rows, the reason it closed) are kept until the worker wants them. A client that has
        // gone is reported at once, so that it holds no locks.
        if socket.pointee.stream.pointee.role == .link && hasUnreadBytes(socket) {
            return watch(socket, 0)
        }
        peerClosed(socket, "the peer closed the connection", now)
    }

    private func hungUpWhileClosing(_ socket: UnsafeMutablePointer<Socket>, _ events: UInt32) {
        if events & Self.broken != 0 { return release(socket) }
        // The peer has only stopped sending; it may still read our last words.
        watch(socket, socket.pointee.interest & ~Self.watching)
    }

    private func hasUnreadBytes(_ socket: UnsafeMutablePointer<Socket>) -> Bool {
        if !socket.pointee.stream.pointee.input.isEmpty { return true }
        let one = UnsafeMutableRawBufferPointer(rebasing: receiveBuffer[..<1])
        return System.receive(socket.pointee.descriptor, into: one, flags: Int32(MSG_PEEK)) > 0
    }

    /// Offers waiting input to all streams the worker has resumed, and reads on.
    @inline(never)
    func offerResumed(_ now: Instant) {
        var batch: [StreamID] = []
        swap(&batch, &spareResumed)
        swap(&batch, &resumed)
        for id in batch {
            guard let socket = sockets.find(id), socket.pointee.state == .open else { continue }
            let stream = socket.pointee.stream
            if stream.pointee.isReadPaused || stream.pointee.isClosing { continue }
            if !stream.pointee.input.isEmpty { offerInput(socket, now) }
            // Who sends much at once is often paused again at the next frame: nothing needs to change for that.
            guard let socket = sockets.find(id), !stream.pointee.isReadPaused, !stream.pointee.isClosing else { continue }
            watch(socket, socket.pointee.interest | Self.watching)
        }
        batch.removeAll(keepingCapacity: true)
        swap(&batch, &spareResumed)
    }

    /// Changes what epoll watches for; 0 takes the file out of the set.
    ///
    /// Edge-triggered as long as only input is awaited: level-triggered, the kernel looks at each file once more after each
    /// event, only to find that everything was read (3 % of the CPU of a transaction). One recv must then take all there
    /// is, which it has when it brings less than it might; otherwise, and when the peer has closed behind its last
    /// bytes, `remind` makes epoll look again, as each change does. A file with output that waits for room is watched
    /// level-triggered.
    func watch(_ socket: UnsafeMutablePointer<Socket>, _ interest: UInt32) {
        let current = socket.pointee.interest
        if current == interest { return }
        socket.pointee.interest = interest
        let descriptor = socket.pointee.descriptor
        do throws(SystemError) {
            if interest == 0 {
                System.pollRemove(poll, descriptor)
            } else if current == 0 {
                try System.pollAdd(poll, descriptor, Self.events(for: interest), data: socket.pointee.eventData)
            } else {
                try System.pollChange(poll, descriptor, Self.events(for: interest), data: socket.pointee.eventData)
            }
        } catch {
            fatalError("an open socket cannot be watched: \(error)")
        }
    }

    /// More may wait to be read than one call took: epoll is to look again.
    @inline(never)
    private func remind(_ socket: UnsafeMutablePointer<Socket>) {
        let interest = socket.pointee.interest
        if interest == 0 { return }
        do throws(SystemError) {
            try System.pollChange(
                poll, socket.pointee.descriptor, Self.events(for: interest), data: socket.pointee.eventData)
        } catch {
            fatalError("an open socket cannot be watched: \(error)")
        }
    }

    @inline(__always)
    private static func events(for interest: UInt32) -> UInt32 {
        interest & writable == 0 ? interest | edgeTriggered : interest
    }

    /// What the kernel may still hold of a stream after a recv brought `count` bytes into `room`.
    @inline(__always)
    private func remindIfMore(_ socket: UnsafeMutablePointer<Socket>, _ count: Int, of room: Int, _ events: UInt32) {
        if count == room || events & (Self.halfClosed | Self.broken) != 0 { remind(socket) }
    }
}
