// Rows of several shards become array parameters.
import Primitives
import ResultMerging
import TestSupport
import Testing
import WireProtocol

@Suite struct PartialCollectorTests {
    private func collector(
        _ columns: Int, rowBytes: Int = 1 << 20, totalBytes: Int = 1 << 20
    ) -> PartialCollector {
        PartialCollector(
            columnCounts: [columns], sourceCount: 2, bounds: .init(rowBytes: rowBytes, totalBytes: totalBytes, outputBytes: .max))
    }

    private func collect(_ collector: PartialCollector, _ source: Int, _ row: [String?]) throws(MergeError) {
        let pool = BlockPool(keepCount: 1)
        var frame = ByteQueue(pool: pool.reference)
        defer { frame.free() }
        frame.writeDataRow(text: row)
        try collector.dataRow(source: source, frame: frame.readable)
    }

    private func describe(_ collector: PartialCollector, _ types: UInt32...) throws(MergeError) {
        let pool = BlockPool(keepCount: 1)
        var frame = ByteQueue(pool: pool.reference)
        defer { frame.free() }
        frame.writeRowDescription(types.map { FieldDescription(name: "c", typeOID: $0) })
        try collector.rowDescription(source: 0, frame: frame.readable)
    }

    private func literals(_ collector: PartialCollector) -> [String] {
        withExtendedLifetime(collector) { collector.arrays.map(\.text) }
    }

    @Test("Each column is one literal; every element is quoted, NULL is bare")
    func literals() throws {
        let collector = collector(2)
        try collect(collector, 0, ["1", "plain"])
        try collect(collector, 1, [nil, "NULL"])
        try collect(collector, 0, ["", "say \"hi\" \\ {now},"])
        #expect(collector.rowCount == 3)
        let text = literals(collector)
        #expect(text == [#"{"1",NULL,""}"#, #"{"plain","NULL","say \"hi\" \\ {now},"}"#])
        #expect(literals(collector) == text)
    }

    @Test("Rows of several kinds have arrays of their own")
    func kinds() throws {
        let collector = PartialCollector(
            columnCounts: [1, 2], sourceCount: 2, bounds: .init(rowBytes: 1 << 20, totalBytes: 1 << 20, outputBytes: .max))
        for row in [["2", "a", "b"], ["1", "c", nil], ["2", nil, "d"]] { try collect(collector, 0, row) }
        #expect(literals(collector) == [#"{"c"}"#, #"{"a",NULL}"#, #"{"b","d"}"#])
        #expect(throws: MergeError.self) { try collect(collector, 0, ["3", "a", "b"]) }
        #expect(throws: MergeError.self) { try collect(collector, 0, [nil, "a", "b"]) }
    }

    @Test("No rows are empty arrays")
    func empty() {
        #expect(literals(collector(2)) == ["{}", "{}"])
    }

    @Test("Shards that disagree on a type are an error")
    func differentTypes() throws {
        let collector = collector(1)
        try describe(collector, TypeOID.box)
        let error = #expect(throws: MergeError.self) { try describe(collector, TypeOID.int4Array) }
        #expect(error?.sqlState == "42804")
    }

    @Test("More than the limit is 53400")
    func limits() throws {
        let small = collector(1, totalBytes: 100)
        let error = #expect(throws: MergeError.self) {
            for _ in 0..<100 { try collect(small, 0, ["0123456789"]) }
        }
        #expect(error?.sqlState == "53400")
        #expect(small.rowCount < 10)
        #expect(throws: MergeError.self) { try collect(collector(1, rowBytes: 20), 0, ["0123456789"]) }
    }

    @Test("A row of another width is an error")
    func width() throws {
        #expect(throws: MergeError.self) { try collect(collector(2), 0, ["1"]) }
    }

    @Test("PostgreSQL unnests the literals to the very rows that were collected")
    func roundTrip() throws {
        let server = try TemporaryPostgreSQL()
        let world = RandomWorld(seed: 3)
        let alphabet = Array("ab \"\\{},;'\n\té漢NUL")
        let rows: [[String?]] = (0..<200).map { _ in
            [
                world.chance(5) ? nil : world.text(of: alphabet, length: 0...6),
                world.chance(5) ? nil : "{\(world.number(0...9)),NULL}",
                world.chance(5) ? nil : "(\(world.number(0...9)),1),(0,0)",
            ]
        }
        let collector = collector(3)
        for (index, row) in rows.enumerated() { try collect(collector, index % 2, row) }
        let arrays = literals(collector).map { $0.replacing("'", with: "''") }
        let answer = try server.psql(
            "SELECT a, b::int[], c::box FROM unnest('\(arrays[0])'::text[], '\(arrays[1])'::text[], '\(arrays[2])'::text[]) AS p(a, b, c)")
        #expect(answer == rows)
    }
}
