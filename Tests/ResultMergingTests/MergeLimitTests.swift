// Memory of a merge is bounded, and a caller who obeys wantsRows never meets the bound.
import Primitives
import ResultMerging
import Testing

@Suite struct MergeLimitTests {
    private let byNumber = MergePlan(visibleColumnCount: 1, sortKeys: [.ascending(1, TypeOID.int8)])

    @Test("A row over the row limit is 53400")
    func largeRow() throws {
        let merge = MergeHarness(byNumber, sources: 1, rowBytes: 100)
        let error = #expect(throws: MergeError.self) {
            try merge.row(0, .bytes([UInt8](repeating: 65, count: 100)), .int8(1))
        }
        #expect(error?.sqlState == "53400")
        #expect(error?.message == "row of 123 bytes is too large to be merged")
        #expect(error?.hint == "The limit is 100 bytes: merge_row in section [limits] of proxy.conf.")
    }

    @Test("Holding more than the limit is 53400 and names the limit")
    func tooMuch() throws {
        let merge = MergeHarness(byNumber, sources: 2, totalBytes: 1000)
        let error = #expect(throws: MergeError.self) {
            for number in 1...100 { try merge.row(0, .text("x"), .int8(Int64(number))) }
        }
        #expect(error?.sqlState == "53400")
        #expect(error?.hint == "The limit is 1000 bytes: merge in section [limits] of proxy.conf.")
        #expect(merge.merger.bufferedBytes <= 1000)
    }

    @Test("A source that is not needed pauses at its share and resumes at half of it; the needed one never pauses")
    func backpressure() throws {
        let merge = MergeHarness(byNumber, sources: 2, totalBytes: 1000)
        try merge.row(1, .text("x"), .int8(1000))
        var count: Int64 = 0
        while merge.merger.wantsRows(from: 1) {
            count += 1
            try merge.row(1, .text("x"), .int8(1000 + count))
        }
        #expect(merge.merger.bufferedBytes <= 500)
        #expect(merge.merger.wantsRows(from: 0))
        #expect(merge.merger.hasPausedSources)
        for number in 1...500 {
            try merge.row(0, .text("y"), .int8(Int64(number)))
            #expect(merge.merger.wantsRows(from: 0))
            #expect(!merge.merger.wantsRows(from: 1))
        }
        try merge.row(0, .text("y"), .int8(1000 + count - 3))
        #expect(merge.merger.bufferedBytes <= 250)
        #expect(merge.merger.wantsRows(from: 1))
        #expect(!merge.merger.hasPausedSources)
    }

    @Test("A million rows with a lagging source stay within the limit as long as wantsRows is obeyed")
    func millionRows() throws {
        let (sources, limit) = (8, 64 << 10)
        let pool = BlockPool(keepCount: 64)
        let merger = RowMerger(
            plan: byNumber, sourceCount: sources,
            bounds: RowMerger.Bounds(rowBytes: 1 << 10, totalBytes: limit, outputBytes: .max), pool: pool.reference)
        var output = ByteQueue(pool: pool.reference)
        let world = RandomWorld(seed: 1)
        var next = [Int64](repeating: 0, count: sources)
        var (worst, fed) = (0, 0)
        var frame = MergeLimitTests.frame
        while fed < 1_000_000 {
            // Source 0 answers once in fifty; the others as often as they may.
            let source = world.chance(50) ? 0 : world.number(1...sources - 1)
            guard merger.wantsRows(from: source) else { continue }
            next[source] += source == 0 ? Int64(world.number(1...600)) : Int64(world.number(1...20))
            frame.replaceSubrange(frame.count - 8..<frame.count, with: Value.bigEndian(next[source]))
            try frame.withUnsafeBytes { try merger.dataRow(source: source, frame: $0, into: &output) }
            worst = max(worst, merger.bufferedBytes)
            fed += 1
            if output.count > 1 << 20 { output.consume(output.count) }
        }
        for source in 0..<sources { try merger.finished(source: source, into: &output) }
        output.free()
        #expect(worst > limit / 2 && worst <= limit)
        #expect(merger.rowsEmitted == 1_000_000)
        #expect(merger.bufferedBytes == 0)
        #expect(pool.lentBlockCount == 0 && pool.lentLargeBytes == 0)
    }

    /// One visible column of 20 bytes and a hidden int8 at the end.
    private static let frame: [UInt8] =
        [0x44] + Value.bigEndian(Int32(42)) + [0, 2] + Value.bigEndian(Int32(20)) + [UInt8](repeating: 65, count: 20)
        + Value.bigEndian(Int32(8)) + [UInt8](repeating: 0, count: 8)
}
