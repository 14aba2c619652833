// HTTPSocket: the system calls of the HTTP server.
import CLinux
import Glibc

/// A system call failed.
public struct HTTPSocketError: Error, CustomStringConvertible {
    public let description: String

    init(_ call: String, _ code: Int32) { description = "\(call): \(String(cString: strerror(code)))" }
    init(_ description: String) { self.description = description }
}

enum HTTPSocket {
    private static let flags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)

    /// A socket that listens; `*` is every address.
    /// - Parameter backlog: connections that wait in the kernel.
    /// - Throws: HTTPSocketError, which names the address.
    static func listen(host: String, port: Int, backlog: Int) throws -> Int32 {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE
        var found: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host == "*" ? nil : host, "\(port)", &hints, &found)
        guard code == 0, let address = found?.pointee else { throw HTTPSocketError("http: \(host): \(String(cString: gai_strerror(code)))") }
        defer { freeaddrinfo(found) }
        let descriptor = socket(address.ai_family, Int32(SOCK_STREAM.rawValue) | flags, 0)
        guard descriptor >= 0 else { throw HTTPSocketError("http: socket", errno) }
        var one: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, 4)
        guard bind(descriptor, address.ai_addr, address.ai_addrlen) == 0, Glibc.listen(descriptor, Int32(backlog)) == 0 else {
            defer { close(descriptor) }
            throw HTTPSocketError("http: listen on \(host):\(port)", errno)
        }
        return descriptor
    }

    /// The port a socket is bound to.
    static func port(of descriptor: Int32) -> Int {
        var address = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutableBytes(of: &address) { bytes in
            guard let base = bytes.baseAddress, getsockname(descriptor, base.assumingMemoryBound(to: sockaddr.self), &length) == 0 else { return 0 }
            // Behind the family, in IPv4 and IPv6.
            return Int(UInt16(bigEndian: bytes.load(fromByteOffset: 2, as: UInt16.self)))
        }
    }

    /// nil when none waits, or the process is out of files.
    static func accept(_ listener: Int32) -> Int32? {
        let descriptor = Glibc.accept(listener, nil, nil)
        guard descriptor >= 0 else { return nil }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        return descriptor
    }

    /// Appends what has arrived, up to `limit` bytes; false at the end of the stream or when it broke.
    static func receive(_ descriptor: Int32, into bytes: inout [UInt8], limit: Int) -> Bool {
        var buffer = [UInt8](repeating: 0, count: limit)
        let count = recv(descriptor, &buffer, limit, 0)
        if count < 0 { return errno == EAGAIN || errno == EINTR }
        bytes += buffer[..<count]
        return count > 0
    }

    /// How many bytes the kernel took; nil when the connection broke.
    static func send(_ descriptor: Int32, _ bytes: ArraySlice<UInt8>) -> Int? {
        let count = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        if count >= 0 { return count }
        return errno == EAGAIN || errno == EINTR ? 0 : nil
    }

    /// A counter by which another thread wakes `poll`.
    static func makeBell() throws -> Int32 {
        let bell = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard bell >= 0 else { throw HTTPSocketError("http: eventfd", errno) }
        return bell
    }

    static func ring(_ bell: Int32) {
        var one: UInt64 = 1
        _ = write(bell, &one, 8)
    }

    static func silence(_ bell: Int32) {
        var count: UInt64 = 0
        _ = read(bell, &count, 8)
    }
}
