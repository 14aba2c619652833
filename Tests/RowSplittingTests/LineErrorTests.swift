// Errors in text and CSV data, in PostgreSQL's words; the same inputs gave these on a PostgreSQL 15
// (CopyServerTests compares many more).
import RowSplitting
import ShardMap
import Testing

/// A stream and the error it ends in.
struct LineErrorTranscript: Sendable, CustomTestStringConvertible {
    var format = CopyDataFormat.text()
    var column = 0
    let input: String
    let error: String
    let context: String
    var testDescription: String { error }

    static let all: [LineErrorTranscript] = [
        LineErrorTranscript(
            input: "1\ta\nx\tb\n", error: "22P02 invalid input syntax for type integer: \"x\"",
            context: "COPY t, line 2, column user_id: \"x\""),
        LineErrorTranscript(
            input: "\t\n", error: "22P02 invalid input syntax for type integer: \"\"",
            context: "COPY t, line 1, column user_id: \"\""),
        LineErrorTranscript(
            input: "2147483648\ta\n", error: "22003 value \"2147483648\" is out of range for type integer",
            context: "COPY t, line 1, column user_id: \"2147483648\""),
        LineErrorTranscript(
            input: "1\ta\n\\N\tb\n", error: "23502 null value in sharding key column \"user_id\"",
            context: "COPY t, line 2: \"\\N\tb\""),
        LineErrorTranscript(
            column: 2, input: "a\n", error: "22P04 missing data for column \"b\"", context: "COPY t, line 1: \"a\""),
        LineErrorTranscript(
            input: "1\ta\n2\tb\r\n", error: "22P04 literal carriage return found in data", context: "COPY t, line 2"),
        LineErrorTranscript(
            input: "1\ta\r\n2\tb\n", error: "22P04 literal newline found in data", context: "COPY t, line 2"),
        LineErrorTranscript(
            input: "1\ta\r\n2\tb\rc", error: "22P04 literal carriage return found in data", context: "COPY t, line 2"),
        LineErrorTranscript(
            input: "1\ta\n\\.x\n", error: "22P04 end-of-copy marker corrupt", context: "COPY t, line 2"),
        LineErrorTranscript(
            input: "1\ta\n\\.", error: "22P04 end-of-copy marker corrupt", context: "COPY t, line 2"),
        LineErrorTranscript(
            input: "1\ta\n\\.\r\n", error: "22P04 end-of-copy marker does not match previous newline style",
            context: "COPY t, line 2"),
        LineErrorTranscript(
            format: .csv(), input: "1,a\n1,b\rc\n", error: "22P04 unquoted carriage return found in data",
            context: "COPY t, line 2"),
        LineErrorTranscript(
            format: .csv(), column: 1, input: "a,1\n\"b,2\n", error: "22P04 unterminated CSV quoted field",
            context: "COPY t, line 3: \"\"b,2\n\""),
        LineErrorTranscript(
            format: .csv(hasHeader: true), input: "user_id,b\n1,\"x\ny\"\nz,b\n",
            error: "22P02 invalid input syntax for type integer: \"z\"",
            context: "COPY t, line 4, column user_id: \"z\""),
    ]
}

@Suite struct LineErrorTests {
    @Test(arguments: LineErrorTranscript.all)
    func anErrorReadsAsPostgreSQLs(transcript: LineErrorTranscript) throws {
        let options = try SplitterHarness.options(
            transcript.format, columns: transcript.column == 0 ? ["user_id", "b"] : ["a", "b", "user_id"],
            column: transcript.column)
        let error = try #require(try SplitterHarness.run(transcript.input, options).error)
        #expect("\(error.sqlState) \(error.message)" == transcript.error)
        #expect(error.context(tableName: "t") == transcript.context)
        let input = Array(transcript.input.utf8)
        #expect(SplitterHarness.cutsThatMatter(input, options, map: try SplitterHarness.map()) == [])
    }

    @Test func aKeyWithoutAPlaceIsAnErrorWithItsLine() throws {
        let method = PlacementMethod.list(try ListPlacement([(.integer(1), .init(0))]))
        let key = CopyKeyColumn(column: 0, type: .int4, method: method)
        let options = CopySplitterOptions(format: .text(), columnNames: ["user_id"], key: key)
        let error = try #require(try SplitterHarness.run("1\n5\n", options).error)
        #expect(error.message == "no shard for key \"5\"")
        #expect(error.context(tableName: "t") == "COPY t, line 2, column user_id: \"5\"")
    }

    @Test func aRowThatDoesNotEndIsRefusedAtItsLimit() throws {
        var options = try SplitterHarness.options(.csv())
        options.rowLimitBytes = 20
        let input = Array("1,a\n2,\"never closed, goes on and on".utf8)
        let map = try SplitterHarness.map()
        let result = SplitterHarness.run(input.indices.map { input[$0...$0] }, options, map: map)
        #expect(result.error?.sqlState == "54000")
        #expect(result.error?.line == 2)
    }

    @Test func aLongValueIsShownWithItsBeginningOnly() {
        let text = Array((String(repeating: "x", count: 99) + "éé").utf8)
        let error = CopyError(sqlState: "22P02", message: "", line: 7, place: .field(column: "k", text: text))
        let shown = String(repeating: "x", count: 99) + "..."
        #expect(error.context(tableName: "t") == "COPY t, line 7, column k: \"\(shown)\"")
    }
}
