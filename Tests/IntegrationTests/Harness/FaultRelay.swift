// FaultRelay: stands between the proxy and its shards, reads every frame of both directions, and strikes where a test says.
//
// One unix socket for each server, named as the server's own, in a directory of the relay's. Each connection has a thread
// that waits for both sides. A rule sees a frame before it is passed on and decides; it may do other things first, such as
// ending the proxy or a server, or asking a server something.
import Foundation
import Glibc
import Synchronization
import TestSupport

/// A frame on its way.
struct PassingFrame {
    enum Direction { case toShard, fromShard }

    let shard: Int
    let direction: Direction
    let frame: Frame
    /// Of a Query its text, of a CommandComplete its tag, else empty.
    let text: String
    /// The last Query that went the same connection's way.
    let question: String

    func isQuery(_ part: String) -> Bool { direction == .toShard && frame.letter == "Q" && text.contains(part) }
    func isAnswer(_ tag: String, to part: String = "") -> Bool {
        direction == .fromShard && frame.letter == "C" && text == tag && (part.isEmpty || question.contains(part))
    }
}

final class FaultRelay: Sendable {
    enum Verdict {
        case pass
        /// Both sides of the connection are closed, and the frame is not passed on.
        case cut
        /// Another frame goes on instead.
        case replace([UInt8])
    }

    typealias Rule = @Sendable (PassingFrame) -> Verdict

    /// The bytes of a CancelRequest behind its length: two 16-bit numbers, 1234 and 5678.
    private static let cancelCode: [UInt8] = [0x04, 0xd2, 0x16, 0x2e]

    private struct State {
        var rule: Rule = { _ in .pass }
        var beforeCancel: @Sendable (Int) -> Void = { _ in }
        var queries: [(shard: Int, text: String)] = []
        var isOver = false
    }

    let directory: String
    private let state = Mutex(State())
    private let listeners: [Int32]

    /// - Throws: when a socket cannot be made.
    init(servers: [TemporaryPostgreSQL]) throws {
        directory = try TestDirectory.make()
        var listeners: [Int32] = []
        for server in servers {
            listeners.append(try UnixSocket.listen(at: "\(directory)/.s.PGSQL.\(server.port)"))
        }
        self.listeners = listeners
        for (shard, server) in servers.enumerated() {
            let (listener, path) = (listeners[shard], server.socketPath)
            Thread.detachNewThread { [weak self] in
                while let client = UnixSocket.accept(listener) {
                    guard let self, let upstream = try? UnixSocket.connect(to: path) else {
                        Glibc.close(client)
                        continue
                    }
                    Thread.detachNewThread { self.relay(RelayedConnection(shard: shard, client: client, server: upstream)) }
                }
            }
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    /// The lines of [[shard]] that lead through the relay.
    func entries(for servers: [TemporaryPostgreSQL]) -> [[String]] {
        servers.map { ["host = \"\(directory)\"", "port = \($0.port)"] }
    }

    /// Ends the relay's threads that wait for connections.
    func stop() {
        state.withLock { $0.isOver = true }
        for listener in listeners { shutdown(listener, Int32(SHUT_RDWR)) }
    }

    /// From now on every frame is shown to the rule. Rules run on the threads of connections, several at once.
    func follow(_ rule: @escaping Rule) { state.withLock { $0.rule = rule } }

    /// From now on this is done before a CancelRequest goes on to the shard; the request waits for it.
    func delayCancels(_ action: @escaping @Sendable (Int) -> Void) { state.withLock { $0.beforeCancel = action } }

    /// The rule holds for the first frame it does not let pass.
    func followOnce(_ rule: @escaping Rule) {
        let isSpent = Once()
        follow { frame in
            let verdict = isSpent.isDone ? .pass : rule(frame)
            if case .pass = verdict { return .pass }
            return isSpent.claim() ? verdict : .pass
        }
    }

    /// The texts of simple queries since the last call, in their order.
    func takeQueries() -> [(shard: Int, text: String)] {
        state.withLock { state in
            defer { state.queries = [] }
            return state.queries
        }
    }

    private func relay(_ start: RelayedConnection) {
        var connection = start
        defer { connection.close() }
        while !state.withLock({ $0.isOver }), connection.wait() {
            while let passing = connection.next() {
                switch passing {
                case .bytes(let direction, let bytes):
                    if bytes.dropFirst(4).starts(with: Self.cancelCode) { state.withLock { $0.beforeCancel }(connection.shard) }
                    guard connection.send(bytes, direction) else { return }
                case .frame(let frame):
                    if frame.direction == .toShard, frame.frame.letter == "Q" {
                        state.withLock { $0.queries.append((frame.shard, frame.text)) }
                    }
                    switch state.withLock({ $0.rule })(frame) {
                    case .pass: guard connection.send(frame.frame.bytes, frame.direction) else { return }
                    case .replace(let bytes): guard connection.send(bytes, frame.direction) else { return }
                    case .cut: return
                    }
                }
            }
        }
    }
}

/// Something that happens once, whoever comes first.
final class Once: Sendable {
    private let done = Mutex(false)
    var isDone: Bool { done.withLock { $0 } }
    /// True for the first caller.
    func claim() -> Bool {
        done.withLock { done in
            defer { done = true }
            return !done
        }
    }
}
