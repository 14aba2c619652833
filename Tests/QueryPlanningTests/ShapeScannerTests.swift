// Shapes: which texts share one, and what is taken out.
import Testing

@testable import QueryPlanning

@Suite struct ShapeScannerTests {
    @Test func aPointQueryReadsAsItsTokens() {
        #expect(
            readableShape("SELECT abalance FROM pgbench_accounts WHERE aid = 12345;")
                == "select abalance from pgbench_accounts where aid = #4;")
        #expect(literalsTakenOut("SELECT abalance FROM pgbench_accounts WHERE aid = 12345;") == ["12345"])
    }

    @Test func whiteSpaceCommentsAndCaseDoNotCount() {
        #expect(shareShape("SELECT A from t WHERE k=1", "select/* x */a\n\tFROM T --c\n where K = 2"))
        #expect(!shareShape("SELECT a FROM t WHERE k=1", "SELECT \"a\" FROM t WHERE k=1"))
        #expect(!shareShape("SELECT \"a\" FROM t", "SELECT \"A\" FROM t"))
        #expect(!shareShape("SELECT * FROM \"t\" \"u\"", "SELECT * FROM \"t\"\"u\""))
        #expect(!shareShape("SELECT a FROM t ORDER BY a || 'x'\n'y'", "SELECT a FROM t ORDER BY a || 'x''y'"))
    }

    @Test func classesOfLiteralsAreToldApart() {
        #expect(
            readableShape(
                "SELECT WHERE a=2147483647 OR a=2147483648 OR a=9223372036854775807 OR a=9223372036854775808 OR a=1.5 OR a='x' OR a=E'x'"
            )
                == "select where a = #4or a = #8or a = #8or a = #nor a = #dor a = #sor a = #e")
        #expect(readableShape("SELECT WHERE a = 0000000000000000000000000000012") == "select where a = #4")
        #expect(
            readableShape("SELECT WHERE a = B'1' OR a = x'1' OR a = N'1' OR a = $$1$$")
                == "select where a = B'1'or a = x'1'or a = N'1'or a = $$1$$")
    }

    @Test(arguments: [
        "SELECT 1", "SELECT a FROM t ORDER BY 2", "SELECT a FROM t GROUP BY 1", "SELECT DISTINCT ON (1) a FROM t",
        "SELECT nextval('s')", "SELECT f(1, 'x', a + 5, b = 3)", "SELECT date '2020-01-01'", "SELECT interval '1 day'",
        "SELECT 'users'::regclass", "SELECT a FROM t TABLESAMPLE SYSTEM (10)", "SELECT a[1] FROM t",
        "SELECT a AT TIME ZONE 'UTC'",
        "SELECT d->'key' FROM t", "SELECT ARRAY[1,2]", "SELECT a || 'x' FROM t", "SELECT s.in('x', 5)",
        "SELECT t.limit, 5 FROM t",
        "SELECT a FROM t WHERE 5 = k", "SELECT a FROM t WHERE k = ANY('{1,2}')",
        "SELECT a FROM t FETCH FIRST 5 ROWS ONLY",
        "SELECT a FROM t WHERE k = + 5", "SELECT a FROM t WHERE k = (5)", "SELECT CAST('x' AS regclass)",
        "SELECT a::numeric(10, 2) FROM t", "SELECT \"f\"(1)", "SELECT f((1), ((2)))",
        "SELECT f(CASE WHEN a = 1 THEN 'x' END)",
    ])
    func whatMayMeanANameOrAPlaceStays(text: String) {
        #expect(literalsTakenOut(text) == [])
    }

    @Test(arguments: [
        ("SELECT a FROM t WHERE k = 5 AND (b <> 'x' OR c >= 1.5) LIMIT 10 OFFSET 20", ["5", "'x'", "1.5", "10", "20"]),
        ("UPDATE pgbench_accounts SET abalance = abalance + -4325 WHERE aid = 9876", ["-4325", "9876"]),
        (
            "INSERT INTO h (a, b) VALUES (1, 'x', now(), -3, nextval('s'), NULL, 4), (DEFAULT, 2)",
            ["1", "'x'", "-3", "4", "2"]
        ),
        ("SELECT a FROM t WHERE k IN (1, 2, -3) AND n NOT IN ('a', 'b')", ["1", "2", "-3", "'a'", "'b'"]),
        ("SELECT a FROM t WHERE b BETWEEN 1 AND 2 AND c = 3 AND d LIKE 'x%'", ["1", "2", "3", "'x%'"]),
        ("SELECT a FROM t WHERE b > '2020-01-01'::date AND u = 'x'::uuid", ["'2020-01-01'", "'x'"]),
        ("SELECT (SELECT b FROM u WHERE k = 1) FROM t WHERE EXISTS (SELECT 1 FROM v WHERE k = 2)", ["1", "2"]),
        ("WITH x AS (SELECT a FROM t WHERE k = 7) SELECT f((SELECT c FROM u WHERE k = 8)) FROM x", ["7", "8"]),
        ("SELECT a FROM t WHERE k=- /* c */ 5", ["- /* c */ 5"]),
    ])
    func whatIsComparedOrListedIsTakenOut(text: String, literals: [String]) {
        #expect(literalsTakenOut(text) == literals)
    }

    @Test func castsToNamesPutLiteralsBack() {
        #expect(readableShape("SELECT WHERE a = 'x'::regclass") == "select where a = #s:: regclass |'x' ")
        #expect(readableShape("SELECT WHERE a = 'x'::text::regclass") == "select where a = #s:: text :: |'x' regclass ")
        #expect(readableShape("SELECT WHERE a = 'x'::\"T\"") == "select where a = #s:: \"T\" |'x' ")
        #expect(readableShape("SELECT WHERE a = 'x'::text[]") == "select where a = #s:: text [|'x' ]")
        #expect(readableShape("SELECT WHERE a = 'x'::text.y") == "select where a = #s:: text .|'x' y ")
        #expect(!shareShape("SELECT WHERE a = 'x'::regclass", "SELECT WHERE a = 'y'::regclass"))
        #expect(shareShape("SELECT WHERE a = 'x'::uuid AND b = 1", "SELECT WHERE a = 'y'::uuid AND b = 2"))
    }

    @Test func signsStayInTheShape() {
        #expect(readableShape("SELECT WHERE k = -5") == "select where k = - #4")
        #expect(!shareShape("SELECT WHERE k = -5", "SELECT WHERE k = 5"))
        #expect(literalsTakenOut("SELECT WHERE k = - -5") == [])
        #expect(literalsTakenOut("SELECT WHERE k = a -5") == ["5"])
        withScan("SELECT WHERE k = -5") { scanner, _ in #expect(scanner.literals[0].integer == -5) }
        withScan("SELECT WHERE k = 9223372036854775807") { scanner, _ in
            #expect(scanner.literals[0].integer == Int64.max)
        }
    }

    @Test(arguments: [
        ("SELECT 1; SELECT 2", "severalStatements"), ("SELECT 1;;", "severalStatements"), ("BEGIN", "notAQuery"),
        ("", "notAQuery"),
        ("  -- nothing\n", "notAQuery"), ("SELECT 'x", "invalidToken"), ("SELECT 1)", "invalidToken"),
        ("/* pgbraid: shard=1 */ SELECT 1", "directive"), ("/*pgbraid:shard=1*/SELECT 1", "directive"),
        ("EXPLAIN SELECT 1", "notAQuery"), ("\"select\" 1", "notAQuery"),
    ])
    func someTextsHaveNoShape(text: String, reason: String) {
        #expect(readableShape(text) == "no shape: \(reason)")
    }

    @Test func sizesAreBounded() {
        func list(_ count: Int) -> String {
            "SELECT WHERE k IN (" + Array(repeating: "1", count: count).joined(separator: ",") + ")"
        }
        #expect(literalsTakenOut(list(64)).count == 64)
        #expect(readableShape(list(65)) == "no shape: tooManyLiterals")
        #expect(
            readableShape("SELECT " + String(repeating: "(", count: 63) + "1" + String(repeating: ")", count: 63))
                .hasPrefix("select"))
        #expect(readableShape("SELECT " + String(repeating: "(", count: 64)) == "no shape: tooDeep")
        #expect(readableShape("SELECT " + String(repeating: " ", count: 8185)).hasPrefix("select"))
        #expect(readableShape("SELECT " + String(repeating: " ", count: 8186)) == "no shape: tooLong")
    }

    @Test func wordsAreFoldedWhereverTheyStand() {
        for length in 1...40 {
            let word = String((0..<length).map { "ABCdefGHIjkl_Z09"[$0 % 16] })
            for tail in ["", " ", "        ", " FROM t WHERE a = 1"] {
                #expect(readableShape("SELECT x\(word)\(tail)").hasPrefix("select x\(word.lowercased()) "))
            }
        }
        #expect(readableShape("SELECT É[@`{") == "no shape: invalidToken")
        #expect(readableShape("SELECT ÉÀZ_AZ@`AZ[AZ]") == "select ÉÀz_az @` az [az ]")
    }
}

extension String {
    fileprivate subscript(_ offset: Int) -> Character { self[index(startIndex, offsetBy: offset)] }
}
