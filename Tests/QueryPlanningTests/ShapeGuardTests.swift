// The guard's estimate against the trees that libpg_query really makes.
import CPGQuery
import Primitives
import Testing

#if canImport(Glibc)
    import Glibc
#endif
@testable import QueryPlanning

/// A way to repeat something in SQL.
struct Repetition: CustomTestStringConvertible, Sendable {
    var name: String
    var before = "SELECT "
    var opening = ""
    var core = "1"
    var closing = ""
    var after = ""
    /// The tree stays shallow however often it is repeated.
    var isWide = false

    func text(_ count: Int) -> String {
        before + String(repeating: opening, count: count) + core + String(repeating: closing, count: count) + after
    }
    var testDescription: String { name }

    static let all = [
        Repetition(name: "additions", closing: "+1"), Repetition(name: "any operator", closing: " @-@ 1"),
        Repetition(name: "concatenations", closing: " || 'x'"), Repetition(name: "casts", closing: "::int"),
        Repetition(name: "collations", closing: " COLLATE c"),
        Repetition(name: "time zones", closing: " AT TIME ZONE c"),
        Repetition(name: "IS NULL", closing: " IS NULL"), Repetition(name: "ISNULL", closing: " ISNULL"),
        Repetition(name: "IN", closing: " IN (1)"), Repetition(name: "OPERATOR", closing: " OPERATOR(pg_catalog.+) 1"),
        Repetition(name: "additions of reserved labels", closing: "+t.and+t.or+t.select+t.where+t.having+t.on"),
        Repetition(name: "additions of unreserved words", closing: "+set+values+temp+t.when"),
        Repetition(name: "additions of ordered aggregates", closing: "+f(x) WITHIN GROUP (ORDER BY y)"),
        Repetition(name: "additions of filtered aggregates", closing: "+f(x) FILTER (WHERE y)"),
        Repetition(name: "additions of windows", closing: "+f(x) OVER (PARTITION BY a, b ORDER BY c)"),
        Repetition(name: "additions of case", closing: "+CASE WHEN a THEN b ELSE c END"),
        Repetition(name: "NOT", opening: "NOT "), Repetition(name: "unary minus", opening: "- ", core: "a"),
        Repetition(name: "NOT before BETWEEN", opening: "NOT ", core: "a BETWEEN 1 AND 2", closing: "+1"),
        Repetition(name: "NOT before IS DISTINCT FROM", opening: "NOT ", core: "a IS DISTINCT FROM b", closing: "+1"),
        Repetition(name: "parentheses", opening: "(", closing: ")"),
        Repetition(name: "functions", opening: "f(", closing: ")"),
        Repetition(name: "arrays", opening: "ARRAY[", closing: "]"),
        Repetition(name: "inner arrays", before: "SELECT ARRAY", opening: "[", closing: "]"),
        Repetition(name: "inner subscripts", opening: "a[", closing: "]"),
        Repetition(name: "rows", opening: "ROW(", closing: ")"),
        Repetition(name: "CASE in THEN", opening: "CASE WHEN a THEN ", closing: " END"),
        Repetition(name: "CASE in ELSE", opening: "CASE a WHEN 1 THEN 2 ELSE ", closing: " END"),
        Repetition(name: "CASE in CASE", opening: "CASE ", closing: " WHEN 1 THEN 2 END"),
        Repetition(name: "CAST", opening: "CAST(", closing: " AS int)"),
        Repetition(name: "coalesce", opening: "coalesce(", closing: ")"),
        Repetition(name: "extract", opening: "extract(year FROM ", closing: ")"),
        Repetition(name: "windows", opening: "sum(", closing: ") OVER (PARTITION BY 1)"),
        Repetition(name: "subqueries", opening: "(SELECT ", closing: ")"),
        Repetition(name: "EXISTS", opening: "EXISTS (SELECT ", closing: ")"),
        Repetition(name: "ANY", before: "SELECT a = ANY", opening: "(SELECT a = ANY", core: "(b)", closing: ")"),
        Repetition(name: "subqueries in WHERE", opening: "1 FROM t WHERE (SELECT ", closing: ")"),
        Repetition(name: "subqueries in ON", opening: "1 FROM t JOIN u ON (SELECT ", closing: ")"),
        Repetition(name: "derived tables", before: "", opening: "SELECT * FROM (", core: "SELECT 1", closing: ") a"),
        Repetition(
            name: "LATERAL in joins", before: "", opening: "SELECT * FROM t JOIN LATERAL (", core: "SELECT 1",
            closing: ") a ON b"),
        Repetition(name: "WITH in WITH", before: "", opening: "WITH a AS (", core: "SELECT 1", closing: ") SELECT 1"),
        Repetition(name: "UNION", closing: " UNION SELECT 1"),
        Repetition(name: "UNION to the right", before: "", opening: "(SELECT 1 UNION ", core: "SELECT 1", closing: ")"),
        Repetition(name: "INTERSECT and EXCEPT", closing: " INTERSECT SELECT 1 EXCEPT SELECT 2"),
        Repetition(name: "joins", before: "SELECT 1 FROM ", core: "a", closing: " JOIN b ON c"),
        Repetition(
            name: "nested joins", before: "SELECT 1 FROM a", opening: " LEFT JOIN b", core: "", closing: " ON c"),
        Repetition(
            name: "joins in parentheses", before: "SELECT 1 FROM ", opening: "(", core: "a", closing: " CROSS JOIN b)"),
        Repetition(
            name: "grouping sets", before: "SELECT 1 GROUP BY ", opening: "GROUPING SETS (", core: "a", closing: ")"),
        Repetition(name: "AND", closing: " AND a = 1", isWide: true),
        Repetition(name: "AND NOT", closing: " AND NOT a", isWide: true),
        Repetition(name: "AND and OR", closing: " AND b = 1 OR c + 1 = 2", isWide: true),
        Repetition(name: "BETWEEN and AND", closing: " AND b BETWEEN 1 AND 2", isWide: true),
        Repetition(name: "IN list", before: "SELECT a IN (", closing: ", -1", after: ")", isWide: true),
        Repetition(
            name: "VALUES", before: "INSERT INTO t VALUES ", core: "(1)", closing: ", (1 + 1, 'x')", isWide: true),
        Repetition(name: "target list", closing: ", a + 1", isWide: true),
        Repetition(name: "field selection", core: "(a)", closing: ".b", isWide: true),
        Repetition(name: "subscripts", core: "a", closing: "[1]", isWide: true),
        Repetition(
            name: "WHEN", before: "SELECT CASE ", core: "", closing: " WHEN a = 1 THEN b + 1", after: " END",
            isWide: true),
        Repetition(name: "statements", before: "", core: "", closing: "SELECT 1 + 1;", isWide: true),
        Repetition(
            name: "common table expressions", before: "WITH ", core: "a AS (SELECT 1)", closing: ", a AS (SELECT 1)",
            after: " SELECT 1", isWide: true),
        Repetition(name: "tables", before: "SELECT 1 FROM ", core: "a", closing: ", b", isWide: true),
        Repetition(name: "sort keys", before: "SELECT 1 ORDER BY ", core: "a", closing: ", b + 1", isWide: true),
    ]
}

