// Plans carried out on real servers: the answers must be those of the one server that holds all rows.
import Foundation
import Testing

@Suite(.serialized) struct ExactnessTests {
    static func golden(_ file: String) throws -> [Question] {
        let text = try String(contentsOf: GoldenTests.folder.appendingPathComponent(file), encoding: .utf8)
        return text.components(separatedBy: "\n\n").compactMap { block in
            let lines = block.components(separatedBy: "\n").filter { !$0.hasPrefix("    ") && !$0.hasPrefix("--") && !$0.isEmpty }
            let statement = lines.joined(separator: "\n")
            let isQuery = statement.hasPrefix("SELECT") || statement.hasPrefix("(SELECT") || statement.hasPrefix("WITH")
            // Statements with other answers each time, or that another server rightly answers otherwise.
            let isLeftOut = [
                "DELETE", "INSERT", "UPDATE", "FOR SHARE", "random()", "now()", "$1", "pgbench", "scratch", "nothing", "broken", "frobnicate",
                "pg_class", "pg_sequence", "counter", "SELECT FROM", "payload -> ", "array_agg(", "string_agg(status", "LIMIT 10) o", "ORDER BY amount LIMIT 5)", "FROM orders LIMIT 10) x",
            ].contains { statement.contains($0) }
            guard isQuery, !isLeftOut else { return nil }
            let isVague = ["LIMIT", "FETCH", "OFFSET", "DISTINCT ON"].contains { statement.contains($0) }
            return Question(text: statement, isVague: isVague)
        }
    }

    @Test func goldenQueriesGiveTheAnswersOfOneServer() throws {
        let runner = PlanRunner(try ExactnessWorld())
        // What asks for the time has another answer each time, what writes is for other tests, and catalogs differ by nature.
        for file in GoldenTests.files() where !["time.txt", "writes.txt", "catalogs.txt"].contains(file) {
            let outcome = try runner.compare(try Self.golden(file))
            #expect(outcome.planned > 5, "\(file)")
            for difference in outcome.differences { Issue.record("\(file): \(difference)") }
        }
    }

    @Test func randomQueriesGiveTheAnswersOfOneServer() throws {
        let variables = ProcessInfo.processInfo.environment
        let seed = UInt64(variables["PGBRAID_QUERY_SEED"] ?? "") ?? 1
        let count = Int(variables["PGBRAID_QUERY_COUNT"] ?? "") ?? 250
        var generator = QueryGenerator(seed: seed)
        let outcome = try PlanRunner(try ExactnessWorld()).compare((0..<count).map { _ in generator.question() })
        print("seed \(seed): \(outcome.planned) of \(count) planned, \(outcome.withRows) with rows, \(outcome.withErrors) errors, \(outcome.differences.count) differ")
        if variables["PGBRAID_QUERY_REFUSALS"] != nil {
            for (message, times) in outcome.refused.sorted(by: { $0.value > $1.value }).prefix(40) { print("\(times)  \(message)") }
        }
        #expect(outcome.planned > count / 4)
        #expect(outcome.withRows > outcome.planned / 2)
        for difference in outcome.differences.prefix(20) { Issue.record("seed \(seed): \(difference)") }
    }
}
