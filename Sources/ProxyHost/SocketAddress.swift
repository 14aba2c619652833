// SocketAddress: an address of any family as the kernel wants it, and as people read it.
import CLinux
import Glibc

/// An IPv4, IPv6 or unix socket address.
struct SocketAddress: CustomStringConvertible, @unchecked Sendable {
    private var storage = sockaddr_storage()
    private var length = socklen_t(MemoryLayout<sockaddr_storage>.size)

    init() {}

    init(_ address: UnsafePointer<sockaddr>, length: socklen_t) {
        self.length = length
        withUnsafeMutableBytes(of: &storage) {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: min(Int(length), $0.count)))
        }
    }

    /// The longest path a unix socket can have, in bytes.
    static let maximumPathBytes = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1

    /// The address of a unix socket; nil when the path is too long.
    init?(unixPath path: String) {
        let bytes = Array(path.utf8)
        guard bytes.count <= Self.maximumPathBytes else { return nil }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        self = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                SocketAddress($0, length: socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    /// Where a PostgreSQL server with this port has its socket in a directory.
    static func unixPath(directory: String, port: Int) -> String { "\(directory)/.s.PGSQL.\(port)" }

    var family: Int32 { Int32(storage.ss_family) }
    var isUnix: Bool { family == AF_UNIX }

    /// The TCP port, or 0 for a unix socket.
    var port: Int {
        switch family {
        case AF_INET: return withUnsafeBytes(of: storage) { Int($0.load(as: sockaddr_in.self).sin_port.bigEndian) }
        case AF_INET6: return withUnsafeBytes(of: storage) { Int($0.load(as: sockaddr_in6.self).sin6_port.bigEndian) }
        default: return 0
        }
    }

    func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafePointer(to: storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }

    mutating func withMutablePointer<Result>(
        _ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Result
    ) -> Result {
        length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &length) { length in
            withUnsafeMutablePointer(to: &storage) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
            }
        }
    }

    /// "127.0.0.1:5432", "[::1]:5432" or "[local]".
    var description: String {
        if isUnix { return "[local]" }
        var host = [CChar](repeating: 0, count: 64)
        let size = socklen_t(host.count)
        guard withPointer({ getnameinfo($0, $1, &host, size, nil, 0, NI_NUMERICHOST) }) == 0 else { return "?" }
        let name = System.text(host)
        return name.contains(":") ? "[\(name)]:\(port)" : "\(name):\(port)"
    }
}
