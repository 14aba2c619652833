// RelayedConnection: one connection through a FaultRelay: bytes in, frames out, in both directions.
import Foundation
import Glibc

struct RelayedConnection {
    enum Passing {
        /// Of the startup packet, which is no frame.
        case bytes(PassingFrame.Direction, [UInt8])
        case frame(PassingFrame)
    }

    let shard: Int
    let client: Int32
    let server: Int32
    private var fromClient: [UInt8] = []
    private var fromServer: [UInt8] = []
    private var isStarted = false
    private var question = ""

    init(shard: Int, client: Int32, server: Int32) {
        self.shard = shard
        self.client = client
        self.server = server
    }

    func close() {
        Glibc.close(client)
        Glibc.close(server)
    }

    /// Waits for bytes of either side; false when one of them has closed.
    mutating func wait() -> Bool {
        var polls = [pollfd(fd: client, events: Int16(POLLIN), revents: 0), pollfd(fd: server, events: Int16(POLLIN), revents: 0)]
        let ready = poll(&polls, 2, 1000)
        if ready < 0 { return errno == EINTR }
        if polls[0].revents != 0, !UnixSocket.receive(client, into: &fromClient) { return false }
        if polls[1].revents != 0, !UnixSocket.receive(server, into: &fromServer) { return false }
        return true
    }

    /// What has come whole, a server's words first: they were said before the client's next ones.
    mutating func next() -> Passing? {
        if let frame = Self.take(&fromServer, headerBytes: 5) { return .frame(passing(.fromShard, frame)) }
        if !isStarted {
            guard let packet = Self.take(&fromClient, headerBytes: 4) else { return nil }
            isStarted = true
            return .bytes(.toShard, packet)
        }
        guard let frame = Self.take(&fromClient, headerBytes: 5) else { return nil }
        return .frame(passing(.toShard, frame))
    }

    private mutating func passing(_ direction: PassingFrame.Direction, _ bytes: [UInt8]) -> PassingFrame {
        let frame = Frame(bytes: bytes)
        let isQuery = direction == .toShard && frame.letter == "Q"
        let hasText = isQuery || direction == .fromShard && frame.letter == "C"
        let text = hasText ? String(decoding: bytes[5...].prefix { $0 != 0 }, as: UTF8.self) : ""
        if isQuery { question = text }
        return PassingFrame(shard: shard, direction: direction, frame: frame, text: text, question: question)
    }

    /// The first frame, its four bytes of length at the end of the header.
    private static func take(_ bytes: inout [UInt8], headerBytes: Int) -> [UInt8]? {
        guard bytes.count >= headerBytes else { return nil }
        let length = bytes[headerBytes - 4..<headerBytes].reduce(0) { $0 << 8 | Int($1) } + headerBytes - 4
        guard bytes.count >= length else { return nil }
        defer { bytes.removeFirst(length) }
        return Array(bytes.prefix(length))
    }

    /// False when that side has closed.
    func send(_ bytes: [UInt8], _ direction: PassingFrame.Direction) -> Bool {
        UnixSocket.send(bytes, to: direction == .toShard ? server : client)
    }
}
