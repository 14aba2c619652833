// Connecting: sockets to shards, over all addresses a name has, without ever waiting.
import CLinux
import Glibc
import Primitives
import ProxyCore

/// A connection being made.
struct ConnectionAttempt {
    /// What remains to be tried.
    var addresses: ArraySlice<SocketAddress>
    /// Why the last address failed.
    var lastFailure = "the name has no address"
}

extension EventLoop {
    /// Begins a connection to a shard. The worker hears `connected` or `connectFailed`.
    func connect(_ id: StreamID, _ shard: ShardIndex, _ now: Instant) {
        let settings = environment.settings.shards[shard.int]
        let socket = sockets.open(id, state: .resolving)
        schedule(.connect(id), at: now + environment.settings.connectTimeout)
        attempts[id.index] = ConnectionAttempt(addresses: [])
        if settings.host.hasPrefix("/") { return connectUnix(socket, settings, now) }
        let mailbox = environment.mailbox
        if let known = environment.resolver.resolve(
            host: settings.host, port: settings.port, now: now, answer: { mailbox.put(.resolved(id, $0)) })
        {
            attempts[id.index] = ConnectionAttempt(addresses: known[...])
            tryNextAddress(socket, now)
        }
    }

    private func connectUnix(_ socket: UnsafeMutablePointer<Socket>, _ shard: ShardSettings, _ now: Instant) {
        let path = SocketAddress.unixPath(directory: shard.host, port: shard.port)
        if let address = SocketAddress(unixPath: path) {
            attempts[socket.pointee.index] = ConnectionAttempt(addresses: [address])
            tryNextAddress(socket, now)
        } else {
            connectFailed(socket, "the path \(path) is too long for a unix socket", now)
        }
    }

    /// The resolver's answer.
    func resolved(_ id: StreamID, _ answer: Result<[SocketAddress], ResolveError>, _ now: Instant) {
        guard let socket = sockets.find(id), socket.pointee.state == .resolving else { return }
        switch answer {
        case .success(let addresses):
            attempts[id.index] = ConnectionAttempt(addresses: addresses[...])
            tryNextAddress(socket, now)
        case .failure(let error):
            connectFailed(socket, error.description, now)
        }
    }

    private func tryNextAddress(_ socket: UnsafeMutablePointer<Socket>, _ now: Instant) {
        let index = socket.pointee.index
        while let address = attempts[index]?.addresses.popFirst() {
            do throws(SystemError) {
                if try begin(socket, address) { return established(socket, now) }
                return
            } catch {
                attempts[index]?.lastFailure = "\(address): \(System.message(error.code))"
            }
        }
        connectFailed(socket, attempts[index]?.lastFailure ?? "no address", now)
    }

    /// Begins connecting to one address; true when the connection stands at once (unix sockets).
    private func begin(
        _ socket: UnsafeMutablePointer<Socket>, _ address: SocketAddress
    ) throws(SystemError) -> Bool {
        let descriptor = try System.makeSocket(address.family)
        if !address.isUnix { System.tuneTCP(descriptor) }
        let result = System.connect(descriptor, address)
        guard result == 0 || result == -EINPROGRESS else {
            System.close(descriptor)
            throw SystemError(call: "connect", code: -result)
        }
        socket.pointee.descriptor = descriptor
        socket.pointee.state = .connecting
        watch(socket, result == 0 ? Self.watching : Self.writable)
        return result == 0
    }

    /// The kernel has finished connecting, one way or the other.
    @inline(never)
    func connectionDecided(_ socket: UnsafeMutablePointer<Socket>, _ now: Instant) {
        let code = System.pendingError(socket.pointee.descriptor)
        if code == 0 {
            watch(socket, Self.watching)
            return established(socket, now)
        }
        attempts[socket.pointee.index]?.lastFailure = System.message(code)
        System.close(socket.pointee.descriptor)
        socket.pointee.descriptor = -1
        socket.pointee.interest = 0
        tryNextAddress(socket, now)
    }

    private func established(_ socket: UnsafeMutablePointer<Socket>, _ now: Instant) {
        let index = socket.pointee.index
        socket.pointee.state = .open
        attempts.removeValue(forKey: index)
        worker.connected(socket.pointee.id, now: now)
        if !socket.pointee.stream.pointee.output.isEmpty { streams.markDirty(index) }
        carryOutEffects(now)
    }

    func connectTimedOut(_ id: StreamID, _ now: Instant) {
        guard let socket = sockets.find(id), socket.pointee.state != .open else { return }
        connectFailed(socket, "no answer in \(environment.settings.connectTimeout.seconds) s", now)
    }

    /// The worker is told, then both records are freed.
    private func connectFailed(_ socket: UnsafeMutablePointer<Socket>, _ reason: String, _ now: Instant) {
        worker.connectFailed(socket.pointee.id, reason: reason, now: now)
        release(socket)
        carryOutEffects(now)
    }
}
