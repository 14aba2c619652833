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
        RepairText.row(
            Candidate(kind: kind, source: source.map(row), target: target.map(row)), table: table.map { RepairText.Table(name: $0) }, columns: ["id", "name", "sum"], keyCount: 1)
    }

    @Test func eachKindHasItsStatement() {
        #expect(text(.missing, ["1", "a", nil], nil) == #"INSERT INTO account ("id", "name", "sum") VALUES ('1', 'a', NULL);"#)
        // What somebody has changed since stays as it is.
        #expect(
            text(.extra, nil, ["1", "a", "2"])
                == #"DELETE FROM account WHERE "id" = '1' AND "name" IS NOT DISTINCT FROM 'a' AND "sum" IS NOT DISTINCT FROM '2';"#)
        #expect(
            text(.changed, ["1", "a", nil], ["1", "a", "2"])
                == #"UPDATE account SET "sum" = NULL WHERE "id" = '1' AND "name" IS NOT DISTINCT FROM 'a' AND "sum" IS NOT DISTINCT FROM '2';"#)
        #expect(
            text(.extra, nil, [nil, "a", nil])
                == #"DELETE FROM account WHERE "id" IS NULL AND "name" IS NOT DISTINCT FROM 'a' AND "sum" IS NOT DISTINCT FROM NULL;"#)
    }

    @Test func generatedColumnsGetNoValuesAndCascadesAreForPeople() {
        func text(_ kind: Candidate.Kind, _ source: [String?]?, _ target: [String?]?, hasCascade: Bool = false) -> String {
            let table = RepairText.Table(
                name: "country", insertable: ["id", "name"], hasOwnNumbers: true, hasCascade: hasCascade, prefix: "/* on shard 2 only */ ")
            return RepairText.row(Candidate(kind: kind, source: source.map(row), target: target.map(row)), table: table, columns: ["id", "name", "upper"], keyCount: 1)
        }
        #expect(text(.missing, ["1", "a", "A"], nil) == #"/* on shard 2 only */ INSERT INTO country ("id", "name") OVERRIDING SYSTEM VALUE VALUES ('1', 'a');"#)
        #expect(text(.changed, ["1", "a", "A"], ["1", "b", "B"]).hasPrefix(#"/* on shard 2 only */ UPDATE country SET "name" = 'a' WHERE "id" = '1' AND "#))
        #expect(text(.changed, ["1", "a", "A"], ["1", "a", "B"]).hasPrefix("-- only generated columns"))
        for line in [text(.extra, nil, ["1", "a", "A"], hasCascade: true), text(.changed, ["1", "a", "A"], ["1", "b", "B"], hasCascade: true)] {
            #expect(line.hasPrefix("-- foreign keys with an action refer to country"))
        }
    }

    /// A table that one shard has a row of that belongs on another.
    private func account(hasCascade: Bool) -> ClusterTable {
        ClusterTable(
            found: FoundTable(oid: "20000", schema: "public", name: "account", owner: "app"), hasCascade: hasCascade, columns: ["user_id", "name"], insertable: ["user_id", "name"], hasOwnNumbers: false,
            primaryKey: ["user_id"], kind: .local)
    }

    @Test func aMisplacedRowIsMovedOnlyAsItWasSeen() {
        let lines = RepairText.misplaced(account(hasCascade: false), shard: 3, values: ["user_id": "7", "name": nil]).split(separator: "\n").map(String.init)
        #expect(lines.count == 4 && lines.first == "BEGIN;" && lines.last == "COMMIT;")
        #expect(
            lines[1].hasPrefix(#"/* pgbraid: shard=3 */ WITH moved AS (DELETE FROM "public"."account" WHERE "user_id" = '7' AND "name" IS NOT DISTINCT FROM NULL RETURNING 1)"#))
        #expect(lines[2] == #"INSERT INTO "public"."account" ("user_id", "name") VALUES ('7', NULL);"#)
        let words = RepairText.misplaced(account(hasCascade: true), shard: 3, values: ["user_id": "7", "name": "x\nDROP TABLE account;"])
        #expect(words.split(whereSeparator: \.isNewline).allSatisfy { $0.hasPrefix("--") })
    }

    @Test func withoutATableThereAreOnlyWords() { #expect(text(.missing, ["1", "a", "2"], nil, table: nil) == #"-- missing: "id" = '1'"#) }

    @Test func valuesStayValues() {
        #expect(text(.missing, ["1", "'); DROP TABLE account; --", "\\"], nil) == #"INSERT INTO account ("id", "name", "sum") VALUES ('1', '''); DROP TABLE account; --', E'\\');"#)
        let words = text(.missing, ["1\nDROP TABLE account;\r\nDROP", "a", "2"], nil, table: nil)
        #expect(words.split(whereSeparator: \.isNewline).allSatisfy { $0.hasPrefix("--") })
    }
}
