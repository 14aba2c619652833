// HTTPConnection: one client of the endpoint, which asks once.
//
//   reading -> waiting | writing | closed      the head of the request comes in
//   waiting -> writing | closed                what is asked for is being found out
//   writing -> lingering | closed
//   lingering -> closed                        the client reads what the kernel still has
import Glibc

struct HTTPConnection {
    enum Stage {
        case reading([UInt8])
        case waiting(HTTPRequest, since: ContinuousClock.Instant)
        case writing(ArraySlice<UInt8>)
        case lingering
    }

    let descriptor: Int32
    var stage = Stage.reading([])
    /// When its stage ends by itself.
    var deadline: ContinuousClock.Instant
    private let limits: HTTPLimits

    init(_ descriptor: Int32, limits: HTTPLimits, now: ContinuousClock.Instant) {
        self.descriptor = descriptor
        self.limits = limits
        deadline = now + .seconds(limits.requestSeconds)
    }

    /// What poll is to watch for.
    var interest: Int16 {
        switch stage {
        case .reading, .lingering: Int16(POLLIN)
        case .waiting: 0
        case .writing: Int16(POLLOUT)
        }
    }

    var isReading: Bool { if case .reading = stage { true } else { false } }

    /// Takes what has arrived; false when the connection is over.
    mutating func receive(now: ContinuousClock.Instant) -> Bool {
        var bytes: [UInt8] = []
        if case .reading(let earlier) = stage { bytes = earlier } else {
            // What comes behind the request is of no interest.
            return HTTPSocket.receive(descriptor, into: &bytes, limit: limits.requestBytes)
        }
        let known = bytes.count
        guard HTTPSocket.receive(descriptor, into: &bytes, limit: limits.requestBytes + 1 - bytes.count) else { return false }
        stage = .reading(bytes)
        guard let length = HTTPRequest.headLength(bytes, known: known) else {
            if bytes.count > limits.requestBytes {
                answer(HTTPResponse(HTTPRefusal(.headerFieldsTooLarge, "a request has \(limits.requestBytes) bytes at most")), now: now)
            }
            return true
        }
        do throws(HTTPRefusal) {
            stage = .waiting(try HTTPRequest(head: Array(bytes[..<length])), since: now)
            deadline = now + .seconds(limits.answerSeconds)
        } catch {
            answer(HTTPResponse(error), now: now)
        }
        return true
    }

    mutating func answer(_ response: HTTPResponse, now: ContinuousClock.Instant) {
        var hasBody = true
        if case .waiting(let request, _) = stage { hasBody = request.method != "HEAD" }
        stage = .writing(response.bytes(hasBody: hasBody)[...])
        deadline = now + .seconds(limits.responseSeconds)
    }

    /// Sends what the client takes; false when the connection is over.
    mutating func send(now: ContinuousClock.Instant) -> Bool {
        guard case .writing(let bytes) = stage else { return true }
        guard let count = HTTPSocket.send(descriptor, bytes) else { return false }
        let rest = bytes.dropFirst(count)
        stage = .writing(rest)
        if rest.isEmpty {
            // Closing at once would take away what the client has not read yet, if it has sent more than was read here.
            shutdown(descriptor, Int32(SHUT_WR))
            stage = .lingering
            deadline = now + .seconds(limits.lingerSeconds)
        }
        return true
    }

    /// The time of its stage is up; false when the connection is over.
    mutating func expire(now: ContinuousClock.Instant) -> Bool {
        guard case .reading(let bytes) = stage, !bytes.isEmpty else { return false }
        answer(HTTPResponse(HTTPRefusal(.requestTimeout, "the request took longer than \(limits.requestSeconds) s")), now: now)
        return true
    }
}
