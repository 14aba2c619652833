// ClientSocket: a socket to a server that waits: a connection over TCP, encrypted or not, or a unix socket, or a descriptor that is open already.
import Glibc
import Primitives

/// Where a server is reached.
public enum ServerAddress: Sendable, Equatable {
    /// A host name or address, or the directory of a unix socket (begins with `/`).
    case host(String, port: Int)
    /// A connected stream socket, which the connection then owns.
    case descriptor(Int32)
}

/// A connection failed or broke; `description` is for people.
public struct ConnectionLost: Error, CustomStringConvertible, Equatable {
    public let description: String
    /// No answer came within the time that was set.
    public var isTimeout = false
    /// The server has sent a larger message than is taken, as it would again.
    public var isTooLarge = false

    public init(description: String, isTimeout: Bool = false, isTooLarge: Bool = false) {
        self.description = description
        self.isTimeout = isTimeout
        self.isTooLarge = isTooLarge
    }
}

final class ClientSocket {
    /// How long one address may take to answer.
    private static let connectSeconds = 10

    let descriptor: Int32
    private var encryption: ClientEncryption?

    init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// - Throws: ConnectionLost when no address answers.
    static func connect(_ address: ServerAddress, encryption: Encryption, by deadline: ContinuousClock.Instant?) throws -> ClientSocket {
        switch address {
        case .descriptor(let descriptor): return ClientSocket(descriptor: descriptor)
        case .host(let directory, let port) where directory.hasPrefix("/"): return try connect(path: "\(directory)/.s.PGSQL.\(port)")
        case .host(let host, let port):
            let socket = try connect(host: host, port: port)
            if encryption.mode != .disable { try socket.encrypt(encryption, host: host, by: deadline) }
            return socket
        }
    }

    /// Asks for TLS (PostgreSQL manual, section 55.2.10), and begins it if the server has it.
    private func encrypt(_ encryption: Encryption, host: String, by deadline: ContinuousClock.Instant?) throws {
        let request: [UInt8] = [0, 0, 0, 8, 0x04, 0xD2, 0x16, 0x2F]
        try request.withUnsafeBytes { try send($0, by: deadline) }
        // No more than the answer: what comes unencrypted behind it would be taken for the server's.
        var answer: UInt8 = 0
        _ = try withUnsafeMutableBytes(of: &answer) { try receive(into: $0, by: deadline) }
        switch (answer, encryption.mode) {
        case (UInt8(ascii: "S"), _):
            let session = try ClientEncryption(encryption, descriptor: descriptor, host: host)
            _ = try complete(by: deadline) { try session.shakeHands() }
            self.encryption = session
        case (UInt8(ascii: "N"), .prefer): return
        default: throw ConnectionLost(description: "\(host): the server does not offer TLS, which tls = \"\(encryption.mode.rawValue)\" asks for")
        }
    }

    /// Repeats a step of TLS until it is done.
    private func complete(by deadline: ContinuousClock.Instant?, _ step: () throws -> ClientEncryption.Outcome) throws -> Int {
        while true {
            switch try step() {
            case .done(let count): return count
            case .wants(let events): try awaitReadiness(of: events, by: deadline)
            }
        }
    }

    private static func connect(path: String) throws -> ClientSocket {
        var address = sockaddr_un()
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { throw ConnectionLost(description: "the path \(path) is too long for a unix socket") }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let socket = ClientSocket(descriptor: socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0))
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(socket.descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        guard result == 0 else { throw ConnectionLost(description: "\(path): \(message(errno))") }
        return socket
    }

    private static func connect(host: String, port: Int) throws -> ClientSocket {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, "\(port)", &hints, &found)
        guard code == 0 else { throw ConnectionLost(description: "\(host): \(String(cString: gai_strerror(code)))") }
        defer { freeaddrinfo(found) }
        var failure = "\(host) has no address"
        var next = found
        while let entry = next?.pointee {
            next = entry.ai_next
            let socket = ClientSocket(descriptor: socket(entry.ai_family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0))
            // Linux bounds connect() by it, too (socket(7)); sending does not wait in the kernel.
            var limit = timeval(tv_sec: Self.connectSeconds, tv_usec: 0)
            setsockopt(socket.descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
            if Glibc.connect(socket.descriptor, entry.ai_addr, entry.ai_addrlen) == 0 {
                var one: Int32 = 1
                setsockopt(socket.descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
                return socket
            }
            failure = "\(host):\(port): \(message(errno))"
        }
        throw ConnectionLost(description: failure)
    }

    /// Sends all of it, waiting as long as the peer is slow.
    /// - Parameter deadline: when to stop waiting; nil: never.
    func send(_ bytes: UnsafeRawBufferPointer, by deadline: ContinuousClock.Instant?) throws {
        var sent = 0
        if let encryption {
            while sent < bytes.count { sent += try complete(by: deadline) { try encryption.write(UnsafeRawBufferPointer(rebasing: bytes[sent...])) } }
        }
        while sent < bytes.count {
            let count = Glibc.send(descriptor, bytes.baseAddress.map { $0 + sent }, bytes.count - sent, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            if count >= 0 {
                sent += count
            } else if errno == EAGAIN {
                try awaitReadiness(of: Int16(POLLOUT), by: deadline)
            } else if errno != EINTR {
                throw ConnectionLost(description: "the connection broke: \(Self.message(errno))")
            }
        }
    }

    /// What has arrived, at least one byte.
    /// - Parameter deadline: when to stop waiting, and taking; nil: never.
    /// - Throws: ConnectionLost at the end of the stream, and of the time.
    func receive(into buffer: UnsafeMutableRawBufferPointer, by deadline: ContinuousClock.Instant?) throws -> Int {
        if let encryption {
            // A peer that always has something is not listened to for ever.
            if let deadline, deadline <= .now { throw Self.late }
            return try complete(by: deadline) { try encryption.read(into: buffer) }
        }
        try awaitReadiness(of: Int16(POLLIN), by: deadline)
        while true {
            let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
            if count > 0 { return count }
            if count == 0 { throw ConnectionLost(description: "the server closed the connection") }
            if errno != EINTR { throw ConnectionLost(description: "the connection broke: \(Self.message(errno))") }
        }
    }

    /// - Throws: ConnectionLost once the time is over, whatever has arrived by then.
    private func awaitReadiness(of events: Int16, by deadline: ContinuousClock.Instant?) throws {
        var isReady = false
        while !isReady {
            var milliseconds: Int32 = -1
            if let deadline {
                let left = ContinuousClock.now.duration(to: deadline).components
                guard left.seconds > 0 || left.seconds == 0 && left.attoseconds > 0 else { throw Self.late }
                milliseconds = Int32(clamping: left.seconds * 1000 + left.attoseconds / 1_000_000_000_000_000 + 1)
            }
            var entry = pollfd(fd: descriptor, events: events, revents: 0)
            isReady = poll(&entry, 1, milliseconds) > 0
        }
    }

    /// Whether bytes arrive within the time.
    /// - Throws: ConnectionLost.
    func isReadable(within milliseconds: Int32) throws -> Bool {
        if let encryption {
            do {
                _ = try complete(by: .now + .milliseconds(milliseconds)) { try encryption.peek() }
                return true
            } catch let lost as ConnectionLost where lost.isTimeout {
                return false
            }
        }
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, milliseconds) > 0
    }

    /// Ends a receive that waits, from another thread.
    func shutDown() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    private static let late = ConnectionLost(description: "there was no answer in time", isTimeout: true)

    private static func message(_ code: Int32) -> String { String(cString: strerror(code)) }
}
