// Resolver: host names to addresses, on a thread of its own, since getaddrinfo blocks.
//
// Numeric addresses never go to the thread. Answers are remembered, so that filling a pool costs one look-up, and an
// old answer is better than none when the name service is down.
import Glibc
import Primitives
import Synchronization

/// Looks host names up for all event loops.
final class Resolver: Sendable {
    /// How long an answer is used before the name is looked up again.
    static let freshness = Span.seconds(30)

    private struct Answer {
        var addresses: [SocketAddress]
        var learned: Instant
    }

    private struct Question {
        var host: String
        var port: Int
        var answer: @Sendable (Result<[SocketAddress], ResolveError>) -> Void
    }

    private struct State {
        var known: [String: Answer] = [:]
        var questions: [Question] = []
        var isRunning = false
    }

    private let state = Mutex(State())

    /// The addresses when they are known; otherwise nil, and `answer` is called from another thread.
    func resolve(
        host: String, port: Int, now: Instant,
        answer: @escaping @Sendable (Result<[SocketAddress], ResolveError>) -> Void
    ) -> [SocketAddress]? {
        if let numeric = try? System.resolve(host: host, port: port, numericOnly: true) { return numeric }
        return state.withLock { state in
            if let known = state.known["\(host):\(port)"], now - known.learned < Self.freshness {
                return known.addresses
            }
            state.questions.append(Question(host: host, port: port, answer: answer))
            if !state.isRunning { state.isRunning = startThread() }
            return nil
        }
    }

    private func startThread() -> Bool {
        do throws(SystemError) {
            try Thread.start(name: "resolver", stackBytes: 1 << 20) { self.answerAll() }.detach()
            return true
        } catch {
            return false
        }
    }

    /// Answers until no question is left.
    private func answerAll() {
        while let question = nextQuestion() { question.answer(lookUp(question)) }
    }

    private func nextQuestion() -> Question? {
        state.withLock { state in
            if state.questions.isEmpty {
                state.isRunning = false
                return nil
            }
            return state.questions.removeFirst()
        }
    }

    private func lookUp(_ question: Question) -> Result<[SocketAddress], ResolveError> {
        let key = "\(question.host):\(question.port)"
        if let known = state.withLock({ $0.known[key] }), System.now() - known.learned < Self.freshness {
            return .success(known.addresses)
        }
        do throws(ResolveError) {
            let addresses = try System.resolve(host: question.host, port: question.port)
            state.withLock { $0.known[key] = Answer(addresses: addresses, learned: System.now()) }
            return .success(addresses)
        } catch {
            if let old = state.withLock({ $0.known[key] }) { return .success(old.addresses) }
            return .failure(error)
        }
    }
}
