// Joining COPY TO streams: one header, all rows, one trailer, in whatever order the shards speak.
import Primitives
import RowSplitting
import Testing

@Suite struct CopyJoinerTests {
    @Test func rowsPassAsTheyCome() {
        #expect(joined(.text(), [(0, "1\ta\n"), (1, "2\tb\n"), (0, "3\tc\n")]) == "1\ta\n2\tb\n3\tc\n")
    }

    @Test func onlyTheFirstHeaderPasses() {
        let messages = [(1, "id,b\n"), (1, "2,b\n"), (0, "id,b\n"), (2, "id,b\n"), (0, "1,a\n")]
        #expect(joined(.csv(hasHeader: true), messages) == "id,b\n2,b\n1,a\n")
        #expect(joined(.text(hasHeader: true), messages) == "id,b\n2,b\n1,a\n")
    }

    @Test func aHeaderlessStreamLosesNoRowThatLooksLikeOne() {
        #expect(joined(.csv(), [(0, "id,b\n"), (1, "id,b\n")]) == "id,b\nid,b\n")
    }

    @Test func binaryStreamsHaveOneHeaderAndOneTrailer() {
        let (header, trailer) = (BinaryRows.header, BinaryRows.trailer)
        let rows = (1...3).map { BinaryRows.row([BinaryRows.int4($0)]) }
        // Shard 1 has no rows: its header and trailer are one message.
        let messages: [(Int, [UInt8])] = [
            (1, header + trailer), (0, header + rows[0]), (2, header + rows[1]), (0, trailer), (2, rows[2]),
            (2, trailer),
        ]
        #expect(joined(.binary, messages) == header + rows[0] + rows[1] + rows[2] + trailer)
    }

    @Test func aRowOfNoColumnsIsNoTrailer() {
        let messages: [(Int, [UInt8])] = [(0, BinaryRows.header + [0, 0]), (0, [0, 0]), (0, BinaryRows.trailer)]
        #expect(joined(.binary, messages) == BinaryRows.header + [0, 0, 0, 0] + BinaryRows.trailer)
    }

    private func joined(_ format: CopyDataFormat, _ messages: [(Int, String)]) -> String {
        String(decoding: joined(format, messages.map { ($0.0, Array($0.1.utf8)) }), as: UTF8.self)
    }

    private func joined(_ format: CopyDataFormat, _ messages: [(Int, [UInt8])]) -> [UInt8] {
        var joiner = CopyJoiner(format: format)
        var result: [UInt8] = []
        for (shard, payload) in messages {
            payload.withUnsafeBytes { result += Array(joiner.pass($0, from: ShardIndex(shard))) }
        }
        return result + joiner.trailer
    }
}
