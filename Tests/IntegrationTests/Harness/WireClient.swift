// WireClient: a client that speaks the protocol frame by frame and blocks, so that a test decides about every byte.
//
// It writes its frames itself, not with the proxy's writers: a mistake shared by both would go unseen.
import Foundation
import Glibc
import WireProtocol

/// A frame from a server, header included.
struct Frame {
    let bytes: [UInt8]
    var type: UInt8 { bytes[0] }
    var letter: Character { Character(UnicodeScalar(bytes[0])) }
}

struct WireClientError: Error, CustomStringConvertible {
    let description: String
}

/// One connection to a server.
final class WireClient {
    static let deadlineSeconds = 5.0

    private let descriptor: Int32
    private var received: [UInt8] = []
    private var position = 0
    private(set) var processID: Int32 = 0
    private(set) var secretKey: Int32 = 0

    /// Connects over loopback, without a startup message.
    init(connectingTo port: Int) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw WireClientError(description: "no socket: errno \(errno)") }
        self.descriptor = descriptor
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = UInt16(port).bigEndian
        let failed = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) != 0
            }
        }
        guard !failed else { throw WireClientError(description: "cannot connect to port \(port): errno \(errno)") }
        var on: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Connects and logs in without a password.
    /// - Throws: `WireClientError` with the server's error.
    convenience init(
        port: Int, user: String = "postgres", database: String = "postgres", parameters: [(String, String)] = []
    ) throws {
        try self.init(connectingTo: port)
        try send(FrontendFrame.startup(parameters: [("user", user), ("database", database)] + parameters))
        while let frame = try next() {
            if frame.letter == "Z" { return }
            if frame.letter == "E" { throw WireClientError(description: Transcript.line(of: frame)) }
        }
        throw WireClientError(description: "the server closed the connection during login")
    }

    deinit { Glibc.close(descriptor) }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            // A server that has closed answers with a reset; what it said before can still be read.
            if count < 0 && (errno == EPIPE || errno == ECONNRESET) { return }
            guard count > 0 else { throw WireClientError(description: "cannot send: errno \(errno)") }
            sent += count
        }
    }

    /// Asks, on a connection of its own, to cancel what this client runs; comes back when the server has taken the request.
    func requestCancel(port: Int) throws {
        let canceller = try WireClient(connectingTo: port)
        try canceller.send(FrontendFrame.cancel(processID: processID, secretKey: secretKey))
        while try canceller.next() != nil {}
    }

    /// Ends the sending direction, as a client that dies does.
    func shutDownSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// The next frame; nil when the server closed the connection.
    /// - Throws: `WireClientError` when nothing comes in time.
    func next(deadlineSeconds: Double = WireClient.deadlineSeconds) throws -> Frame? {
        let end = Date().addingTimeInterval(deadlineSeconds)
        while true {
            if let frame = takeFrame() { return frame }
            guard try receive(until: end) else { return nil }
        }
    }

    /// `count` bytes as they come, for answers that are no frames.
    func bytes(_ count: Int) throws -> [UInt8] {
        let end = Date().addingTimeInterval(Self.deadlineSeconds)
        while received.count - position < count { guard try receive(until: end) else { break } }
        let taken = Array(received[position...].prefix(count))
        position += taken.count
        return taken
    }

    private func takeFrame() -> Frame? {
        guard received.count - position >= 5 else { return nil }
        let length = received[position + 1..<position + 5].reduce(0) { $0 << 8 | Int($1) } + 1
        guard received.count - position >= length else { return nil }
        let frame = Frame(bytes: Array(received[position..<position + length]))
        position += length
        if position == received.count {
            received = []
            position = 0
        }
        if frame.letter == "K", length == 13 { noteKey(frame) }
        return frame
    }

    private func noteKey(_ frame: Frame) {
        processID = Int32(bitPattern: frame.bytes[5..<9].reduce(0) { $0 << 8 | UInt32($1) })
        secretKey = Int32(bitPattern: frame.bytes[9..<13].reduce(0) { $0 << 8 | UInt32($1) })
    }

    /// False when the server has closed.
    private func receive(until end: Date) throws -> Bool {
        var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        let milliseconds = Int32(max(0, end.timeIntervalSinceNow * 1000))
        let ready = Glibc.poll(&poll, 1, milliseconds)
        if ready < 0 && errno == EINTR { return true }
        guard ready > 0 else { throw WireClientError(description: "nothing came in time") }
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(descriptor, &chunk, chunk.count, 0)
        guard count > 0 else { return false }
        received += chunk[..<count]
        return true
    }
}
