// FakeRabbit: an AMQP server for one publisher. It confirms each message, but for two routing keys: what goes to "nowhere" comes back before it is
// confirmed, and "silence" is not confirmed at all.
//
// Source: AMQP 0-9-1, 2.3.5 (frames), and the numbers of its classes and methods.
import Foundation
import Glibc

struct FakeRabbitError: Error, CustomStringConvertible {
    let description: String
}

final class FakeRabbit: Sendable {
    let port: Int
    private let listener: Int32

    init() throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 && listen(descriptor, 1) == 0 && getsockname(descriptor, $0, &size) == 0
            }
        }
        listener = descriptor
        port = Int(UInt16(bigEndian: address.sin_port))
        guard isListening else { throw FakeRabbitError(description: "cannot listen: errno \(errno)") }
        Thread.detachNewThread {
            let client = accept(descriptor, nil, nil)
            guard client >= 0 else { return }
            var session = Session(client)
            session.run()
            close(client)
        }
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }
}

/// The server's side of the connection.
private struct Session {
    /// What frames begin with.
    private enum Kind {
        static let method: UInt8 = 1
        static let header: UInt8 = 2
        static let body: UInt8 = 3
    }

    private let descriptor: Int32
    private var input: [UInt8] = []
    private var routingKey: [UInt8] = []
    /// The message that is coming.
    private var header: [UInt8] = []
    private var body: [UInt8] = []
    private var tag: UInt32 = 0

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// Until the publisher leaves.
    mutating func run() {
        // The name and the version of the protocol.
        guard take(8) != nil else { return }
        send(0, 10, 10, [[0, 9], long(0), longText("PLAIN"), longText("en_US")])
        while let head = take(7), let payload = take(Int(number(head[3..<7]))), take(1) != nil {
            switch head[0] {
            case Kind.method: answer(Int(number(payload[0..<2])), Int(number(payload[2..<4])), payload)
            case Kind.header:
                (header, body) = (payload, [])
                finishMessage()
            case Kind.body:
                body += payload
                finishMessage()
            default: break
            }
        }
    }

    private mutating func answer(_ group: Int, _ method: Int, _ payload: [UInt8]) {
        switch (group, method) {
        // connection.start-ok is answered by tune, open by open-ok.
        case (10, 11): send(0, 10, 30, [[0, 1], long(131_072), [0, 0]])
        case (10, 40): send(0, 10, 41, [[0]])
        // channel.open, confirm.select
        case (20, 10): send(1, 20, 11, [long(0)])
        case (85, 10): send(1, 85, 11, [])
        case (60, 40):
            // basic.publish: two bytes, the exchange, the routing key.
            let place = 7 + Int(payload[6])
            routingKey = Array(payload[(place + 1)..<(place + 1 + Int(payload[place]))])
        default: break
        }
    }

    /// Answers for a message once its data is here, whose length the header tells.
    private mutating func finishMessage() {
        guard body.count == Int(number(header[4..<12])) else { return }
        tag += 1
        switch String(decoding: routingKey, as: UTF8.self) {
        case "silence": return
        case "nowhere":
            // basic.return: the code 312, the reason, the exchange, the routing key; behind it the message as it came.
            send(1, 60, 50, [[1, 56], shortText(Array("NO_ROUTE".utf8)), shortText([]), shortText(routingKey)])
            sendFrame(Kind.header, 1, header)
            if !body.isEmpty { sendFrame(Kind.body, 1, body) }
        default: break
        }
        // basic.ack for this message alone.
        send(1, 60, 80, [long(0), long(tag), [0]])
    }

    // MARK: Bytes

    private func send(_ channel: UInt8, _ group: UInt8, _ method: UInt8, _ arguments: [[UInt8]]) {
        sendFrame(Kind.method, channel, [0, group, 0, method] + arguments.joined())
    }

    private func sendFrame(_ kind: UInt8, _ channel: UInt8, _ payload: [UInt8]) {
        var bytes: [UInt8] = [kind, 0, channel]
        bytes += long(UInt32(payload.count))
        bytes += payload
        bytes.append(0xCE)
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return }
            sent += count
        }
    }

    /// The next bytes; nil when the publisher has left.
    private mutating func take(_ count: Int) -> [UInt8]? {
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while input.count < count {
            let received = recv(descriptor, &chunk, chunk.count, 0)
            guard received > 0 else { return nil }
            input += chunk[..<received]
        }
        defer { input.removeFirst(count) }
        return Array(input[..<count])
    }

    private func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(UInt64(0)) { ($0 << 8) | UInt64($1) } }

    private func long(_ number: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) } }

    private func shortText(_ bytes: [UInt8]) -> [UInt8] { [UInt8(bytes.count)] + bytes }

    private func longText(_ text: String) -> [UInt8] { long(UInt32(text.utf8.count)) + Array(text.utf8) }
}
