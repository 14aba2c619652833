// TimerQueue: deadlines in order. An entry is never removed early; its owner decides, when it fires, whether it
// still means anything (it compares the payload's generation). That keeps setting a timer cheap and cancelling free.
// All of it is inlinable: unspecialised, it would copy every payload through witnesses and allocate in passing.

/// A priority queue of deadlines with a small payload. O(log n) to add and to take.
public struct TimerQueue<Payload> {
    @usableFromInline var heap: [(deadline: Instant, order: UInt64, payload: Payload)] = []
    @usableFromInline var nextOrder: UInt64 = 0

    @inlinable public init() {}

    @inlinable public var isEmpty: Bool { heap.isEmpty }
    @inlinable public var count: Int { heap.count }

    /// The earliest deadline.
    @inlinable public var nextDeadline: Instant? { earliest }
    /// Kept beside the heap because event loops ask for it at every turn.
    @usableFromInline var earliest: Instant?

    @inlinable
    public mutating func add(_ payload: Payload, at deadline: Instant) {
        heap.append((deadline, nextOrder, payload))
        nextOrder += 1
        siftUp(heap.count - 1)
        earliest = heap[0].deadline
    }

    /// Takes the earliest entry that is due, in order of deadline, then of addition.
    @inlinable
    public mutating func takeDue(at now: Instant) -> Payload? {
        guard let first = heap.first, first.deadline <= now else { return nil }
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        siftDown(0)
        earliest = heap.first?.deadline
        return first.payload
    }

    @inlinable
    func precedes(_ left: Int, _ right: Int) -> Bool {
        (heap[left].deadline, heap[left].order) < (heap[right].deadline, heap[right].order)
    }

    @inlinable
    mutating func siftUp(_ start: Int) {
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            guard precedes(child, parent) else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    @inlinable
    mutating func siftDown(_ start: Int) {
        var parent = start
        while true {
            var least = parent
            for child in (2 * parent + 1)...(2 * parent + 2) where child < heap.count && precedes(child, least) {
                least = child
            }
            if least == parent { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
