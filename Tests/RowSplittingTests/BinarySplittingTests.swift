// Binary streams: every shard is given a header, its rows, and the trailer.
import RowSplitting
import ShardMap
import Testing

@Suite struct BinarySplittingTests {
    let one = BinaryRows.row([Array("x".utf8), BinaryRows.int4(1)])
    let two = BinaryRows.row([nil, BinaryRows.int4(2)])
    let seven = BinaryRows.row([[], BinaryRows.int4(7)])
    let options: CopySplitterOptions

    init() throws { options = try SplitterHarness.options(.binary, columns: ["b", "user_id"], column: 1) }

    @Test func rowsGoToTheirKeysShardsBetweenHeaderAndTrailer() throws {
        let input = BinaryRows.header + one + two + one + seven + BinaryRows.trailer
        let map = try SplitterHarness.map()
        let result = SplitterHarness.run([input[...]], options, map: map)
        #expect(result.error == nil)
        #expect(result.outputs == [one + one, two, seven].map { BinaryRows.header + $0 + BinaryRows.trailer })
        #expect(result.rowCounts == [2, 1, 1])
        #expect(SplitterHarness.cutsThatMatter(input, options, map: map) == [])
    }

    @Test func aHeaderExtensionGoesAlong() throws {
        let extended = Array(BinaryRows.header.dropLast()) + [3, 9, 9, 9]
        let result = try run(extended + two)
        #expect(result.outputs == [extended, extended + two, extended])
        #expect(SplitterHarness.cutsThatMatter(extended + two, options, map: try SplitterHarness.map()) == [])
    }

    @Test func errorsReadAsPostgreSQLs() throws {
        let header = BinaryRows.header
        let nullKey = BinaryRows.row([nil, nil])
        let shortKey = BinaryRows.row([nil, [0, 0, 1]])
        let cases: [([UInt8], String, String?)] = [
            ([], "22P04 COPY file signature not recognized", nil),
            (Array("1,a\n1,a\n1,a\n".utf8), "22P04 COPY file signature not recognized", nil),
            (Array(header.prefix(13)), "22P04 invalid COPY file header (missing flags)", nil),
            (Array(header.prefix(17)), "22P04 invalid COPY file header (missing length)", nil),
            (header + BinaryRows.row([nil]), "22P04 row field count is 1, expected 2", "COPY t, line 1"),
            (header + one + [0, 2, 0xFF], "22P04 unexpected EOF in COPY data", "COPY t, line 2, column b"),
            (header + [0, 2, 0x80, 0, 0, 0], "22P04 invalid field size", "COPY t, line 1, column b"),
            (header + BinaryRows.trailer + one, "22P04 received copy data after EOF marker", "COPY t, line 1"),
            (header + one + shortKey, "08P01 insufficient data left in message", "COPY t, line 2, column user_id"),
            (header + nullKey, "23502 null value in sharding key column \"user_id\"", "COPY t, line 1"),
        ]
        for (input, message, context) in cases {
            let error = try #require(try run(input).error, "\(message)")
            #expect("\(error.sqlState) \(error.message)" == message)
            #expect(error.context(tableName: "t") == context)
            #expect(SplitterHarness.cutsThatMatter(input, options, map: try SplitterHarness.map()) == [], "\(message)")
        }
    }

    @Test func theDataMayEndWithoutATrailerOrInHalfAFieldCount() throws {
        #expect(try run(BinaryRows.header + one).rowCounts == [1, 0, 0])
        #expect(try run(BinaryRows.header + one + [0]).error == nil)
    }

    private func run(_ input: [UInt8]) throws -> SplitResult {
        SplitterHarness.run([input[...]], options, map: try SplitterHarness.map())
    }
}
