// TimerQueue: deadlines in order. An entry is never removed early; its owner decides, when it fires, whether it
// still means anything (it compares the payload's generation). That keeps setting a timer cheap and cancelling free.

/// A priority queue of deadlines with a small payload. O(log n) to add and to take.
public struct TimerQueue<Payload> {
    private var heap: [(deadline: Instant, order: UInt64, payload: Payload)] = []
    private var nextOrder: UInt64 = 0

    public init() {}

    public var isEmpty: Bool { heap.isEmpty }
    public var count: Int { heap.count }

    /// The earliest deadline, kept beside the heap because event loops ask for it at every turn.
    public private(set) var nextDeadline: Instant?

    public mutating func add(_ payload: Payload, at deadline: Instant) {
        heap.append((deadline, nextOrder, payload))
        nextOrder += 1
        siftUp(heap.count - 1)
        nextDeadline = heap[0].deadline
    }

    /// Takes the earliest entry that is due, in order of deadline, then of addition.
    public mutating func takeDue(at now: Instant) -> Payload? {
        guard let first = heap.first, first.deadline <= now else { return nil }
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        siftDown(0)
        nextDeadline = heap.first?.deadline
        return first.payload
    }

    private func precedes(_ left: Int, _ right: Int) -> Bool {
        (heap[left].deadline, heap[left].order) < (heap[right].deadline, heap[right].order)
    }

    private mutating func siftUp(_ start: Int) {
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            guard precedes(child, parent) else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    private mutating func siftDown(_ start: Int) {
        var parent = start
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && precedes(child, least) {
                least = child
            }
            if least == parent { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
