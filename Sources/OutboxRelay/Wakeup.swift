// Wakeup: what the relay's threads wait on when there is nothing to do: a time, news from somebody who has inserted, or the end of the process.
import Foundation

final class Wakeup: @unchecked Sendable {
    private let condition = NSCondition()
    // Guarded by `condition`.
    private var count = 0
    private var isEnding = false

    /// There may be something to do.
    func ring() {
        condition.withLock {
            count += 1
            condition.broadcast()
        }
    }

    /// Everybody is to finish.
    func end() {
        condition.withLock {
            isEnding = true
            condition.broadcast()
        }
    }

    var isEnded: Bool { condition.withLock { isEnding } }

    /// Waits until it has been rung more often than `known` times, at most for `duration`; returns how often by then.
    func wait(after known: Int, atMost duration: Duration) -> Int {
        let limit = Date(timeIntervalSinceNow: duration.seconds)
        return condition.withLock {
            while count <= known, !isEnding, condition.wait(until: limit) {}
            return count
        }
    }

    /// Waits for the end, at most for `duration`.
    func pause(_ duration: Duration) {
        let limit = Date(timeIntervalSinceNow: duration.seconds)
        condition.withLock {
            while !isEnding, condition.wait(until: limit) {}
        }
    }
}