@Suite struct ShapeGuardTests {
    private func estimate(_ text: String, upTo limit: Int) -> Int {
        Array(text.utf8).withUnsafeBytes { StatementGuard.estimate($0, upTo: limit) }
    }

    /// The number of messages on the longest way down from a message.
    private func depth(_ message: Message<ProtobufCMessage>) -> Int {
        var deepest = 0
        _ = TreeWalk.forEachField(of: message) { child in
            deepest = max(deepest, depth(child))
            return true
        }
        return deepest + 1
    }

    @Test(arguments: Repetition.all)
    func theEstimateIsNotTooLow(repetition: Repetition) throws {
        let text = repetition.text(300)
        let tree = try ParseTree(text)
        let messages = tree.statements.map { depth($0.node.message) }.max() ?? 0
        #expect(messages * 960 <= estimate(text, upTo: 100_000) * StatementGuard.stackBytesPerLevel)
    }

    @Test(arguments: Repetition.all.filter(\.isWide))
    func wideStatementsPass(repetition: Repetition) throws {
        for count in [1, 1_000, 20_000] { #expect(estimate(repetition.text(count), upTo: 1_000_000) < 20) }
    }

    @Test(arguments: Repetition.all.filter { !$0.isWide })
    func deepStatementsAreRefused(repetition: Repetition) throws {
        #expect(estimate(repetition.text(4_100), upTo: 4_000) > 4_000)
        #expect(estimate(repetition.text(300), upTo: 4_000) <= 4_000)
    }

    @Test(arguments: ["additions", "casts", "NOT", "parentheses", "arrays", "CASE in THEN", "UNION", "joins"])
    func aMillionLevelsAreRefused(name: String) throws {
        let repetition = try #require(Repetition.all.first { $0.name == name })
        #expect(estimate(repetition.text(1_000_000), upTo: 4_000) > 4_000)
    }

    @Test func aHundredThousandRowsAndMembersPass() throws {
        for name in ["VALUES", "IN list"] {
            let text = try #require(Repetition.all.first { $0.name == name }).text(100_000)
            #expect(estimate(text, upTo: 4_000) < 20)
            #expect(try ParseTree(text).statements.count == 1)
        }
    }

    @Test(arguments: Repetition.all)
    func whatPassesFitsTheStack(repetition: Repetition) throws {
        var count = repetition.isWide ? 5_000 : 4_000
        while estimate(repetition.text(count), upTo: 4_000) > 4_000 { count -= count / 20 + 1 }
        #expect(count > 300)
        let text = repetition.text(count)
        let job = ParseJob(text)
        job.run(stackBytes: 4_000 * StatementGuard.stackBytesPerLevel + 256 * 1024)
        #expect(job.outcome == "parsed" || job.outcome.hasPrefix("memory exhausted"))
    }

    @Test func tokensAreCounted() throws {
        func check(_ text: String) throws {
            try Array(text.utf8).withUnsafeBytes { try StatementGuard.check($0, depthLimit: 20, tokenLimit: 100) }
        }
        func columns(_ count: Int) -> String { "SELECT " + Array(repeating: "1", count: count).joined(separator: ",") }
        try check(columns(49))
        try check("SELECT '" + String(repeating: "x ", count: 1_000) + "' -- " + String(repeating: "x ", count: 1_000))
        for long in [columns(51), String(repeating: "SELECT 1;", count: 34)] {
            #expect {
                try check(long)
            } throws: { error in
                let refusal = error as? Refusal
                return refusal?.sqlState == "54001" && refusal?.message == "statement is too complex"
            }
        }
    }

    @Test func theRefusalReadsLikePostgreSQLs() {
        let text = Array("SELECT \(String(repeating: "(", count: 50))".utf8)
        #expect {
            try text.withUnsafeBytes { try StatementGuard.check($0, depthLimit: 20, tokenLimit: 1_000) }
        } throws: { error in
            let refusal = error as? Refusal
            return refusal?.sqlState == "54001" && refusal?.message == "stack depth limit exceeded"
        }
    }
}

/// Parses on a thread with a stack of a given size.
private final class ParseJob {
    let text: String
    var outcome = "not run"

    init(_ text: String) { self.text = text }

    func run(stackBytes: Int) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setstacksize(&attributes, stackBytes)
        var thread = pthread_t()
        let started = pthread_create(
            &thread, &attributes,
            { argument in
                if let argument { Unmanaged<ParseJob>.fromOpaque(argument).takeUnretainedValue().parse() }
                return nil
            }, Unmanaged.passUnretained(self).toOpaque())
        if started == 0 { pthread_join(thread, nil) }
        pthread_attr_destroy(&attributes)
    }

    private func parse() {
        do throws(Refusal) {
            _ = try ParseTree(text)
            outcome = "parsed"
        } catch {
            outcome = error.message
        }
    }
}
