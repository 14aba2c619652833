// Splitting against PostgreSQL: odd streams are copied whole by a real server, and split, and the parts copied by it.
// Together the parts must hold the same rows, each on the shard that PostgreSQL's partition hash names, or there must be
// an error in both.
import Foundation
import Primitives
import RowSplitting
import ShardMap
import TestSupport
import Testing

/// Random streams of one format.
struct OddStreams: Sendable, CustomTestStringConvertible {
    let name: String
    let format: CopyDataFormat
    /// As in COPY ... WITH (...).
    let options: String
    /// Pieces of fields, drawn at random.
    let pieces: [String]
    let delimiter: String
    /// Appended to some streams.
    let endings: [String]
    var testDescription: String { name }

    static let textPieces = [
        "1", "2", "a", "77", "", "\\N", "\\x31", "\\061", "\\1", "\\t", "\\\\", "\\", "\\\n", "\\\r", "é", "x\\q", "N",
        " ",
    ]
    static let csvPieces = [
        "1", "2", "a", "", "\"\"", "\"a\"", "\"", "\"x,\ny\"", "\"\r\n\"", "\\", "\\.", "é", " ", "\"\"\"1\"",
    ]
    static let textEndings = ["", "\\.\n", "\\.\r\n", "\\.", "1\\.\n", "a\tb\tc", "\\"]
    static let csvEndings = ["", "\\.\n", "\\.\r\n", "\\.", "a,b,c", "\""]

    static let all = [
        OddStreams(
            name: "text", format: .text(), options: "format text", pieces: textPieces, delimiter: "\t",
            endings: textEndings),
        OddStreams(
            name: "text with header and bars", format: .text(delimiter: UInt8(ascii: "|"), null: [], hasHeader: true),
            options: "format text, delimiter '|', null '', header true", pieces: textPieces + ["\\|", "\t"],
            delimiter: "|", endings: textEndings),
        OddStreams(
            name: "csv", format: .csv(), options: "format csv", pieces: csvPieces, delimiter: ",", endings: csvEndings),
        OddStreams(
            name: "csv with escape, null and header",
            format: .csv(null: [UInt8(ascii: "a")], escape: UInt8(ascii: "\\"), hasHeader: true),
            options: "format csv, null 'a', escape '\\', header true",
            pieces: csvPieces + ["\"\\\"\"", "\"\\\\\"", "\"\\x\""], delimiter: ",", endings: csvEndings),
        OddStreams(
            name: "csv with apostrophes and forced nulls",
            format: .csv(delimiter: UInt8(ascii: ";"), null: Array("1".utf8), quote: UInt8(ascii: "'")),
            options: "format csv, delimiter ';', null '1', quote '''', force_null (user_id)",
            pieces: ["1", "'1'", "''", "'", "a", "\"", "'a;\n'", "", "''''"], delimiter: ";", endings: csvEndings),
    ]

    /// `count` streams of up to six rows of mostly three fields with mostly one kind of line end.
    func streams(count: Int, seed: UInt64) -> [[UInt8]] {
        let random = SeededRandomSource(seed: seed)
        func draw<Element>(_ elements: [Element]) -> Element { elements[Int(random.next() % UInt64(elements.count))] }
        func happens(oneIn chance: UInt64) -> Bool { random.next() % chance == 0 }
        return (0..<count).map { _ in
            let style = draw(["\n", "\n", "\r\n", "\r"])
            var text = ""
            for _ in 0..<(random.next() % 7) {
                let fields = happens(oneIn: 25) ? draw([1, 2, 4]) : 3
                let values = (0..<fields).map { _ in happens(oneIn: 3) ? draw(pieces) + draw(pieces) : draw(pieces) }
                text += values.joined(separator: delimiter) + (happens(oneIn: 40) ? draw(["\n", "\r", "\r\n"]) : style)
            }
            // Behind an escaped line end, a server that reads a file (but not one that reads a client) goes on behind the
            // marker.
            let mayEndOddly = happens(oneIn: 3) && !text.hasSuffix("\\" + style)
            return Array((mayEndOddly ? text + draw(endings) : text).utf8)
        }
    }

    func splitterOptions() -> CopySplitterOptions {
        var key = CopyKeyColumn(column: 1, type: .text, method: .hash)
        key.isForcedNull = options.contains("force_null")
        return CopySplitterOptions(format: format, columnNames: ["b", "user_id", "c"], key: key)
    }
}

