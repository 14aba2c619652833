// TestDirectory: fresh places for tests, directories and ports.
import Foundation

public enum TestDirectory {
    /// A fresh directory under /tmp; its path is short enough for a unix socket. Under root it belongs to user
    /// postgres, so that servers can write there.
    public static func make() throws -> String {
        var template = Array("/tmp/pgbraid-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw POSIXError(.EIO) }
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard chmod(path, 0o755) == 0 else { throw POSIXError(.EPERM) }
        if PostgreSQLProgram.isRoot {
            guard let account = getpwnam("postgres"), chown(path, account.pointee.pw_uid, account.pointee.pw_gid) == 0
            else { throw POSIXError(.EPERM) }
        }
        return path
    }

    /// A loopback TCP port that nobody listened on a moment ago.
    public static func freePort() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw POSIXError(.EIO) }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let failed = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(descriptor, generic, length) != 0 || getsockname(descriptor, generic, &length) != 0
            }
        }
        guard !failed else { throw POSIXError(.EADDRINUSE) }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}
