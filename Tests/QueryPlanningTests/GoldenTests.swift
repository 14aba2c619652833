// Golden plans: each file of Golden/ holds statements, each followed by its plan, indented. A blank line ends a block; lines
// that start with "--" are comments. To accept new plans, run with PGBRAID_WRITE_GOLDEN=1 and read the difference.
import Foundation
import Testing

@testable import QueryPlanning

@Suite struct GoldenTests {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden")

    static func files() -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return names.filter { $0.hasSuffix(".txt") }.sorted()
    }

    @Test(arguments: files())
    func plansAreAsWritten(file: String) throws {
        let url = Self.folder.appendingPathComponent(file)
        let written = try String(contentsOf: url, encoding: .utf8)
        var fresh: [String] = []
        for block in written.components(separatedBy: "\n\n") { fresh.append(replan(block)) }
        let result = fresh.joined(separator: "\n\n")
        if ProcessInfo.processInfo.environment["PGBRAID_WRITE_GOLDEN"] != nil {
            try result.write(to: url, atomically: true, encoding: .utf8)
            return
        }
        for (one, other) in zip(written.components(separatedBy: "\n\n"), fresh) { #expect(other == one) }
    }

    /// A block with its plan made anew.
    private func replan(_ block: String) -> String {
        let lines = block.components(separatedBy: "\n")
        let kept = lines.filter { !$0.hasPrefix("    ") && !$0.isEmpty }
        let statement = kept.filter { !$0.hasPrefix("--") }.joined(separator: "\n")
        guard !statement.isEmpty else { return block }
        let acrossShards = kept.contains("-- across shards")
        var result = kept
        do throws(Refusal) {
            let plan = try GoldenCatalog.plan(statement, acrossShards: acrossShards)
            result += PlanDescription(text: statement).lines(plan).map { "    " + $0.replacingOccurrences(of: "\n", with: "\\n") }
        } catch {
            result.append("    error \(error.sqlState): \(error.message) at \(error.position)")
        }
        return result.joined(separator: "\n") + (block.hasSuffix("\n") ? "\n" : "")
    }
}
