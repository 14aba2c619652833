// ListeningSocket: the addresses clients connect to.
//
// On TCP every worker has a socket of its own (SO_REUSEPORT), so the kernel spreads clients over the workers. A unix
// socket is one file: all workers wait on it together. Sockets are bound at start, so that a taken address is an
// error then; the workers listen on them once they can serve.
import CLinux
import Glibc
import ProxyCore

/// A bound socket as one worker uses it.
struct ListeningSocket {
    var descriptor: Int32
    var isUnix: Bool
    /// The same descriptor is used by other workers too.
    var isShared: Bool
}

/// All listening sockets of the proxy.
struct ListeningSockets {
    /// By worker.
    private(set) var byWorker: [[ListeningSocket]]
    /// Where clients can connect, for the log.
    private(set) var addresses: [String] = []
    private var unixPaths: [String] = []
    private var sharedDescriptors: [Int32] = []

    /// Binds every address for every worker.
    init(_ addresses: [ListenAddress], workerCount: Int) throws {
        byWorker = Array(repeating: [], count: workerCount)
        for address in addresses {
            switch address {
            case .tcp(let host, let port): try bindTCP(host: host, port: port)
            case .unix(let directory, let port): try bindUnix(directory: directory, port: port)
            }
        }
    }

    private mutating func bindTCP(host: String, port: Int) throws {
        for address in try Self.addresses(host: host, port: port) {
            // Bound once alone, since SO_REUSEPORT would silently share the port with another proxy of this user.
            let first = try Self.bound(address, isPortShared: false)
            let actual = try System.localAddress(first)
            addresses.append(actual.description)
            if byWorker.count == 1 {
                byWorker[0].append(ListeningSocket(descriptor: first, isUnix: false, isShared: false))
                continue
            }
            System.close(first)
            for worker in byWorker.indices {
                let descriptor = try Self.bound(actual, isPortShared: true)
                byWorker[worker].append(ListeningSocket(descriptor: descriptor, isUnix: false, isShared: false))
            }
        }
    }

    /// `*` is every address of both families, where the system has both.
    private static func addresses(host: String, port: Int) throws(ResolveError) -> [SocketAddress] {
        if host != "*" { return try System.resolve(host: host, port: port) }
        let all = try System.resolve(host: "0.0.0.0", port: port, numericOnly: true)
        guard let six = try? System.makeSocket(AF_INET6) else { return all }
        System.close(six)
        return all + ((try? System.resolve(host: "::", port: port, numericOnly: true)) ?? [])
    }

    private static func bound(_ address: SocketAddress, isPortShared: Bool) throws(SystemError) -> Int32 {
        let descriptor = try System.makeSocket(address.family)
        do throws(SystemError) {
            try System.setOption(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
            if isPortShared { try System.setOption(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) }
            if address.family == AF_INET6 {
                try System.setOption(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1)
            }
            // Accepted sockets inherit these.
            System.tuneTCP(descriptor)
            try System.bind(descriptor, address)
        } catch {
            System.close(descriptor)
            throw error
        }
        return descriptor
    }

    private mutating func bindUnix(directory: String, port: Int) throws {
        let path = SocketAddress.unixPath(directory: directory, port: port)
        guard let address = SocketAddress(unixPath: path) else {
            throw SystemError(call: "bind \(path)", code: ENAMETOOLONG)
        }
        try Self.removeStale(path, address)
        let descriptor = try System.makeSocket(AF_UNIX)
        do throws(SystemError) {
            try System.bind(descriptor, address)
        } catch {
            System.close(descriptor)
            throw SystemError(call: "bind \(path)", code: error.code)
        }
        // Like PostgreSQL's unix_socket_permissions: the login decides, not the file.
        chmod(path, 0o777)
        unixPaths.append(path)
        sharedDescriptors.append(descriptor)
        addresses.append(path)
        for worker in byWorker.indices {
            byWorker[worker].append(ListeningSocket(descriptor: descriptor, isUnix: true, isShared: true))
        }
    }

    /// Removes a socket file nobody answers on (its owner was killed).
    private static func removeStale(_ path: String, _ address: SocketAddress) throws(SystemError) {
        let descriptor = try System.makeSocket(AF_UNIX)
        defer { System.close(descriptor) }
        let result = System.connect(descriptor, address)
        if result == -ECONNREFUSED { unlink(path) }
        if result == 0 || result == -EAGAIN { throw SystemError(call: "bind \(path)", code: EADDRINUSE) }
    }

    /// Closes what the workers share and removes the socket files.
    func remove() {
        for descriptor in sharedDescriptors { System.close(descriptor) }
        for path in unixPaths { unlink(path) }
    }
}
