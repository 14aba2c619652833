// Small things that several threads of a test share.
import Synchronization

final class Counter: Sendable {
    private let count = Mutex(0)
    var value: Int { count.withLock { $0 } }
    func increment() { count.withLock { $0 += 1 } }
}

/// An object that a relay's thread uses while the test's own thread waits and keeps it. Not owned: a relay that owned the cluster it
/// belongs to would let neither end.
struct UncheckedReference<Object: AnyObject>: @unchecked Sendable {
    unowned let object: Object
    init(_ object: Object) { self.object = object }
}
