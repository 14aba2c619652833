// LoopReport: what event loops tell the process: ready, ended.
import Synchronization

/// Counts loops that are ready and loops that have ended, and rings a bell at each change.
final class LoopReport: Sendable {
    struct Counts {
        var ready = 0
        var ended = 0
    }

    let bell: Int32
    private let counts = Mutex(Counts())

    init() throws(SystemError) { bell = try System.makeBell() }

    deinit { System.close(bell) }

    func becameReady() { change { $0.ready += 1 } }
    func ended() { change { $0.ended += 1 } }

    /// The counts now; silences the bell.
    func read() -> Counts {
        System.silence(bell)
        return counts.withLock { $0 }
    }

    private func change(_ body: (inout Counts) -> Void) {
        counts.withLock { body(&$0) }
        System.ring(bell)
    }
}
