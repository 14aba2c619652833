// Sums of numerics are PostgreSQL's, digit for digit and byte for byte.
import ResultMerging
import TestSupport
import Testing
import WireProtocol

@Suite struct NumericSumTests {
    private static let generator = #"""
        SET extra_float_digits = 1;
        CREATE TEMP TABLE summand AS
        SELECT s AS set, i AS source, CASE
            WHEN s < 40 THEN round((('x' || substr(md5(s || ' ' || i), 1, 16))::bit(64)::bigint)::numeric
                * power(10::numeric, (s * 7 + i * 13) % 44 - 22), (s + i * 3) % 26)
            WHEN s < 60 THEN (('x' || substr(md5(s || ' ' || i), 1, 4))::bit(16)::int - 32768)::numeric / (1 + s % 4)
            END AS v
        FROM generate_series(0, 59) s, generate_series(0, 5) i;
        INSERT INTO summand SELECT s, i, v.v::numeric FROM (VALUES
            (100, 0, '0'), (101, 0, '0.000'), (101, 1, '0'), (102, 0, '1'), (102, 1, '-1'), (103, 0, '1.50'),
            (103, 1, '-1.5'), (104, 0, '9999'), (104, 1, '1'), (105, 0, '-9999'), (105, 1, '-1'),
            (106, 0, '99999999999999999999.9999'), (106, 1, '0.0001'), (107, 0, '-99999999999999999999.9999'),
            (107, 1, '-0.0001'), (108, 0, '100000000'), (108, 1, '-0.0001'), (109, 0, '-100000000'), (109, 1, '0.00001'),
            (110, 0, 'NaN'), (110, 1, '1'), (111, 0, 'Infinity'), (111, 1, '5.5'), (112, 0, '-Infinity'),
            (113, 0, '-Infinity'), (113, 1, 'Infinity'), (114, 0, 'NaN'), (114, 1, 'Infinity'),
            (115, 0, '1e200'), (115, 1, '1e-200'), (115, 2, '-1e200'), (116, 0, NULL), (117, 0, NULL), (117, 1, '3.0'),
            (118, 0, '10000'), (118, 1, '-20000'), (118, 2, '10000'), (119, 0, '0.9999'), (119, 1, '0.0001')
        ) AS v(s, i, v);
        SELECT set, string_agg(coalesce(encode(numeric_send(v), 'hex'), '-'), ' ' ORDER BY source),
            sum(v)::text, encode(numeric_send(sum(v)), 'hex')
        FROM summand GROUP BY set ORDER BY set;
        """#

    @Test("Every sum has the text and the bytes that PostgreSQL gives it")
    func sums() throws {
        let server = try TemporaryPostgreSQL()
        let sets = try server.psql(NumericSumTests.generator)
        #expect(sets.count == 80)
        for set in sets {
            let summands = (set[1] ?? "").split(separator: " ").map { $0 == "-" ? nil : Self.bytes(of: $0) }
            #expect(try sum(summands, .text) == (set[2].map { .text($0) } ?? .null), "set \(set[0] ?? "")")
            #expect(
                try sum(summands, .binary) == (set[3].map { .bytes(Self.bytes(of: $0)) } ?? .null), "set \(set[0] ?? "")")
        }
    }

    @Test("Sums are ordered as numerics")
    func ordered() throws {
        // 0.5 and -1 and 20000
        let groups: [(Int64, [UInt8])] = [
            (1, [0, 1, 0xFF, 0xFF, 0, 0, 0, 1, 0x13, 0x88]), (2, [0, 1, 0, 0, 0x40, 0, 0, 0, 0, 1]),
            (3, [0, 1, 0, 1, 0, 0, 0, 0, 0, 2]),
        ]
        let merge = MergeHarness(
            MergePlan(
                visibleColumnCount: 2, sortKeys: [.ascending(3, TypeOID.numeric)],
                aggregate: AggregateMerge(
                    outputs: [.group, .sumNumeric], inputColumns: [2, 3],
                    outputTypeOIDs: [TypeOID.int8, TypeOID.numeric])), sources: 2)
        for source in 0..<2 {
            for (group, bytes) in groups { try merge.row(source, .text("\(group)"), .null, .int8(group), .bytes(bytes)) }
            try merge.end(source)
        }
        #expect(try merge.lines() == ["2|-2", "1|1.0", "3|40000"])
    }

    @Test("A sum that numeric cannot hold is an error")
    func overflow() throws {
        // 9999 * 10000^32767, the highest digit of a numeric.
        let highest: [UInt8] = [0, 1, 0x7F, 0xFF, 0, 0, 0, 0, 0x27, 0x0F]
        #expect(throws: MergeError("22003", "value overflows numeric format")) { try sum([highest, highest], .text) }
    }

    private func sum(_ summands: [[UInt8]?], _ format: FormatCode) throws -> Value {
        let merge = MergeHarness(
            MergePlan(
                visibleColumnCount: 1,
                aggregate: AggregateMerge(
                    outputs: [.sumNumeric], inputColumns: [1], outputTypeOIDs: [TypeOID.numeric])),
            sources: max(1, summands.count), formats: [format])
        for (source, summand) in summands.enumerated() {
            try merge.row(source, .null, summand.map { .bytes($0) } ?? .null)
            try merge.end(source)
        }
        return try #require(try merge.rows().first)[0]
    }

    private static func bytes(of hex: some StringProtocol) -> [UInt8] {
        let digits = Array(hex)
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(String(digits[$0...$0 + 1]), radix: 16) ?? 0 }
    }
}
