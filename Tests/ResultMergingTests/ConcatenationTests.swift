// Rows without order pass as they come.
import ResultMerging
import Testing

@Suite struct ConcatenationTests {
    @Test("Rows pass at once, in order of arrival, without their hidden columns")
    func passes() throws {
        let merge = MergeHarness(MergePlan(visibleColumnCount: 2), sources: 2)
        try merge.row(1, .text("b"), .null, .int8(1))
        #expect(try merge.lines() == ["b|NULL"])
        try merge.row(0, .text(""), .text("y"), .null)
        try merge.row(1, .text("c"), .text("z"), .int8(3))
        #expect(try merge.lines() == ["|y", "c|z"])
        #expect(!merge.merger.isComplete)
        try merge.end(0)
        try merge.end(1)
        #expect(merge.merger.isComplete)
        #expect(merge.merger.rowsEmitted == 3)
    }

    @Test("Only rows that need no change may bypass the merge")
    func untouched() throws {
        func passes(_ plan: MergePlan, _ window: RowWindow = .everything) -> Bool {
            MergeHarness(plan, sources: 2, window: window).merger.passesRowsUntouched
        }
        #expect(passes(MergePlan(visibleColumnCount: 1)))
        #expect(!passes(MergePlan(visibleColumnCount: 1), try RowWindow(limit: 5, offset: nil)))
        #expect(!passes(MergePlan(visibleColumnCount: 1), try RowWindow(limit: nil, offset: 5)))
        #expect(!passes(MergePlan(visibleColumnCount: 1, sortKeys: [.ascending(1, TypeOID.int8)])))
        #expect(!passes(MergePlan(visibleColumnCount: 1, distinctColumns: [1])))
        let hidden = MergeHarness(MergePlan(visibleColumnCount: 1), sources: 1)
        try hidden.describe(0, [.init(name: "a", typeOID: TypeOID.text), .init(name: "b", typeOID: TypeOID.text)])
        #expect(!hidden.merger.passesRowsUntouched)
    }

    @Test("OFFSET and LIMIT count over all sources, and what comes after the limit is dropped")
    func window() throws {
        let merge = MergeHarness(
            MergePlan(visibleColumnCount: 1), sources: 2, window: try RowWindow(limit: 2, offset: 1))
        try merge.row(0, .text("a"))
        try merge.row(1, .text("b"))
        #expect(!merge.merger.isDone)
        try merge.row(0, .text("c"))
        #expect(merge.merger.isDone)
        try merge.row(1, .text("d"))
        #expect(try merge.lines() == ["b", "c"])
        try merge.end(0)
        #expect(!merge.merger.isComplete)
        try merge.end(1)
        #expect(merge.merger.isComplete)
        #expect(merge.merger.rowsEmitted == 2)
    }

    @Test("LIMIT 0 is done before the first row")
    func limitZero() throws {
        let merge = MergeHarness(
            MergePlan(visibleColumnCount: 1, sortKeys: [.ascending(0, TypeOID.int8)]), sources: 1,
            window: try RowWindow(limit: 0, offset: nil))
        #expect(merge.merger.isDone)
        try merge.row(0, .int8(1))
        try merge.end(0)
        #expect(merge.merger.isComplete)
        #expect(try merge.lines() == [])
    }

    @Test("Negative limits and offsets are PostgreSQL's errors, the offset's first")
    func negative() throws {
        #expect(throws: MergeError("2201W", "LIMIT must not be negative")) { try RowWindow(limit: -1, offset: 0) }
        #expect(throws: MergeError("2201X", "OFFSET must not be negative")) { try RowWindow(limit: -1, offset: -1) }
    }

    @Test("Shards are asked for offset plus limit rows, saturating")
    func shardLimit() throws {
        #expect(try RowWindow(limit: 5, offset: 7).shardLimit == 12)
        #expect(try RowWindow(limit: nil, offset: 7).shardLimit == nil)
        #expect(try RowWindow(limit: .max, offset: 7).shardLimit == .max)
    }

    @Test("Broken frames are errors", arguments: [
        [0x44, 0, 0, 0, 5, 0],
        [0x44, 0, 0, 0, 10, 0, 1, 0, 0, 0, 1],
        [0x44, 0, 0, 0, 10, 0, 1, 0xFF, 0xFF, 0xFF, 0xFE],
        [0x44, 0, 0, 0, 10, 0, 1, 0x7F, 0xFF, 0xFF, 0xFF],
        [0x44, 0, 0, 0, 11, 0, 1, 0, 0, 0, 0, 0],
    ] as [[UInt8]])
    func brokenFrame(_ frame: [UInt8]) throws {
        let merge = MergeHarness(MergePlan(visibleColumnCount: 1), sources: 1)
        let error = #expect(throws: MergeError.self) { try merge.frame(0, frame) }
        #expect(error?.sqlState == "08P01")
    }

    @Test("A row with fewer columns than the plan reads, or than the rows before, is an error")
    func columnCount() throws {
        let merge = MergeHarness(MergePlan(visibleColumnCount: 1, sortKeys: [.ascending(1, TypeOID.int8)]), sources: 1)
        #expect(throws: MergeError.self) { try merge.row(0, .text("a")) }
        let second = MergeHarness(MergePlan(visibleColumnCount: 1), sources: 2)
        try second.row(0, .text("a"), .null)
        #expect(throws: MergeError.self) { try second.row(1, .text("a")) }
    }

    @Test("Shards that describe different types are refused; user-defined types differ in number only")
    func types() throws {
        let merge = MergeHarness(MergePlan(visibleColumnCount: 2), sources: 3)
        try merge.describe(0, [.init(name: "a", typeOID: TypeOID.int4), .init(name: "mood", typeOID: 16400)])
        try merge.describe(1, [.init(name: "a", typeOID: TypeOID.int4), .init(name: "mood", typeOID: 16500)])
        let error = #expect(throws: MergeError.self) {
            try merge.describe(2, [.init(name: "a", typeOID: TypeOID.int8), .init(name: "mood", typeOID: 16400)])
        }
        #expect(error?.sqlState == "42804")
        #expect(
            error?.message == "column \"a\" has different types on different shards (type OIDs 23 and 20)")
    }
}
