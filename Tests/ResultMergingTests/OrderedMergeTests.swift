// Sorted rows of several sources become one sorted sequence.
import ResultMerging
import Testing

@Suite struct OrderedMergeTests {
    private let byNumber = MergePlan(visibleColumnCount: 1, sortKeys: [.ascending(1, TypeOID.int8)])

    @Test("Nothing goes out before every source has shown a row; then each row goes as soon as it is known to be next")
    func transcript() throws {
        let merge = MergeHarness(byNumber, sources: 3)
        try merge.row(0, .text("three"), .int8(3))
        try merge.row(0, .text("five"), .int8(5))
        try merge.row(1, .text("one"), .int8(1))
        #expect(try merge.lines() == [])
        #expect((0...2).map { merge.merger.wantsRows(from: $0) } == [true, true, true])
        try merge.end(2)
        #expect(try merge.lines() == ["one"])
        try merge.row(1, .text("two"), .int8(2))
        #expect(try merge.lines() == ["two"])
        try merge.row(1, .text("four"), .int8(4))
        #expect(try merge.lines() == ["three", "four"])
        try merge.end(1)
        #expect(try merge.lines() == ["five"])
        #expect(!merge.merger.isComplete)
        try merge.end(0)
        #expect(merge.merger.isComplete)
        #expect(merge.merger.bufferedBytes == 0)
    }

    @Test("Ties go to the lower source, whatever the order of arrival")
    func ties() throws {
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let merge = MergeHarness(byNumber, sources: 3)
            for source in order {
                try merge.row(source, .text("\(source)a"), .int8(7))
                try merge.row(source, .text("\(source)b"), .int8(7))
            }
            for source in order { try merge.end(source) }
            #expect(try merge.lines() == ["0a", "0b", "1a", "1b", "2a", "2b"])
        }
    }

    @Test("NULLs come first or last as the key says, in both directions")
    func nulls() throws {
        func merged(_ key: SortKey, _ left: [Value], _ right: [Value]) throws -> [String] {
            let merge = MergeHarness(MergePlan(visibleColumnCount: 1, sortKeys: [key]), sources: 2)
            for value in left { try merge.row(0, value == .null ? .null : .text("L"), value) }
            for value in right { try merge.row(1, value == .null ? .null : .text("R"), value) }
            try merge.end(0)
            try merge.end(1)
            return try merge.lines()
        }
        let (one, two) = (Value.int8(1), Value.int8(2))
        #expect(try merged(.ascending(1, TypeOID.int8), [two, .null], [one, .null]) == ["R", "L", "NULL", "NULL"])
        #expect(
            try merged(.ascending(1, TypeOID.int8, nullsFirst: true), [.null, two], [one]) == ["NULL", "R", "L"])
        #expect(try merged(.descending(1, TypeOID.int8), [.null, one], [two]) == ["NULL", "R", "L"])
        #expect(
            try merged(.descending(1, TypeOID.int8, nullsFirst: false), [one, .null], [two]) == ["R", "L", "NULL"])
    }

    @Test("A LIMIT ends the merge in the middle and lets go of what was held")
    func limit() throws {
        let merge = MergeHarness(byNumber, sources: 2, window: try RowWindow(limit: 2, offset: 1))
        for number in 1...50 { try merge.row(0, .text("\(number * 2)"), .int8(Int64(number * 2))) }
        #expect(merge.merger.bufferedBytes > 0)
        try merge.row(1, .text("3"), .int8(3))
        #expect(try merge.lines() == ["3"])
        #expect(!merge.merger.isDone)
        try merge.row(1, .text("99"), .int8(99))
        #expect(try merge.lines() == ["4"])
        #expect(merge.merger.isDone)
        #expect(merge.merger.bufferedBytes == 0)
        #expect(merge.merger.wantsRows(from: 0))
        try merge.row(0, .text("more"), .int8(1000))
        try merge.end(1)
        try merge.end(0)
        #expect(merge.merger.isComplete)
        #expect(try merge.lines() == [])
        #expect(merge.lentBlocksAfterRelease() == 0)
    }

    @Test("A full output keeps rows back until the client has read")
    func outputLimit() throws {
        let merge = MergeHarness(byNumber, sources: 2, outputBytes: 30)
        for number in 1...6 { try merge.row(0, .text("\(number)"), .int8(Int64(number))) }
        try merge.end(1)
        try merge.end(0)
        #expect(merge.outputBytes < 45)
        #expect(merge.merger.hasRowsReady)
        #expect(!merge.merger.isComplete)
        #expect(try merge.lines() == ["1", "2", "3"])
        try merge.resume()
        #expect(try merge.lines() == ["4", "5", "6"])
        try merge.resume()
        #expect(!merge.merger.hasRowsReady)
        #expect(merge.merger.isComplete)
    }

    @Test("With a full output even the first rows of all sources are taken in")
    func outputLimitAtStart() throws {
        let merge = MergeHarness(byNumber, sources: 2, outputBytes: 0)
        try merge.row(0, .text("b"), .int8(2))
        try merge.row(1, .text("a"), .int8(1))
        try merge.end(0)
        try merge.end(1)
        #expect(merge.outputBytes == 0)
        #expect(merge.merger.hasRowsReady)
    }

    @Test("Any rows, keys, directions and arrival give what a stable sort gives", arguments: 0..<300)
    func random(seed: Int) throws {
        let world = RandomWorld(seed: UInt64(seed))
        let keys = world.sortKeys()
        let sources = world.number(1...9)
        let rows = world.sortedRows(sources: sources, keys: keys)
        let window = try RowWindow(
            limit: world.chance(3) ? Int64(world.number(0...40)) : nil,
            offset: world.chance(3) ? Int64(world.number(0...20)) : nil)
        let merge = MergeHarness(
            MergePlan(visibleColumnCount: 1, sortKeys: keys.map(\.key)), sources: sources, window: window,
            outputBytes: world.chance(2) ? world.number(1...200) : .max)
        let received = try world.play(rows, into: merge)
        let expected = world.stableSort(rows, keys: keys)
            .dropFirst(Int(window.offset)).prefix(Int(window.limit ?? 1 << 40))
        #expect(received == expected.map(\.label))
        #expect(merge.merger.rowsEmitted == Int64(expected.count))
        #expect(merge.merger.isComplete)
        #expect(merge.lentBlocksAfterRelease() == 0)
    }
}
