// Text and CSV streams: what each of three shards is given (key 1: shard 0, key 2: shard 1, others: shard 2).
import RowSplitting
import ShardMap
import Testing

/// One stream and what becomes of it.
struct LineTranscript: Sendable, CustomTestStringConvertible {
    let name: String
    let format: CopyDataFormat
    var column = 0
    var type = KeyType.int4
    let input: String
    let outputs: [String]
    var testDescription: String { name }

    var options: CopySplitterOptions {
        get throws {
            try SplitterHarness.options(format, columns: ["user_id", "b", "c"], column: column, type: type)
        }
    }

    static let text = CopyDataFormat.text()
    static let csv = CopyDataFormat.csv()

    static let all: [LineTranscript] = [
        LineTranscript(
            name: "rows go to their keys' shards in order", format: text,
            input: "1\ta\n2\tb\n1\tc\n7\td\n", outputs: ["1\ta\n1\tc\n", "2\tb\n", "7\td\n"]),
        LineTranscript(
            name: "the last row needs no line end", format: text, input: "2\tb\n1\ta", outputs: ["1\ta", "2\tb\n", ""]),
        LineTranscript(name: "nothing gives nothing", format: text, input: "", outputs: ["", "", ""]),
        LineTranscript(
            name: "the end-of-data marker ends the data and goes nowhere", format: text,
            input: "1\ta\n\\.\n2\tb\n", outputs: ["1\ta\n", "", ""]),
        LineTranscript(
            name: "what stands before the marker on its line is a row", format: text,
            input: "1\ta\n2\tb\\.\nrubbish", outputs: ["1\ta\n", "2\tb", ""]),
        LineTranscript(
            name: "lines may end in carriage return and newline", format: text,
            input: "1\ta\r\n2\tb\r\n\\.\r\n", outputs: ["1\ta\r\n", "2\tb\r\n", ""]),
        LineTranscript(
            name: "lines may end in carriage return", format: text, input: "1\ta\r2\tb\r",
            outputs: ["1\ta\r", "2\tb\r", ""]),
        LineTranscript(
            name: "a backslash takes a line end into the field", format: text,
            input: "1\ta\\\nb\n2\tc\\\\\n", outputs: ["1\ta\\\nb\n", "2\tc\\\\\n", ""]),
        LineTranscript(
            name: "escapes in the key are undone", format: text,
            input: "\\61\ta\n\\x32\tb\n\\0611\td\n", outputs: ["\\61\ta\n", "\\x32\tb\n", "\\0611\td\n"]),
        LineTranscript(
            name: "an escaped delimiter is no delimiter", format: text, column: 1,
            input: "a\\\tb\t1\nc\t2\n", outputs: ["a\\\tb\t1\n", "c\t2\n", ""]),
        LineTranscript(
            name: "another delimiter, another null, a text key", format: .text(delimiter: UInt8(ascii: "|"), null: []),
            column: 1, type: .text, input: "|1|\n|\\N|x\n\\||2\n", outputs: ["|1|\n", "\\||2\n", "|\\N|x\n"]),
        LineTranscript(
            name: "a text header goes to every shard", format: .text(hasHeader: true),
            input: "user_id\tb\tc\n2\tb\n", outputs: ["user_id\tb\tc\n", "user_id\tb\tc\n2\tb\n", "user_id\tb\tc\n"]),
        LineTranscript(
            name: "CSV rows go to their keys' shards", format: csv,
            input: "1,a\n2,b\n\"1\",\"c\"\n", outputs: ["1,a\n\"1\",\"c\"\n", "2,b\n", ""]),
        LineTranscript(
            name: "line ends and delimiters inside quotes are data", format: csv, column: 1,
            input: "\"a\n,1,\r\nb\",2,x\nc,1\n", outputs: ["c,1\n", "\"a\n,1,\r\nb\",2,x\n", ""]),
        LineTranscript(
            name: "doubled quotes are a quote", format: csv, type: .text,
            input: "\"1\"\"\",a\n\"\"1,b\n1\"\",c\n\"\"\"1\",d\n",
            outputs: ["\"\"1,b\n1\"\",c\n", "", "\"1\"\"\",a\n\"\"\"1\",d\n"]),
        LineTranscript(
            name: "an escape character of its own", format: .csv(escape: UInt8(ascii: "\\")), column: 1, type: .text,
            input: "\"a\\\"\n\",1\n\"\\\\\",2\n\"\\x\",2\n",
            outputs: ["\"a\\\"\n\",1\n", "\"\\\\\",2\n\"\\x\",2\n", ""]),
        LineTranscript(
            name: "a quoted empty string is no NULL", format: csv, type: .text, input: "\"\",a\n1,b\n",
            outputs: ["1,b\n", "", "\"\",a\n"]),
        LineTranscript(
            name: "the CSV marker counts only alone on its line", format: csv, column: 1,
            input: "\\.x,1\na\\.,2\n\\.\nrubbish", outputs: ["\\.x,1\n", "a\\.,2\n", ""]),
        LineTranscript(
            name: "the CSV marker needs a line end", format: csv, type: .text, input: "1,a\n\\.",
            outputs: ["1,a\n", "", "\\."]),
        LineTranscript(
            name: "a CSV header may span lines", format: .csv(hasHeader: true),
            input: "\"user\n_id\",b\r\n1,a\r\n2,b\r\n",
            outputs: ["\"user\n_id\",b\r\n1,a\r\n", "\"user\n_id\",b\r\n2,b\r\n", "\"user\n_id\",b\r\n"]),
        LineTranscript(
            name: "blanks around a number do not move it", format: csv, input: " 1 ,a\n+2,b\n01,c\n",
            outputs: [" 1 ,a\n01,c\n", "+2,b\n", ""]),
    ]
}

