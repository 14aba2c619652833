// RepairText: SQL for people to read and run, which hostile values cannot turn into something else.
import Testing

@testable import Reconciliation

@Suite struct RepairTextTests {
    private func row(_ values: [String?]) -> ResultRow {
        var bytes: [UInt8] = withUnsafeBytes(of: UInt16(values.count).bigEndian) { Array($0) }
        for value in values {
            bytes += withUnsafeBytes(of: Int32(value?.utf8.count ?? -1).bigEndian) { Array($0) }
            bytes += Array((value ?? "").utf8)
        }
        return ResultRow(bytes: bytes[...])
    }

    private func text(_ kind: Candidate.Kind, _ source: [String?]?, _ target: [String?]?, table: String? = "account") -> String {
        RepairText.row(Candidate(kind: kind, source: source.map(row), target: target.map(row)), table: table, columns: ["id", "name", "sum"], keyCount: 1)
    }

    @Test func eachKindHasItsStatement() {
        #expect(text(.missing, ["1", "a", nil], nil) == #"INSERT INTO account ("id", "name", "sum") VALUES ('1', 'a', NULL);"#)
        #expect(text(.extra, nil, ["1", "a", "2"]) == #"DELETE FROM account WHERE "id" = '1';"#)
        #expect(text(.changed, ["1", "a", nil], ["1", "a", "2"]) == #"UPDATE account SET "sum" = NULL WHERE "id" = '1';"#)
        #expect(text(.extra, nil, [nil, "a", "2"]) == #"DELETE FROM account WHERE "id" IS NULL;"#)
    }

    @Test func withoutATableThereAreOnlyWords() { #expect(text(.missing, ["1", "a", "2"], nil, table: nil) == #"-- missing: "id" = '1'"#) }

    @Test func valuesStayValues() {
        #expect(text(.missing, ["1", "'); DROP TABLE account; --", "\\"], nil) == #"INSERT INTO account ("id", "name", "sum") VALUES ('1', '''); DROP TABLE account; --', '\');"#)
        let words = text(.missing, ["1\nDROP TABLE account;\r\nDROP", "a", "2"], nil, table: nil)
        #expect(words.split(whereSeparator: \.isNewline).allSatisfy { $0.hasPrefix("--") })
    }
}
