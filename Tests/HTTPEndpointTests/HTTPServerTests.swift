// The server keeps its bounds whatever its clients do.
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import HTTPEndpoint

/// Answers with the path; what is asked for at /later is known when the test says so.
private final class Echo: HTTPResponder {
    let isKnown = Mutex(false)
    let lateCount = Mutex(0)
    /// How often somebody wanted to know what is at /later.
    let askedCount = Mutex(0)

    func response(to request: HTTPRequest, since: ContinuousClock.Instant, isLate: Bool) -> HTTPResponse? {
        if request.path == "/later" { askedCount.withLock { $0 += 1 } }
        if request.path == "/later", !isKnown.withLock({ $0 }) {
            guard isLate else { return nil }
            lateCount.withLock { $0 += 1 }
            return HTTPResponse(.serviceUnavailable, body: "late\n")
        }
        if request.path == "/long" { return HTTPResponse(body: String(decoding: [UInt8](repeating: 0x78, count: 8 << 20), as: UTF8.self)) }
        return HTTPResponse(body: "at \(request.path)\n")
    }
}

/// A server that runs until the test ends.
private final class Running: Sendable {
    let server: HTTPServer
    let echo = Echo()
    private let isOver = Mutex(false)
    private let ended = DispatchSemaphore(value: 0)
    var port: Int { server.port }

    init(_ change: (inout HTTPLimits) -> Void) throws {
        var limits = HTTPLimits()
        change(&limits)
        server = try HTTPServer(host: "127.0.0.1", port: 0, limits: limits)
        Thread.detachNewThread { [self] in
            while !isOver.withLock({ $0 }) { server.turn(echo) }
            ended.signal()
        }
    }

    func end() {
        isOver.withLock { $0 = true }
        server.ring()
        ended.wait()
    }
}

@Suite struct HTTPServerTests {
    private func with(_ change: (inout HTTPLimits) -> Void = { _ in }, _ body: (Running) throws -> Void) throws {
        let running = try Running(change)
        defer { running.end() }
        try body(running)
    }

    @Test func aRequestIsAnsweredAndTheConnectionCloses() throws {
        try with { running in
            let answer = try RawHTTP.get("/a?b", port: running.port)
            #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 6\r\nConnection: close\r\n"))
            #expect(answer.contains("Content-Security-Policy: default-src 'none'"))
            #expect(answer.hasSuffix("\r\n\r\nat /a\n"))
        }
    }

    @Test func aRequestMayComeInPieces() throws {
        try with { running in
            let client = try RawHTTP(port: running.port)
            for piece in ["GET /slo", "w HTTP/1.1\r", "\nHost: a\r\n\r", "\n"] {
                client.send(piece)
                // Another client is served between them.
                #expect(try RawHTTP.get("/other", port: running.port).hasSuffix("at /other\n"))
            }
            #expect(try client.rest().hasSuffix("at /slow\n"))
        }
    }

    @Test func headHasNoBody() throws {
        try with { running in
            let client = try RawHTTP(port: running.port)
            client.send("HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n")
            let answer = try client.rest()
            #expect(answer.contains("Content-Length: 6\r\n") && answer.hasSuffix("\r\n\r\n"))
        }
    }

    @Test func aHeadWithoutEndIsRefusedAtTheLimit() throws {
        try with { running in
            let client = try RawHTTP(port: running.port)
            client.send("GET / HTTP/1.1\r\nHost: a\r\nX: ")
            // Far more than is kept, until the server has had enough.
            for _ in 0..<64 where client.send(String(repeating: "y", count: 64 << 10), seconds: 1) {}
            #expect(try RawHTTP.get("/still", port: running.port).hasSuffix("at /still\n"))
            // Where all was sent before the answer, it is there to be read.
            let small = try RawHTTP(port: running.port)
            small.send("GET / HTTP/1.1\r\nX: " + String(repeating: "y", count: 8300))
            #expect(try small.rest().hasPrefix("HTTP/1.1 431 "))
        }
    }