@Suite struct CopyServerTests {
    @Test(arguments: OddStreams.all)
    func theShardsTogetherHoldWhatOneServerWould(kind: OddStreams) throws {
        let server = try CopyServer()
        defer { server.server.stop() }
        let streams = kind.streams(count: 300, seed: 20_221)
        let map = try ShardMap(shardCount: 3)
        let options = kind.splitterOptions()
        let whole = try server.outcomes(of: streams, options: kind.options)
        let splits = streams.map { SplitterHarness.run([$0[...]], options, map: map) }
        let parts = splits.map { $0.error == nil ? $0.outputs : [] }
        let partOutcomes = try server.outcomes(of: parts.flatMap { $0 }, options: kind.options)
        var rest = partOutcomes[...]
        var accepted = 0
        for index in streams.indices {
            let outcomes = Array(rest.prefix(parts[index].count))
            rest = rest.dropFirst(parts[index].count)
            let stream = String(decoding: streams[index], as: UTF8.self).debugDescription
            if whole[index].sqlState == nil, !whole[index].rows.isEmpty { accepted += 1 }
            let fault = Self.fault(whole[index], splits[index], outcomes)
            #expect(fault == nil, "\(stream): \(fault ?? "")")
        }
        #expect(accepted > 40)
    }

    /// What is wrong with a split; nil if it is right.
    static func fault(_ whole: CopyOutcome, _ split: SplitResult, _ parts: [CopyOutcome]) -> String? {
        if let error = split.error { return fault(whole, error) }
        if whole.sqlState != nil { return fault(refused: whole, split, parts) }
        if let refused = parts.first(where: { $0.sqlState != nil }) { return "a shard refuses: \(refused.message)" }
        for shard in 0..<3 {
            let expected = whole.rows.filter { $0.remainder == shard }.map(\.text)
            if parts[shard].rows.map(\.text) != expected {
                return "shard \(shard) holds \(parts[shard].rows), not \(expected)"
            }
            if split.rowCounts[shard] != expected.count {
                return "shard \(shard) was said to have \(split.rowCounts[shard]) rows"
            }
        }
        return nil
    }

    /// One of the shards must refuse what PostgreSQL refuses, on the line that its own line is corrected to.
    private static func fault(refused whole: CopyOutcome, _ split: SplitResult, _ parts: [CopyOutcome]) -> String? {
        let refusals = parts.indices.filter { parts[$0].sqlState != nil }
        guard !refusals.isEmpty else { return "PostgreSQL refuses: \(whole.message), the shards accept" }
        let lines = refusals.map { shard in parts[shard].line.flatMap { split.correctedLines[shard][$0 - 1] } }
        guard !lines.contains(nil) else { return nil }
        guard let first = zip(lines.compactMap { $0 }, refusals).min(by: { $0.0 < $1.0 }) else { return nil }
        return first.0 == whole.line && parts[first.1].message == whole.message
            ? nil
            : "PostgreSQL says \(whole.message) on line \(whole.line ?? 0), shard \(first.1) \(parts[first.1].message) on \(first.0)"
    }

    /// The splitter's own errors: a NULL key, which PostgreSQL accepts, or one that PostgreSQL has on the same line.
    private static func fault(_ whole: CopyOutcome, _ error: CopyError) -> String? {
        if error.sqlState == "23502" {
            let known = whole.sqlState != nil || whole.rows.contains { $0.remainder == nil }
            return known ? nil : "no key is NULL in \(whole.rows)"
        }
        guard whole.sqlState != nil, let line = whole.line else {
            return "PostgreSQL accepts, the splitter says \(error)"
        }
        // An earlier line, or too many fields on this one, are for the shard to refuse.
        if line < error.line || whole.message.hasPrefix("extra data") { return nil }
        return whole.message == error.message && whole.context == error.context(tableName: "t")
            ? nil
            : "PostgreSQL says \(whole.message) \(whole.context), the splitter \(error.message) \(error.context(tableName: "t") ?? "")"
    }

    @Test(arguments: [("int8", KeyType.int8), ("int4", .int4), ("int2", .int2), ("text", .text), ("uuid", .uuid)])
    func binaryDataOfAServerIsSplitForServers(typeName: String, type: KeyType) throws {
        let server = try CopyServer(keyType: typeName)
        defer { server.server.stop() }
        let key = typeName == "uuid" ? "md5(i::text)::uuid" : "(i * 7 - 1000)::\(typeName)"
        let path = "\(server.server.directory)/rows"
        try server.server.psql(
            """
            INSERT INTO t SELECT nullif(repeat('x', i % 50), ''), \(key), i::text FROM generate_series(1, 700) i;
            COPY t TO '\(path)' (format binary);
            """)
        let input = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        let options = CopySplitterOptions(
            format: .binary, columnNames: ["b", "user_id", "c"],
            key: CopyKeyColumn(column: 1, type: type, method: .hash))
        let split = SplitterHarness.run([input[...]], options, map: try ShardMap(shardCount: 3))
        let whole = try server.outcomes(of: [input], options: "format binary")[0]
        #expect(whole.rows.count == 700)
        let parts = try server.outcomes(of: split.outputs, options: "format binary")
        #expect(CopyServerTests.fault(whole, split, parts) == nil)
    }
}
