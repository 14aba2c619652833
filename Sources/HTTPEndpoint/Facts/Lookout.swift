// Lookout: looks when somebody wants to know, on a thread of its own, and lets all who ask within a moment share what it saw.
import Foundation

/// What was seen, and since when it may be so.
struct Sight<Value: Sendable>: Sendable {
    var value: Value
    var begun: ContinuousClock.Instant
}

/// A thread that waits to be asked, and looks. Any thread may ask; nobody waits for it.
final class Lookout<Value: Sendable>: @unchecked Sendable {
    private let condition = NSCondition()
    private let look: @Sendable () -> Value
    private let whenSeen: @Sendable () -> Void
    /// Both guarded by `condition`.
    private var isWanted = false
    private var last: Sight<Value>?

    /// - Parameters:
    ///   - name: of the thread; 15 bytes at most.
    ///   - look: takes as long as it takes.
    ///   - whenSeen: called on that thread behind each look.
    init(name: String, whenSeen: @escaping @Sendable () -> Void, look: @escaping @Sendable () -> Value) {
        self.look = look
        self.whenSeen = whenSeen
        let thread = Thread { [self] in while true { takeTurn() } }
        thread.name = name
        thread.start()
    }

    /// What was seen last.
    var latest: Sight<Value>? { condition.withLock { last } }

    /// What was seen since `earliest`. If that is nothing, nil, and a look is taken.
    func sight(since earliest: ContinuousClock.Instant) -> Sight<Value>? {
        condition.withLock {
            if let last, last.begun >= earliest { return last }
            isWanted = true
            condition.signal()
            return nil
        }
    }

    private func takeTurn() {
        condition.withLock {
            while !isWanted { condition.wait() }
            isWanted = false
        }
        let begun = ContinuousClock.now
        let value = look()
        condition.withLock { last = Sight(value: value, begun: begun) }
        whenSeen()
    }
}
