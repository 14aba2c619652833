// Statements wider than PostgreSQL plans: refused before the work that goes with the square of their width, and before a
// message to a shard has more columns than its count can say.
import Testing

@testable import QueryPlanning

@Suite("Wide statements")
struct StatementSizeTests {
    struct Width: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var text: @Sendable (Int) -> String
        var refusal: String
    }

    static func list(_ count: Int, _ item: (Int) -> String) -> String { (0..<count).map(item).joined(separator: ", ") }

    static let widths = [
        Width(testDescription: "aggregates", text: { "SELECT \(list($0) { "sum(user_id + \($0))" }) FROM orders" }, refusal: "54011"),
        Width(testDescription: "targets", text: { "SELECT \(list($0) { "user_id AS a\($0)" }) FROM orders" }, refusal: "54011"),
        Width(
            testDescription: "aggregates in an array", text: { "SELECT ARRAY[\(list($0) { "sum(user_id + \($0))" })] FROM orders" },
            refusal: "0A000"),
        Width(
            testDescription: "ORDER BY", text: { "SELECT user_id FROM orders ORDER BY \(list($0) { "user_id + \($0)" })" },
            refusal: "0A000"),
        Width(
            testDescription: "GROUP BY", text: { "SELECT count(*) FROM orders GROUP BY \(list($0) { "user_id + \($0)" })" },
            refusal: "0A000"),
        Width(testDescription: "tables", text: { "SELECT 1 FROM \(list($0) { "orders o\($0)" })" }, refusal: "54001"),
        Width(
            testDescription: "functions in FROM", text: { "SELECT 1 FROM \(list($0) { "generate_series(1, 2) g\($0)" })" },
            refusal: "54001"),
    ]

    static func refusal(_ text: String) -> String? {
        do throws(Refusal) {
            if case .refuse(let refusal) = try GoldenCatalog.plan(text).action { return refusal.sqlState }
            return nil
        } catch {
            return error.sqlState
        }
    }

    @Test(arguments: widths)
    func isRefused(width: Width) { #expect(Self.refusal(width.text(20_000)) == width.refusal) }

    @Test(arguments: widths)
    func aHundredPass(width: Width) {
        // A hundred tables that are not tied to each other are refused for that.
        let text = width.testDescription == "tables" ? width.text(100) + " WHERE o0.user_id = 1" : width.text(100)
        #expect(Self.refusal(text) == nil || width.testDescription == "tables")
    }

    @Test("queries within each other are not tried as wholes without end")
    func nesting() {
        func nested(_ count: Int) -> String {
            String(repeating: "SELECT (", count: count) + "SELECT max(user_id) FROM orders" + String(repeating: ") + 1", count: count)
        }
        #expect(Self.refusal(nested(10)) == nil)
        #expect(Self.refusal(nested(200)) == "0A000")
    }

    /// Each level of calls asks for the types of the next: that must not double at each.
    @Test(.timeLimit(.minutes(1)), arguments: ["f(", "lower(", "upper(", "mod(2, ", "date_trunc('day', ", "coalesce(1, ", "1 + (", "timezone('UTC', "])
    func callsWithinEachOther(call: String) {
        let count = 60
        _ = Self.refusal("SELECT \(String(repeating: call, count: count))user_id\(String(repeating: ")", count: count)) FROM orders ORDER BY 1")
    }

    @Test("a table has at most 1600 columns")
    func columns() throws {
        let world = try StatementWorld()
        #expect(world.plan("CREATE TABLE wide (\(Self.list(1_600) { "c\($0) int" }))").hasPrefix("modify all"))
        #expect(world.plan("CREATE TABLE wide (\(Self.list(20_000) { "c\($0) int" }))").hasPrefix("REFUSED 54011"))
    }

    @Test("of many constants that a column equals, some are enough")
    func constants() {
        var facts = Facts()
        let variables = [Variable(entry: 0, column: 0), Variable(entry: 1, column: 0)]
        for number in 0..<1_000 {
            facts.confine(variables[number % 2], to: ConstantSet(terms: [ConstantTerm(value: .parameter(number))]))
        }
        facts.unite(variables[0], variables[1])
        #expect(facts.constants(of: variables[0]).count == StatementSize.maximumConstantSetCount)
    }
}
