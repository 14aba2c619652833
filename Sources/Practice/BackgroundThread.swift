// BackgroundThread: threads for work that waits, and how one wakes others.
import Foundation

public enum BackgroundThread {
    private static let stackBytes = 512 << 20

    /// Starts `body` on a new thread, which ends with it or with the process.
    public static func start(name: String, _ body: @escaping @Sendable () -> Void) {
        let thread = Thread(block: body)
        // SQL is parsed on it, recursively; only what is used of it takes memory.
        thread.stackSize = stackBytes
        thread.name = name
        thread.start()
    }

    public static func sleep(milliseconds: Int) { Thread.sleep(forTimeInterval: Double(milliseconds) / 1000) }
}

/// Wakes whoever waits, and those who come too late for it when they ask next.
final class Bell: @unchecked Sendable {
    private let condition = NSCondition()
    /// How often it was rung; guarded by `condition`.
    private var count = 0

    func ring() {
        condition.lock()
        count += 1
        condition.broadcast()
        condition.unlock()
    }

    /// Waits until it has been rung more often than `known` times; returns how often by then.
    func wait(after known: Int) -> Int {
        condition.lock()
        defer { condition.unlock() }
        while count <= known { condition.wait() }
        return count
    }
}
