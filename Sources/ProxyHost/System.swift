// System: every call into the operating system that the host makes, in one place.
//
// Calls on the hot path (receive, send, wait) answer with a count or a negative errno, since a throw costs more
// than a comparison and "would block" is no error there. All others throw SystemError, which names the call.
// Interrupted calls are repeated here, so nobody above knows EINTR.
import CLinux
import Glibc
import Primitives

/// A failed system call.
public struct SystemError: Error, CustomStringConvertible {
    /// The call, as its manual page is named, with the object it was about when that helps.
    public let call: String
    /// errno.
    public let code: Int32

    public var description: String { "\(call): \(System.message(code))" }
}

/// The operating system.
enum System {
    /// The text of an errno, as strerror_r gives it.
    static func message(_ code: Int32) -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        return strerror_r(code, &buffer, buffer.count) == 0 ? text(buffer) : "error \(code)"
    }

    static func text(_ characters: [CChar]) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Runs `body` until it is not interrupted; a negative result becomes an error.
    @discardableResult
    static func check(_ call: @autoclosure () -> String, _ body: () -> Int32) throws(SystemError) -> Int32 {
        while true {
            let result = body()
            if result >= 0 { return result }
            let code = errno
            if code != EINTR { throw SystemError(call: call(), code: code) }
        }
    }

    // MARK: Time

    /// CLOCK_MONOTONIC.
    @inline(__always)
    static func now() -> Instant {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec))
    }

    // MARK: Bytes

    /// Reads what has arrived: bytes, 0 at the end of the stream, or -errno.
    @inline(__always)
    static func receive(_ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, flags: Int32 = 0) -> Int {
        while true {
            let count = clinux_receive(descriptor, buffer.baseAddress, buffer.count, flags)
            if count >= 0 { return count }
            let code = errno
            if code != EINTR { return -Int(code) }
        }
    }

    /// Hands bytes to the kernel: how many it took, or -errno. Never raises SIGPIPE.
    @inline(__always)
    static func send(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
        while true {
            let count = clinux_send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            if count >= 0 { return count }
            let code = errno
            if code != EINTR { return -Int(code) }
        }
    }

    static func isWouldBlock(_ result: Int) -> Bool { result == -Int(EAGAIN) || result == -Int(EWOULDBLOCK) }

    static func close(_ descriptor: Int32) { _ = Glibc.close(descriptor) }

    // MARK: Readiness

    static func makePoll() throws(SystemError) -> Int32 {
        try check("epoll_create1") { epoll_create1(Int32(EPOLL_CLOEXEC)) }
    }

    /// Waits for events: their number, 0 after the timeout, or -errno.
    @inline(__always)
    static func wait(
        _ poll: Int32, _ events: UnsafeMutableBufferPointer<epoll_event>, milliseconds: Int32
    ) -> Int {
        let count = clinux_wait(poll, events.baseAddress, Int32(events.count), milliseconds)
        if count >= 0 { return Int(count) }
        return errno == EINTR ? 0 : -Int(errno)
    }

    static func pollAdd(_ poll: Int32, _ descriptor: Int32, _ interest: UInt32, data: UInt64) throws(SystemError) {
        var event = epoll_event(events: interest, data: epoll_data_t(u64: data))
        try check("epoll_ctl(add)") { epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &event) }
    }

    static func pollChange(_ poll: Int32, _ descriptor: Int32, _ interest: UInt32, data: UInt64) throws(SystemError) {
        var event = epoll_event(events: interest, data: epoll_data_t(u64: data))
        try check("epoll_ctl(change)") { epoll_ctl(poll, EPOLL_CTL_MOD, descriptor, &event) }
    }

    static func pollRemove(_ poll: Int32, _ descriptor: Int32) {
        var event = epoll_event()
        _ = epoll_ctl(poll, EPOLL_CTL_DEL, descriptor, &event)
    }

    /// Two connected stream sockets, the second of which never blocks.
    static func makeSocketPair() throws(SystemError) -> (Int32, Int32) {
        var pair: [Int32] = [-1, -1]
        try check("socketpair") { socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &pair) }
        _ = fcntl(pair[1], F_SETFL, O_NONBLOCK)
        return (pair[0], pair[1])
    }

    /// A counter another thread can ring (eventfd).
    static func makeBell() throws(SystemError) -> Int32 {
        try check("eventfd") { eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK)) }
    }

    static func ring(_ bell: Int32) {
        var one: UInt64 = 1
        _ = write(bell, &one, 8)
    }

    static func silence(_ bell: Int32) {
        var count: UInt64 = 0
        _ = read(bell, &count, 8)
    }

    // MARK: Sockets

    static let socketFlags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)

    static func makeSocket(_ family: Int32) throws(SystemError) -> Int32 {
        try check("socket") { socket(family, Int32(SOCK_STREAM.rawValue) | socketFlags, 0) }
    }

    /// Starts a connection: 0 when it stands at once, or -errno (EINPROGRESS is the usual one).
    static func connect(_ descriptor: Int32, _ address: SocketAddress) -> Int32 {
        while true {
            if address.withPointer({ Glibc.connect(descriptor, $0, $1) }) == 0 { return 0 }
            let code = errno
            if code != EINTR { return -code }
        }
    }

    static func bind(_ descriptor: Int32, _ address: SocketAddress) throws(SystemError) {
        try check("bind \(address)") { address.withPointer { Glibc.bind(descriptor, $0, $1) } }
    }

    static func listen(_ descriptor: Int32, backlog: Int32) throws(SystemError) {
        try check("listen") { Glibc.listen(descriptor, backlog) }
    }

    /// Accepts a connection: its descriptor, or -errno.
    static func accept(_ listener: Int32, _ address: inout SocketAddress) -> Int32 {
        while true {
            let descriptor = address.withMutablePointer { clinux_accept4(listener, $0, $1, socketFlags) }
            if descriptor >= 0 { return descriptor }
            let code = errno
            if code != EINTR && code != ECONNABORTED { return -code }
        }
    }

    static func localAddress(_ descriptor: Int32) throws(SystemError) -> SocketAddress {
        var address = SocketAddress()
        try check("getsockname") { address.withMutablePointer { getsockname(descriptor, $0, $1) } }
        return address
    }

    /// The error a connection attempt ended with, or 0.
    static func pendingError(_ descriptor: Int32) -> Int32 {
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length) == 0 ? code : errno
    }

    static func setOption(_ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: Int32) throws(SystemError) {
        var value = value
        try check("setsockopt(\(level), \(name))") {
            setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
        }
    }

    /// Small writes leave at once, and a peer that vanished is noticed in about two minutes.
    static func tuneTCP(_ descriptor: Int32) {
        let options: [(Int32, Int32, Int32)] = [
            (Int32(IPPROTO_TCP), TCP_NODELAY, 1), (SOL_SOCKET, SO_KEEPALIVE, 1),
            (Int32(IPPROTO_TCP), TCP_KEEPIDLE, 60), (Int32(IPPROTO_TCP), TCP_KEEPINTVL, 15),
            (Int32(IPPROTO_TCP), TCP_KEEPCNT, 4),
        ]
        for (level, name, value) in options { try? setOption(descriptor, level, name, value) }
    }

    /// Lets a listening unix socket refuse who connects, until all who have it close it.
    static func refuseConnections(_ descriptor: Int32) { _ = Glibc.shutdown(descriptor, Int32(SHUT_RDWR)) }

    /// The addresses a name stands for, in the order to try them.
    /// - Throws: SystemError-like text of the resolver (gai_strerror).
    static func resolve(host: String, port: Int, numericOnly: Bool = false) throws(ResolveError) -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV | (numericOnly ? AI_NUMERICHOST : 0)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &list)
        guard code == 0 else { throw ResolveError(host: host, reason: String(cString: gai_strerror(code))) }
        defer { freeaddrinfo(list) }
        return sequence(first: list, next: { $0?.pointee.ai_next }).compactMap { $0 }.map {
            SocketAddress($0.pointee.ai_addr, length: $0.pointee.ai_addrlen)
        }
    }

    // MARK: Memory

    /// Gives memory that was freed back to the system, also between pieces still in use. Takes milliseconds.
    static func releaseMemory() { clinux_release_memory() }

    // MARK: Users

    /// The user running this process.
    static var effectiveUser: UInt32 { geteuid() }

    /// Lets the process open as many files as the system's hard limit says; returns the limit in force.
    static func raiseFileLimit() -> Int {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Int(clamping: limit.rlim_cur)
    }

    /// Fills `bytes` from the kernel's generator (getrandom).
    static func fillRandom(_ bytes: UnsafeMutableRawBufferPointer) {
        var filled = 0
        while filled < bytes.count {
            let count = clinux_random(bytes.baseAddress.unsafelyUnwrapped + filled, bytes.count - filled)
            if count > 0 { filled += count } else if errno != EINTR { fatalError("the kernel gives no random bytes") }
        }
    }
}

/// A host name that could not be resolved.
public struct ResolveError: Error, CustomStringConvertible {
    public let host: String
    public let reason: String

    public var description: String { "could not resolve \"\(host)\": \(reason)" }
}
