// A shard reports errors by the lines it was given; the splitter knows which lines of the client's those were.
import RowSplitting
import ShardMap
import Testing

@Suite struct LineCorrectionTests {
    @Test func aShardsLineIsFoundInTheClientsData() throws {
        let input = "h,b\n1,a\n2,b\n1,\"c\nd\"\n2,e\n1,f\n"
        let lines = try corrected(input, SplitterHarness.options(.csv(hasHeader: true)))
        // Shard 0 was given: header, 1,a, two lines of 1,c d, and 1,f.
        #expect(lines[0] == [1, 2, 4, 5, 7, nil])
        #expect(lines[1] == [1, 3, 6, nil, nil, nil])
    }

    @Test func binaryRowsCountAsLines() throws {
        let rows = [2, 1, 1, 2].map { BinaryRows.row([BinaryRows.int4($0)]) }
        let input = BinaryRows.header + rows.flatMap { $0 }
        let options = try SplitterHarness.options(.binary, columns: ["user_id"])
        #expect(try corrected(input, options)[1] == [1, 4, nil, nil, nil, nil])
    }

    @Test func onlyTheLatestLinesAreRemembered() throws {
        var options = try SplitterHarness.options(.text())
        options.rememberedLines = 3
        let lines = try corrected("1\ta\n2\tb\n1\tc\n2\td\n1\te\n", options)
        #expect(lines[0] == [nil, 3, 5, nil, nil, nil])
        #expect(lines[1] == [nil, 4, nil, nil, nil, nil])
    }

    @Test func noLineIsNamedOnceAShardMayCountOtherwise() throws {
        let lines = try corrected("1,\"a\nb\"\n1,c\n", SplitterHarness.options(.csv()))
        #expect(lines[0] == [Int?](repeating: nil, count: 6))
    }

    private func corrected(_ input: String, _ options: CopySplitterOptions) throws -> [[Int?]] {
        try corrected(Array(input.utf8), options)
    }

    /// For each shard, the client's lines of its lines 1 to 6.
    private func corrected(_ input: [UInt8], _ options: CopySplitterOptions) throws -> [[Int?]] {
        let result = SplitterHarness.run([input[...]], options, map: try SplitterHarness.map())
        return result.correctedLines.map { Array($0.prefix(6)) }
    }
}
