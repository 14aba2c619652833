// What repairs know of the table that a comparison names for them.
import TestSupport
import Testing

@testable import Reconciliation

@Suite struct RepairedTableTests {
    @Test func theTableSaysWhatARepairMayDo() throws {
        let server = try TemporaryPostgreSQL()
        defer { server.stop() }
        try server.psql(
            """
            CREATE TABLE plain (id int PRIMARY KEY, name text); CREATE TABLE referring (id int REFERENCES plain);
            CREATE TABLE account (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, upper text GENERATED ALWAYS AS (upper(name)) STORED);
            CREATE TABLE child (id int REFERENCES account ON DELETE CASCADE);
            CREATE VIEW shown AS SELECT * FROM account
            """)
        let session = try DatabaseSession(server)
        let plain = try RepairText.Table(named: "plain", in: session)
        #expect(plain.columns == ["id", "name"] && plain.insertable == ["id", "name"] && !plain.hasOwnNumbers && !plain.hasCascade)
        #expect(plain.reservation(about: ["id", "name"]) == nil)
        let account = try RepairText.Table(named: "public.account", in: session)
        #expect(account.columns == ["id", "name", "upper"] && account.insertable == ["id", "name"] && account.hasOwnNumbers && account.hasCascade)
        #expect(account.reservation(about: ["id", "upper"]) == nil)
        // What cannot be told is left to people.
        #expect(plain.reservation(about: ["id", "label"]) == #"plain has no column "label""#)
        for name in ["shown", "missing"] {
            #expect(try RepairText.Table(named: name, in: session).reservation(about: ["id"])?.contains("\(name) is no table of ") == true)
        }
        for name in ["a b", "a.b.c.d", "\"a"] { #expect(try RepairText.Table(named: name, in: session).reservation(about: ["id"]) != nil) }
        #expect(try session.execute("SELECT 1").rows == [["1"]])
    }

    @Test func doubtfulRepairsAreComments() {
        func text(_ table: RepairText.Table) -> String {
            // The fields of a DataRow message: their number, then each with its length.
            let row = ResultRow(bytes: [0, 1, 0, 0, 0, 1, UInt8(ascii: "7")])
            return RepairText.row(Candidate(kind: .extra, source: nil, target: row), table: table, columns: ["id"], keyCount: 1)
        }
        #expect(text(RepairText.Table(name: "plain", columns: ["id"])) == #"DELETE FROM plain WHERE "id" = '7';"#)
        #expect(text(RepairText.Table(name: "plain", columns: ["number"])) == #"-- plain has no column "id": DELETE FROM plain WHERE "id" = '7';"#)
        #expect(text(RepairText.Table(name: "plain", doubt: "nobody knows\nit")) == "-- nobody knows\n-- it: DELETE FROM plain WHERE \"id\" = '7';")
    }
}
