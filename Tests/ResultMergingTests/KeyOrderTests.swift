// Do the proxy's comparisons agree with PostgreSQL's, for every pair of odd values of every type?
import ResultMerging
import TestSupport
import Testing

@Suite struct KeyOrderTests {
    @Test("Any two values of a type come out in PostgreSQL's order, and equal ones in the order of their sources",
        arguments: OrderedValues.all.map(\.typeName))
    func pairs(typeName: String) throws {
        let type = try #require(OrderedValues.all.first { $0.typeName == typeName })
        for first in type.values {
            for second in type.values {
                #expect(
                    try firstSource(type.typeOID, first.bytes, second.bytes, descending: false)
                        == (first.rank <= second.rank ? 0 : 1))
                #expect(
                    try firstSource(type.typeOID, first.bytes, second.bytes, descending: true)
                        == (first.rank >= second.rank ? 0 : 1))
            }
        }
    }

    /// Which of two sources with one row each is first.
    private func firstSource(_ typeOID: UInt32, _ zero: [UInt8], _ one: [UInt8], descending: Bool) throws -> Int {
        let key = SortKey(column: 1, typeOID: typeOID, isDescending: descending, nullsFirst: false)
        let merge = MergeHarness(MergePlan(visibleColumnCount: 1, sortKeys: [key]), sources: 2)
        try merge.row(0, .text("0"), .bytes(zero))
        try merge.row(1, .text("1"), .bytes(one))
        try merge.end(0)
        try merge.end(1)
        return try merge.lines().first == "0" ? 0 : 1
    }

    @Test("The values are those that a server sends in that order today")
    func golden() throws {
        let server = try TemporaryPostgreSQL()
        let rows = try server.psql(OrderedValuesGenerator.sql)
        let expected = OrderedValues.all.flatMap { type in
            type.values.map { [type.typeName, "\(type.typeOID)", "\($0.rank)", hex($0.bytes)] }
        }
        #expect(rows.map { $0.map { $0 ?? "NULL" } } == expected)
    }

    private func hex(_ bytes: [UInt8]) -> String {
        bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    @Test(
        "A value whose length its type cannot have is an error, not a strange order",
        arguments: [
            (TypeOID.int8, 4), (TypeOID.int4, 8), (TypeOID.numeric, 7), (TypeOID.numeric, 9), (869, 3), (869, 7),
            (1562, 3), (2950, 15), (1186, 12), (TypeOID.bool, 0),
        ] as [(UInt32, Int)])
    func malformed(typeOID: UInt32, length: Int) throws {
        let merge = MergeHarness(MergePlan(visibleColumnCount: 1, sortKeys: [.ascending(1, typeOID)]), sources: 1)
        let error = #expect(throws: MergeError.self) {
            try merge.row(0, .text("x"), .bytes([UInt8](repeating: 1, count: length)))
        }
        #expect(error?.sqlState == "22P03")
    }

    @Test("A type whose order is not known is refused when the merge learns of it")
    func unsupported() throws {
        let merge = MergeHarness(
            MergePlan(visibleColumnCount: 1, sortKeys: [.ascending(1, TypeOID.json)]), sources: 2)
        let error = #expect(throws: MergeError.self) {
            try merge.describe(
                0, [.init(name: "a", typeOID: TypeOID.text), .init(name: "k", typeOID: TypeOID.json)])
        }
        #expect(error == MergeError("0A000", "cannot merge rows ordered by a value of the type with OID 114"))
    }

    @Test("A sort key without a type takes it from the row description")
    func learned() throws {
        let merge = MergeHarness(MergePlan(visibleColumnCount: 1, sortKeys: [.ascending(1, 0)]), sources: 2)
        try merge.describe(0, [.init(name: "a", typeOID: TypeOID.text), .init(name: "k", typeOID: TypeOID.int4)])
        try merge.row(0, .text("minus one"), .int4(-1))
        try merge.row(1, .text("minus two"), .int4(-2))
        try merge.end(0)
        try merge.end(1)
        #expect(try merge.lines() == ["minus two", "minus one"])
    }
}
