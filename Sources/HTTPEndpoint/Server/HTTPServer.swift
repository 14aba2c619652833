// HTTPServer: answers a few clients on one thread, within fixed bounds. It knows nothing of what is asked.
//
// One loop around poll. Answers that are not known yet are asked for again each time the bell rings, and once more when their time is up.
// Why it is no library: docs/decisions/0013.
import Foundation
import Glibc

/// Whoever knows the answers. Called on the server's thread, which it must not hold up.
protocol HTTPResponder: Sendable {
    /// - Parameters:
    ///   - since: when the request had come.
    ///   - isLate: there is no more time to find out.
    /// - Returns: nil when the answer is not known yet; never when `isLate`.
    func response(to request: HTTPRequest, since: ContinuousClock.Instant, isLate: Bool) -> HTTPResponse?
}

/// A server and its connections. All but `ring` belongs to the thread that `run`s it.
final class HTTPServer: @unchecked Sendable {
    private let listener: Int32
    private let bell: Int32
    private let limits: HTTPLimits
    private var connections: [HTTPConnection] = []
    private var now = ContinuousClock.now
    /// The process was out of files: nobody is accepted before.
    private var acceptsFrom = ContinuousClock.now
    /// How long not, in seconds.
    private static let outOfFilesPause = 1.0

    /// Binds the address.
    /// - Throws: HTTPSocketError.
    init(host: String, port: Int, limits: HTTPLimits) throws {
        self.limits = limits
        bell = try HTTPSocket.makeBell()
        do { listener = try HTTPSocket.listen(host: host, port: port, backlog: limits.connections) } catch {
            close(bell)
            throw error
        }
    }

    deinit {
        for connection in connections { close(connection.descriptor) }
        close(listener)
        close(bell)
    }

    var port: Int { HTTPSocket.port(of: listener) }

    /// Something may be known now that was not. Any thread may ring.
    func ring() { HTTPSocket.ring(bell) }

    /// Serves until the process ends.
    func run(_ responder: any HTTPResponder) {
        while true { turn(responder) }
    }

    /// Waits for something to happen, and handles all of it.
    func turn(_ responder: any HTTPResponder) {
        var files = [pollfd(fd: bell, events: Int16(POLLIN), revents: 0), pollfd(fd: listener, events: Int16(mayAccept ? POLLIN : 0), revents: 0)]
        files += connections.map { pollfd(fd: $0.descriptor, events: $0.interest, revents: 0) }
        _ = poll(&files, nfds_t(files.count), waitMilliseconds)
        now = ContinuousClock.now
        let hasRung = files[0].revents != 0
        if hasRung { HTTPSocket.silence(bell) }
        let known = connections
        connections = []
        for (connection, file) in zip(known, files.dropFirst(2)) {
            if let connection = handled(connection, events: file.revents, hasRung: hasRung, responder) { connections.append(connection) } else { close(connection.descriptor) }
        }
        // Whoever was still sending a request when the turn began may wait for its answer now, and keeps its place.
        if files[1].revents != 0, mayAccept { acceptOne() }
    }

    /// There is a place, or one that can be taken away.
    private var mayAccept: Bool {
        ContinuousClock.now >= acceptsFrom && (connections.count < limits.connections || connections.contains(where: \.isReading))
    }

    private var waitMilliseconds: Int32 {
        let now = ContinuousClock.now
        guard let next = (connections.map(\.deadline) + (now < acceptsFrom ? [acceptsFrom] : [])).min() else { return -1 }
        let left = now.duration(to: next).components
        return Int32(clamping: max(0, left.seconds * 1000 + left.attoseconds / 1_000_000_000_000_000 + 1))
    }

    /// What becomes of a connection in this turn; nil: it is over.
    /// - Parameter hasRung: an answer may be known now that was not.
    private func handled(_ connection: HTTPConnection, events: Int16, hasRung: Bool, _ responder: any HTTPResponder) -> HTTPConnection? {
        var connection = connection
        var isNew = true
        if events & Int16(POLLERR | POLLNVAL) != 0 { return nil }
        if case .waiting = connection.stage {
            // Nobody is there any more to be answered.
            if events & Int16(POLLHUP) != 0 { return nil }
            isNew = false
        } else if events & Int16(POLLIN | POLLHUP) != 0, !connection.receive(now: now) {
            return nil
        }
        if case .waiting(let request, let since) = connection.stage, isNew || hasRung || now >= connection.deadline,
            let response = responder.response(to: request, since: since, isLate: now >= connection.deadline)
        {
            connection.answer(response, now: now)
        }
        if case .writing = connection.stage, !connection.send(now: now) { return nil }
        if now >= connection.deadline, !connection.expire(now: now) { return nil }
        return connection
    }

    private func acceptOne() {
        guard let descriptor = HTTPSocket.accept(listener) else {
            if errno == EMFILE || errno == ENFILE { acceptsFrom = now + .seconds(Self.outOfFilesPause) }
            return
        }
        if connections.count >= limits.connections {
            guard let slowest = connections.firstIndex(where: \.isReading) else { return _ = close(descriptor) }
            close(connections.remove(at: slowest).descriptor)
        }
        connections.append(HTTPConnection(descriptor, limits: limits, now: now))
    }
}
