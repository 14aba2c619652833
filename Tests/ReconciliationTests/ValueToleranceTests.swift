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
        ("1E-2", "2.50", "2.51"), ("+0.5", "1e+2", "1.005e+02"),
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

    /// Whatever somebody writes into a column of texts: it is compared, and nothing ends.
    @Test(arguments: [
        "9223372036854775807-1-1", "1-9223372036854775807-1", "1-1-9223372036854775807", "-9223372036854775808-1-1 BC", "2026-01-31 9223372036854775807:00:00",
        "2026-01-31 00:9223372036854775807:00", "2026-01-31 00:00:99999999999999999999999999", "2026-00-01", "2026-13-01", "2026-01-00", "2026-01-32",
        "5874898-01-01", "2026-01-31 1:2", "2026-01-31 :: BC", "- - BC", "--", " ", "BC", "2026-01-31 00:00:1e999", "2026-01-31 00:00:", "1e99999", "9e126",
        "1.2.3", "1.0.0.0", "1e5e3", "5-1", "1e", "e5", "1e5.0", "--1", "+1", "1-", "1e--5",
        "٢٠٢٦-٠١-٣١", "2026-01-31 00:00:00\u{301}", "2026-01-31 BC BC",
    ])
    func hostileTextsAreOnlyTexts(text: String) throws {
        for other in ["2026-01-31", "2026-01-31 00:00:00+00", "1", "9223372036854775807-1-1"] where other != text {
            #expect(try !accepts("5", text, other) && !accepts("5", other, text))
        }
        #expect(try accepts("5", text, text))
    }

    @Test func theFirstAndTheLastDateAreDates() throws {
        #expect(try accepts("86400", "5874897-12-30", "5874897-12-31"))
        #expect(try accepts("86400", "4714-11-24 BC", "4714-11-25 BC"))
    }

    @Test func whatIsTheSameIsAlwaysClose() throws {
        for text in ["NaN", "infinity", "any text", "-infinity", ""] { #expect(try accepts("0", text, text)) }
    }
}
