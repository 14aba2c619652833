// ByteQueue and BlockPool: bytes come out as they went in, and memory goes back.
import Testing

@testable import Primitives

@Suite struct ByteQueueTests {
    @Test func bytesComeOutInOrderAcrossGrowth() {
        let pool = BlockPool()
        var queue = ByteQueue(pool: pool.reference)
        var expected: [UInt8] = []
        var taken: [UInt8] = []
        for round in 0..<2_000 {
            let piece = (0..<(round % 97)).map { UInt8(truncatingIfNeeded: $0 &* round) }
            queue.append(piece)
            expected += piece
            let some = min(queue.count, round % 61)
            taken += Array(queue.readable.prefix(some))
            queue.consume(some)
        }
        taken += Array(queue.readable)
        #expect(taken == expected)
        queue.free()
        #expect(pool.lentBlockCount == 0)
        #expect(pool.lentLargeBytes == 0)
    }

    @Test func anEmptyQueueHoldsNoMemory() {
        let pool = BlockPool()
        var queue = ByteQueue(pool: pool.reference)
        queue.append(integer: Int32(7))
        #expect(pool.lentBlockCount == 1)
        queue.consume(4)
        queue.releaseIfEmpty()
        #expect(pool.lentBlockCount == 0)
    }

    @Test func integersAreBigEndian() {
        let pool = BlockPool()
        var queue = ByteQueue(pool: pool.reference)
        defer { queue.free() }
        queue.append(integer: Int32(0x0102_0304))
        queue.append(cString: "ab")
        #expect(Array(queue.readable) == [1, 2, 3, 4, 97, 98, 0])
        queue.patch(int32: 5, at: 0)
        #expect(Array(queue.readable.prefix(4)) == [0, 0, 0, 5])
    }
}

@Suite struct TimerQueueTests {
    @Test func timersFireInOrderOfDeadlineThenOfAddition() {
        var timers = TimerQueue<Int>()
        for (payload, deadline) in [(1, 50), (2, 10), (3, 50), (4, 20)] {
            timers.add(payload, at: Instant(nanoseconds: Int64(deadline)))
        }
        #expect(timers.takeDue(at: Instant(nanoseconds: 5)) == nil)
        var fired: [Int] = []
        while let payload = timers.takeDue(at: Instant(nanoseconds: 50)) { fired.append(payload) }
        #expect(fired == [2, 4, 1, 3])
    }
}

@Suite struct ShardSetTests {
    @Test func membersCountAndOrder() {
        var set = ShardSet()
        for index in [200, 3, 64] { set.insert(ShardIndex(index)) }
        #expect(set.count == 3)
        #expect(set.first == ShardIndex(3))
        #expect(set.shards.map(\.int) == [3, 64, 200])
        #expect(set.intersection(ShardSet(ShardIndex(64))) == ShardSet(ShardIndex(64)))
        #expect(!set.contains(ShardIndex(65)))
    }
}
