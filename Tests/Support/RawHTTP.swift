// RawHTTP: an HTTP client whose test decides about every byte and when it is sent.
import Foundation
import Glibc

public struct RawHTTPError: Error, CustomStringConvertible {
    public let description: String

    public init(description: String) { self.description = description }
}

/// One connection to a loopback port.
public final class RawHTTP {
    private let descriptor: Int32

    public init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = UInt16(port).bigEndian
        let failed = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) != 0 }
        }
        guard !failed else {
            close(descriptor)
            throw RawHTTPError(description: "cannot connect to port \(port): errno \(errno)")
        }
    }

    deinit { close(descriptor) }

    /// False when the server has closed, or takes nothing within the time.
    @discardableResult
    public func send(_ text: String, seconds: Int = 5) -> Bool {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        let bytes = Array(text.utf8)
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count <= 0 { return false }
            sent += count
        }
        return true
    }

    /// All up to the end of the stream.
    /// - Throws: when that does not come in time.
    public func rest(seconds: Int = 10) throws -> String {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count < 0, errno == EAGAIN { throw RawHTTPError(description: "the server did not close in \(seconds) s") }
            if count <= 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes += buffer[..<count]
        }
    }

    /// The whole answer to a GET, its head included.
    public static func get(_ path: String, port: Int, fields: [String] = []) throws -> String {
        let client = try RawHTTP(port: port)
        client.send((["GET \(path) HTTP/1.1", "Host: localhost"] + fields).joined(separator: "\r\n") + "\r\n\r\n")
        return try client.rest()
    }
}
