// ValueTolerance: how far numbers and times may be apart.
import Testing

@testable import Reconciliation

@Suite struct ValueToleranceTests {
    private func accepts(_ tolerance: String, _ left: String, _ right: String) throws -> Bool {
        let tolerance = try #require(ValueTolerance(tolerance))
        return Array(left.utf8).withUnsafeBytes { left in Array(right.utf8).withUnsafeBytes { tolerance.accepts(left, $0) } }
    }

    @Test(arguments: [
        ("0", "1.0", "1.00"), ("0.01", "2.50", "2.51"), ("0.01", "-2.51", "-2.50"), ("0.1", "1e-5", "0.05"),
        ("0.000000000000000000000001", "1.000000000000000000000001", "1.000000000000000000000002"),
        ("5", "2026-01-31 23:59:58+00", "2026-02-01 00:00:03+00"), ("0.5", "2026-01-31 12:00:00.25+00", "2026-01-31 12:00:00.75+00"),
        ("86400", "2024-02-28", "2024-02-29"), ("86400", "0001-12-31 BC", "0001-01-01"), ("1", "2026-01-31 00:00:00", "2026-01-31 00:00:01"),
    ])
    func theseAreClose(tolerance: String, left: String, right: String) throws {
        #expect(try accepts(tolerance, left, right) && accepts(tolerance, right, left))
    }

    @Test(arguments: [
        ("0.01", "2.50", "2.511"), ("1", "a", "b"), ("1", "", "0"), ("1", "NaN", "1"), ("4.9", "2026-01-31 23:59:58+00", "2026-02-01 00:00:03+00"),
        ("1000", "2026-01-31", "31"), ("86399", "2023-02-28", "2023-03-01"), ("1000000", "infinity", "2026-01-31"),
        // More digits than can be told exactly.
        ("1", "1000000000000000000000000000000000000000", "1000000000000000000000000000000000000001"),
    ])
    func theseAreNot(tolerance: String, left: String, right: String) throws { #expect(try !accepts(tolerance, left, right)) }

    @Test func whatIsTheSameIsAlwaysClose() throws {
        for text in ["NaN", "infinity", "any text", "-infinity", ""] { #expect(try accepts("0", text, text)) }
    }
}
