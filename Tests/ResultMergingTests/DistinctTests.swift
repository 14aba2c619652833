// DISTINCT over all sources.
import ResultMerging
import Testing

@Suite struct DistinctTests {
    @Test("A row passes once, whichever source sends it again; NULLs are equal to each other")
    func unordered() throws {
        let merge = MergeHarness(MergePlan(visibleColumnCount: 1, distinctColumns: [1]), sources: 2)
        for (source, value) in [(0, "a"), (1, "a"), (1, "b"), (0, "b"), (0, "c")] {
            try merge.row(source, .text("\(value)\(source)"), .text(value))
        }
        try merge.row(0, .text("null0"), .null)
        try merge.row(1, .text("null1"), .null)
        try merge.row(1, .text("empty"), .text(""))
        #expect(try merge.lines() == ["a0", "b1", "c0", "null0", "empty"])
    }

    @Test("Fields do not run together: ('ab', 'c') is not ('a', 'bc')")
    func boundaries() throws {
        let merge = MergeHarness(MergePlan(visibleColumnCount: 0, distinctColumns: [0, 1]), sources: 1)
        try merge.row(0, .text("ab"), .text("c"))
        try merge.row(0, .text("a"), .text("bc"))
        try merge.row(0, .null, .text(""))
        try merge.row(0, .text(""), .null)
        #expect(merge.merger.rowsEmitted == 4)
    }

    @Test("OFFSET and LIMIT count distinct rows")
    func window() throws {
        let merge = MergeHarness(
            MergePlan(visibleColumnCount: 1, distinctColumns: [1]), sources: 2,
            window: try RowWindow(limit: 1, offset: 1))
        for value in ["a", "a", "a", "b", "c"] { try merge.row(0, .text(value), .text(value)) }
        #expect(try merge.lines() == ["b"])
        #expect(merge.merger.isDone)
    }

    @Test("Ordered by the distinct columns, only one row is remembered")
    func adjacent() throws {
        let plan = MergePlan(
            visibleColumnCount: 1, sortKeys: [.ascending(1, TypeOID.int8)], distinctColumns: [1])
        let merge = MergeHarness(plan, sources: 2)
        for number in 0..<2000 { try merge.row(0, .text("\(number)"), .int8(Int64(number))) }
        let before = merge.merger.bufferedBytes
        for number in 0..<2000 { try merge.row(1, .text("again"), .int8(Int64(number))) }
        #expect(before > 40_000)
        #expect(merge.merger.bufferedBytes < 2_000)
        try merge.end(0)
        try merge.end(1)
        #expect(try merge.lines() == (0..<2000).map { "\($0)" })
    }

    @Test("Many rows are told apart even when their hashes collide")
    func many() throws {
        let merge = MergeHarness(MergePlan(visibleColumnCount: 0, distinctColumns: [0]), sources: 1, totalBytes: 1 << 26)
        for number in Int64(0)..<300_000 { try merge.row(0, .int8(number)) }
        #expect(merge.merger.rowsEmitted == 300_000)
        for number in Int64(0)..<1_000 { try merge.row(0, .int8(number)) }
        #expect(merge.merger.rowsEmitted == 300_000)
    }

    @Test("Remembered rows count against the limit")
    func limit() throws {
        let merge = MergeHarness(
            MergePlan(visibleColumnCount: 1, distinctColumns: [1]), sources: 1, totalBytes: 10_000)
        let error = #expect(throws: MergeError.self) {
            for number in 0..<1000 { try merge.row(0, .null, .int8(Int64(number))) }
        }
        #expect(error?.sqlState == "53400")
    }

    @Test("Whatever the order covers, distinct rows are those of a set", arguments: 0..<150)
    func random(seed: Int) throws {
        let world = RandomWorld(seed: UInt64(seed))
        let sources = world.number(1...5)
        // Columns 1, 2, 3 hold small numbers; any of them may be sort keys, any may be distinct.
        let distinct = [1, 2, 3].filter { _ in world.chance(2) }
        guard !distinct.isEmpty else { return }
        let sortColumns = [1, 2, 3].filter { _ in world.chance(2) }
        let rows = (0..<sources).map { source in
            sorted((0..<world.number(0...60)).map { _ in (0..<3).map { _ in Int64(world.number(0...3)) } }, sortColumns)
        }
        let plan = MergePlan(
            visibleColumnCount: 1, sortKeys: sortColumns.map { .ascending($0, TypeOID.int8) }, distinctColumns: distinct)
        let received = try play(rows, MergeHarness(plan, sources: sources))
        let all = sortColumns.isEmpty ? Array(rows.joined()) : sorted(Array(rows.joined()), sortColumns)
        var seen: Set<[Int64]> = []
        let expected = all.filter { row in seen.insert(distinct.map { row[$0 - 1] }).inserted }
        if sortColumns.isEmpty {
            #expect(received.count == expected.count)
        } else {
            #expect(received == expected.map { "\($0)" })
        }
    }

    private func sorted(_ rows: [[Int64]], _ columns: [Int]) -> [[Int64]] {
        rows.enumerated().sorted { left, right in
            for column in columns where left.element[column - 1] != right.element[column - 1] {
                return left.element[column - 1] < right.element[column - 1]
            }
            return left.offset < right.offset
        }.map(\.element)
    }

    /// Sources one after another: the model's order among equal rows.
    private func play(_ rows: [[[Int64]]], _ merge: MergeHarness) throws -> [String] {
        for (source, rows) in rows.enumerated() {
            for row in rows { try merge.row(source, [.text("\(row)")] + row.map { .int8($0) }) }
            try merge.end(source)
        }
        return try merge.lines()
    }
}