@Suite struct LineSplittingTests {
    @Test(arguments: LineTranscript.all)
    func eachShardIsGivenItsRows(transcript: LineTranscript) throws {
        let result = try SplitterHarness.run(transcript.input, try transcript.options)
        #expect(result.error == nil)
        #expect(result.texts == transcript.outputs)
    }

    @Test(arguments: LineTranscript.all)
    func chunksMayBeCutAnywhere(transcript: LineTranscript) throws {
        let input = Array(transcript.input.utf8)
        let map = try SplitterHarness.map()
        #expect(SplitterHarness.cutsThatMatter(input, try transcript.options, map: map) == [])
    }

    @Test func rowsAndLinesAreCounted() throws {
        let result = try SplitterHarness.run(
            "h,b\n1,\"x\ny\"\n1,a\n2,b\n", SplitterHarness.options(.csv(hasHeader: true)))
        #expect(result.rowCounts == [2, 1, 0])
        #expect(result.lineNumber == 5)
    }

    @Test func blanksBeyondAVarcharsLimitAreNotPartOfTheKey() throws {
        var key = CopyKeyColumn(column: 0, type: .text, method: try SplitterHarness.readableMethod(.text))
        key.limit = CharacterLimit(maximumCharacters: 1)
        let options = CopySplitterOptions(format: .text(), columnNames: ["user_id"], key: key)
        #expect(try SplitterHarness.run("1  \n2\né \n", options).texts == ["1  \n", "2\n", "é \n"])
        let error = try SplitterHarness.run("1\n1 x\n", options).error
        #expect(error?.message == "value too long for type character varying(1)")
        #expect(error?.context(tableName: "t") == "COPY t, line 2, column user_id: \"1 x\"")
    }

    @Test func forcedNullsChangeWhatAKeyIs() throws {
        var key = CopyKeyColumn(column: 0, type: .text, method: try SplitterHarness.readableMethod(.text))
        key.isForcedNotNull = true
        let notNull = CopySplitterOptions(format: .csv(null: [UInt8(ascii: "1")]), columnNames: ["user_id"], key: key)
        #expect(try SplitterHarness.run("1\n", notNull).texts == ["1\n", "", ""])
        key.isForcedNotNull = false
        key.isForcedNull = true
        let null = CopySplitterOptions(format: .csv(null: [UInt8(ascii: "1")]), columnNames: ["user_id"], key: key)
        #expect(try SplitterHarness.run("\"1\"\n", null).error?.sqlState == "23502")
    }

    @Test func withoutAKeyEverythingGoesToEveryShard() throws {
        let options = CopySplitterOptions(format: .text(), columnNames: ["a"], key: nil)
        let result = try SplitterHarness.run("x\n\\.\nrest", options)
        #expect(result.texts == [String](repeating: "x\n\\.\nrest", count: 3))
    }
}
