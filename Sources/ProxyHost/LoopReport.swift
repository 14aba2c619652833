// LoopReport: what event loops tell the process: ready, ended, and what an operator asked for by SQL.
import Synchronization

/// Counts loops that are ready and loops that have ended, passes requests on, and rings a bell at each change.
final class LoopReport: Sendable {
    struct Counts {
        var ready = 0
        var ended = 0
        /// Why the process cannot serve.
        var failure: SystemError?
        var requests: [OperatorRequest] = []
    }

    let bell: Int32
    private let counts = Mutex(Counts())

    init() throws(SystemError) { bell = try System.makeBell() }

    deinit { System.close(bell) }

    func becameReady() { change { $0.ready += 1 } }
    func failed(_ error: SystemError) { change { $0.failure = $0.failure ?? error } }
    func ended() { change { $0.ended += 1 } }
    func ask(_ request: OperatorRequest) { change { $0.requests.append(request) } }

    /// The counts now, and the requests since the last reading; silences the bell.
    func read() -> Counts {
        System.silence(bell)
        return counts.withLock { counts in
            defer { counts.requests = [] }
            return counts
        }
    }

    private func change(_ body: (inout Counts) -> Void) {
        counts.withLock { body(&$0) }
        System.ring(bell)
    }
}
