// What a link has still to answer, over the border between the record itself and the ring beside it.
import Testing

@testable import ProxyCore

@Suite struct ExpectationQueueTests {
    private static let kinds: [ProxyCore.Expectation] = [.passBind, .passDescribePortal, .passExecute, .passSync, .task, .passQuery]

    @Test(arguments: [1, 7, 8, 9, 24, 25, 100])
    func entriesComeOutInTheOrderTheyWentIn(count: Int) {
        var queue = ExpectationQueue()
        let entries = (0..<count).map { Self.kinds[$0 % Self.kinds.count] }
        for entry in entries { queue.append(entry) }
        #expect((0..<Int32(count)).map { queue.entry($0) } == entries)
        for (taken, entry) in entries.enumerated() {
            #expect(queue.count == Int32(count - taken))
            #expect(queue.first == entry)
            queue.removeFirst()
        }
        #expect(queue.isEmpty && queue.first == nil)
    }

    /// Pipelines keep a queue about as long as it is while it is used.
    @Test(arguments: [1, 6, 7, 8, 9, 20])
    func aQueueThatStaysLongKeepsItsOrder(length: Int) {
        var queue = ExpectationQueue()
        var model: [ProxyCore.Expectation] = []
        for step in 0..<500 {
            let entry = Self.kinds[step % Self.kinds.count]
            queue.append(entry)
            model.append(entry)
            while model.count > length + step % 3 {
                #expect(queue.first == model.removeFirst())
                queue.removeFirst()
            }
            #expect(queue.count == Int32(model.count))
        }
    }

    @Test func nothingIsLeftOfAnEmptiedQueue() {
        var queue = ExpectationQueue()
        for _ in 0..<20 { queue.append(.passExecute) }
        queue.removeAll()
        #expect(queue.isEmpty && queue.first == nil && !queue.isSynthesizedNext)
        for _ in 0..<10 { queue.append(.dropSync) }
        #expect((0..<10).map { queue.entry($0) } == Array(repeating: .dropSync, count: 10))
    }

    @Test func codesInTheRecordAreTheCases() {
        for code in UInt8.min...UInt8.max {
            guard let expectation = ProxyCore.Expectation(rawValue: code) else { continue }
            var queue = ExpectationQueue()
            queue.append(expectation)
            #expect(queue.first == expectation)
        }
    }
}
