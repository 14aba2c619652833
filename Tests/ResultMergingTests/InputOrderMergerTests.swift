// RETURNING of a split INSERT comes in the order of its VALUES.
import Primitives
import ResultMerging
import Testing
import WireProtocol

/// A merger under test, driven row by row.
private final class InputOrderHarness {
    let pool = BlockPool(keepCount: 8)
    private(set) var merger: InputOrderMerger
    private var output: ByteQueue
    private var frame: ByteQueue

    init(_ inputRows: [[Int]], totalBytes: Int = 1 << 20, outputBytes: Int = .max) {
        merger = InputOrderMerger(
            inputRows: inputRows, bounds: .init(rowBytes: 1 << 10, totalBytes: totalBytes, outputBytes: outputBytes),
            pool: pool.reference)
        output = ByteQueue(pool: pool.reference)
        frame = ByteQueue(pool: pool.reference)
    }

    deinit {
        // Before the pool.
        merger = InputOrderMerger(
            inputRows: [], bounds: .init(rowBytes: 0, totalBytes: 0, outputBytes: 0), pool: pool.reference)
        output.free()
        frame.free()
    }

    func row(_ source: Int, _ text: String) throws(MergeError) {
        frame.writeDataRow(text: [text])
        defer { frame.consume(frame.count) }
        try merger.dataRow(source: source, frame: frame.readable, into: &output)
    }

    func end(_ source: Int) { merger.finished(source: source, into: &output) }

    func resume() { merger.resume(into: &output) }

    func lines() throws -> [String] { try output.takeRows().map { $0[0].description } }
}

@Suite struct InputOrderMergerTests {
    @Test("Rows come out in input order as soon as it is their turn")
    func order() throws {
        let merge = InputOrderHarness([[1, 2, 5], [0, 4], [3]])
        try merge.row(0, "1")
        #expect(!merge.merger.hasRowsReady)
        try merge.row(0, "2")
        try merge.row(2, "3")
        #expect(try merge.lines() == [])
        try merge.row(1, "0")
        #expect(try merge.lines() == ["0", "1", "2", "3"])
        try merge.row(1, "4")
        try merge.row(0, "5")
        #expect(try merge.lines() == ["4", "5"])
        #expect(!merge.merger.isComplete)
        for source in 0..<3 { merge.end(source) }
        #expect(merge.merger.isComplete)
        #expect(merge.merger.rowsEmitted == 6)
    }

    @Test("A shard that returns fewer rows loses its last turns; a surplus comes last; nothing is lost")
    func uneven() throws {
        let merge = InputOrderHarness([[0, 2, 4], [1, 3]])
        try merge.row(1, "b1")
        try merge.row(1, "b2")
        try merge.row(1, "b3")
        try merge.row(0, "a1")
        #expect(try merge.lines() == ["a1", "b1"])
        merge.end(1)
        #expect(try merge.lines() == [])
        merge.end(0)
        #expect(try merge.lines() == ["b2", "b3"])
        #expect(merge.merger.isComplete)
    }

    @Test("Turns of a shard that ended early are skipped one by one, and the others keep theirs")
    func skippedTurns() throws {
        let merge = InputOrderHarness([[0, 3], [1, 4], [2, 5]])
        try merge.row(2, "c1")
        try merge.row(2, "c2")
        try merge.row(0, "a1")
        merge.end(0)
        try merge.row(1, "b1")
        #expect(try merge.lines() == ["a1", "b1", "c1"])
        try merge.row(1, "b2")
        #expect(try merge.lines() == ["b2", "c2"])
    }

    @Test("Shards that return nothing end quietly")
    func nothing() throws {
        let merge = InputOrderHarness([[0], [1], []])
        for source in [2, 0, 1] { merge.end(source) }
        #expect(merge.merger.isComplete)
        #expect(try merge.lines() == [])
    }

    @Test("Held rows are bounded, and a full output holds them back")
    func bounds() throws {
        let merge = InputOrderHarness([[0], Array(1...1000)], totalBytes: 1000, outputBytes: 20)
        while merge.merger.wantsRows(from: 1) { try merge.row(1, "x") }
        #expect(merge.merger.bufferedBytes <= 500)
        #expect(merge.merger.wantsRows(from: 0))
        try merge.row(0, "first")
        #expect(try merge.lines() == ["first", "x"])
        #expect(merge.merger.hasRowsReady)
        merge.resume()
        #expect(try merge.lines() == ["x", "x"])
        let error = #expect(throws: MergeError.self) { for _ in 0..<100 { try merge.row(1, "y") } }
        #expect(error?.sqlState == "53400")
    }

    @Test("Any split and any arrival give the input order", arguments: 0..<100)
    func random(seed: Int) throws {
        let world = RandomWorld(seed: UInt64(seed))
        let sources = world.number(1...6)
        var inputRows = [[Int]](repeating: [], count: sources)
        let count = world.number(0...80)
        for row in 0..<count { inputRows[world.number(0...sources - 1)].append(row) }
        let merge = InputOrderHarness(inputRows)
        var left = inputRows
        var open = Array(0..<sources)
        while !open.isEmpty {
            let index = world.number(0...open.count - 1)
            let source = open[index]
            if left[source].isEmpty {
                merge.end(source)
                open.remove(at: index)
            } else {
                try merge.row(source, "\(left[source].removeFirst())")
            }
        }
        #expect(try merge.lines() == (0..<count).map { "\($0)" })
        #expect(merge.merger.isComplete)
    }
}