    @Test func whoSendsTooSlowlyIsTold() throws {
        try with({ $0.requestSeconds = 0.3 }) { running in
            let slow = try RawHTTP(port: running.port)
            slow.send("GET / HT")
            let silent = try RawHTTP(port: running.port)
            #expect(try slow.rest().hasPrefix("HTTP/1.1 408 "))
            #expect(try silent.rest() == "")
        }
    }

    /// As many as there are places ask nothing; who asks is served all the same.
    @Test func idleConnectionsKeepNobodyOut() throws {
        try with({ $0.connections = 4 }) { running in
            let idle = try (0..<20).map { _ in try RawHTTP(port: running.port) }
            #expect(try RawHTTP.get("/in", port: running.port).hasSuffix("at /in\n"))
            withExtendedLifetime(idle) {}
        }
    }

    /// All places are taken by clients that wait for their answers: who comes now waits too, and is answered then.
    @Test func whoWaitsForAnAnswerKeepsItsPlace() throws {
        try with({ $0.connections = 2 }) { running in
            let waiting = try (0..<2).map { _ in try RawHTTP(port: running.port) }
            for client in waiting { client.send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n") }
            let next = try RawHTTP(port: running.port)
            next.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(throws: RawHTTPError.self) { try next.rest(seconds: 1) }
            running.echo.isKnown.withLock { $0 = true }
            running.server.ring()
            for client in waiting { #expect(try client.rest().hasSuffix("at /later\n")) }
            #expect(try next.rest().hasSuffix("at /next\n"))
        }
    }

    /// Others who come and go have no answer for it.
    @Test func whoWaitsIsLookedAfterWhenTheBellHasRung() throws {
        try with { running in
            let client = try RawHTTP(port: running.port)
            client.send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n")
            for _ in 0..<10 { #expect(try RawHTTP.get("/other", port: running.port).hasSuffix("at /other\n")) }
            #expect(running.echo.askedCount.withLock { $0 } == 1)
            running.echo.isKnown.withLock { $0 = true }
            running.server.ring()
            #expect(try client.rest().hasSuffix("at /later\n"))
            #expect(running.echo.askedCount.withLock { $0 } == 2)
        }
    }

    @Test func anAnswerThatIsNotKnownInTimeSaysSo() throws {
        try with({ $0.answerSeconds = 0.3 }) { running in
            let answer = try RawHTTP.get("/later", port: running.port)
            #expect(answer.hasSuffix("late\n"))
            #expect(running.echo.lateCount.withLock { $0 } == 1)
        }
    }

    /// The only place is its: the next is served when it has been closed.
    @Test func whoDoesNotReadIsClosed() throws {
        try with({ ($0.connections, $0.responseSeconds) = (1, 0.3) }) { running in
            let client = try RawHTTP(port: running.port)
            client.send("GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try RawHTTP.get("/next", port: running.port).hasSuffix("at /next\n"))
            #expect(try client.rest().utf8.count < 8 << 20)
        }
    }

    @Test func aLongAnswerComesWhole() throws {
        try with { running in
            let answer = try RawHTTP.get("/long", port: running.port)
            #expect(answer.utf8.count > 8 << 20)
        }
    }

    @Test func anAddressThatIsTakenIsAnError() throws {
        try with { running in
            #expect {
                _ = try HTTPServer(host: "127.0.0.1", port: running.port, limits: HTTPLimits())
            } throws: { "\($0)".contains("http: listen on 127.0.0.1:\(running.port): Address already in use") }
        }
    }
}

@Suite struct LookoutTests {
    private final class Looks: Sendable {
        private let count = Mutex(0)
        func next() -> Int { count.withLock { $0 += 1; return $0 } }
    }

    @Test func manyWhoAskShareALook() throws {
        let (looks, seen) = (Looks(), DispatchSemaphore(value: 0))
        let lookout = Lookout<Int>(name: "test", whenSeen: { seen.signal() }) { looks.next() }
        let now = ContinuousClock.now
        #expect(lookout.sight(since: now) == nil)
        #expect(seen.wait(timeout: .now() + 5) == .success)
        for _ in 0..<100 { #expect(lookout.sight(since: now)?.value == 1) }
        #expect(lookout.sight(since: .now) == nil)
        #expect(seen.wait(timeout: .now() + 5) == .success)
        #expect(lookout.latest?.value == 2)
    }
}
