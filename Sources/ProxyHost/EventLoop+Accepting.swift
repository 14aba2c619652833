// Accepting: new clients, and what happens when the process has no files left.
import CLinux
import Glibc
import Primitives
import ProxyCore

extension EventLoop {
    /// Clients accepted in one go before others are served again.
    static let acceptsPerEvent = 64
    /// How long to wait before accepting again when the process or the system is out of files.
    static let outOfFilesDelay = Span.milliseconds(100)

    /// Lets clients in as soon as the worker can serve them.
    @inline(__always)
    func openDoorsWhenReady() {
        if !isAccepting && !isShuttingDown { openDoors() }
    }

    @inline(never)
    private func openDoors() {
        guard worker.isReady else { return }
        isAccepting = true
        do throws(SystemError) {
            for listener in environment.listeners { try System.listen(listener.descriptor, backlog: 4096) }
        } catch {
            // Another process has taken the address since it was bound: nobody would come here.
            return environment.report.failed(error)
        }
        watchListeners()
        environment.report.becameReady()
    }

    func watchListeners() {
        guard isAccepting else { return }
        for (number, listener) in environment.listeners.enumerated() {
            // Several workers wait on one unix socket: only one of them is to wake for a client.
            let interest = Self.readable | (listener.isShared ? UInt32(EPOLLEXCLUSIVE.rawValue) : 0)
            try? System.pollAdd(poll, listener.descriptor, interest, data: Self.firstListenerData + UInt64(number))
        }
    }

    private func unwatchListeners() {
        for listener in environment.listeners { System.pollRemove(poll, listener.descriptor) }
    }

    func stopAccepting() {
        unwatchListeners()
        for listener in environment.listeners {
            // Nobody waits for an answer on a socket that others still have.
            if listener.isShared { System.refuseConnections(listener.descriptor) } else { System.close(listener.descriptor) }
        }
        environment.listeners = []
        isAccepting = false
    }

    @inline(never)
    func acceptBatch(_ listener: ListeningSocket, _ now: Instant) {
        for _ in 0..<Self.acceptsPerEvent {
            var address = SocketAddress()
            let descriptor = System.accept(listener.descriptor, &address)
            if descriptor < 0 { return acceptFailed(-descriptor, now) }
            isOutOfFiles = false
            admit(descriptor, listener.isUnix ? nil : address, now)
        }
    }

    private func acceptFailed(_ code: Int32, _ now: Instant) {
        if System.isWouldBlock(-Int(code)) { return }
        if !isOutOfFiles {
            logger.error("cannot accept clients, trying again", metadata: ["error": "\(System.message(code))"])
        }
        isOutOfFiles = true
        unwatchListeners()
        schedule(.acceptAgain, at: now + Self.outOfFilesDelay)
    }

    /// - Parameter address: nil for a client on a unix socket.
    private func admit(_ descriptor: Int32, _ address: SocketAddress?, _ now: Instant) {
        open(
            descriptor,
            AcceptFacts(
                isUnixSocket: address == nil, address: address?.description ?? "[local]",
                offersTLS: environment.tls.server != nil && address != nil), now)
    }

    /// A connection of the process itself.
    func admitOwn(_ descriptor: Int32, _ role: String, _ now: Instant) {
        guard !isShuttingDown else { return System.close(descriptor) }
        open(descriptor, AcceptFacts(isUnixSocket: true, address: "[own]", offersTLS: false, ownRole: role), now)
    }

    private func open(_ descriptor: Int32, _ facts: AcceptFacts, _ now: Instant) {
        let id = streams.open(.session)
        let socket = sockets.open(id, state: .open)
        socket.pointee.descriptor = descriptor
        socket.pointee.isFresh = true
        watch(socket, Self.watching)
        worker.accepted(id, facts: facts, now: now)
        carryOutEffects(now)
    }
}
