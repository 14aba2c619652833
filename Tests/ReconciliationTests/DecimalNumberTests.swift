// DecimalNumber: numbers by value, however they are written and however long they are.
import Testing

@testable import Reconciliation

@Suite struct DecimalNumberTests {
    private func number(_ text: String) -> DecimalNumber? { Array(text.utf8).withUnsafeBytes { DecimalNumber($0) } }

    @Test func numbersRiseByValue() throws {
        let rising = [
            "-Infinity", "-100000000000000000000", "-99.5", "-9", "-1.50", "-0.001", "0", "0.0009", "0.001", "1", "1.0000000000000000000000000001", "2", "10", "10.5", "99",
            "100000000000000000000", "Infinity", "NaN",
        ]
        for (left, leftText) in rising.enumerated() {
            for (right, rightText) in rising.enumerated() {
                let order = DecimalNumber.compare(try #require(number(leftText)), try #require(number(rightText)))
                #expect(order.signum() == (left - right).signum(), "\(leftText) and \(rightText)")
            }
        }
    }

    @Test(arguments: [("1.0", "1"), ("0", "-0.00"), ("007", "7.000"), (".5", "0.50")])
    func whatIsWrittenOtherwiseIsTheSame(left: String, right: String) throws {
        #expect(DecimalNumber.compare(try #require(number(left)), try #require(number(right))) == 0)
    }

    @Test(arguments: ["", "-", "abc", "1e5", "0x1", "1.2.3"])
    func otherTextsAreNone(text: String) { #expect(number(text) == nil) }
}

@Suite struct KeyConditionTests {
    /// The condition, and the parameters it has added.
    private func condition(_ column: String, _ kind: KeyOrder.Kind, type: UInt32, other: UInt32, value: String?) -> [String?] {
        var parameters: [String?] = []
        let text = KeyOrder.condition(column, kind, type: type, other: other, value: value, &parameters)
        return [text] + parameters
    }

    @Test func numbersAreFoundHoweverTheyAreWritten() {
        #expect(condition("id", .number, type: 23, other: 1700, value: "7.00") == [#"q."id" = $1::pg_catalog.text::pg_catalog.int8"#, "7"])
        #expect(condition("id", .number, type: 23, other: 1700, value: "-0.50") == [#"q."id" = $1::pg_catalog.text::pg_catalog.numeric"#, "-0.5"])
        #expect(condition("id", .number, type: 1700, other: 1700, value: "NaN") == [#"q."id" = $1::pg_catalog.text::pg_catalog.numeric"#, "NaN"])
        #expect(condition("id", .number, type: 20, other: 20, value: nil) == [#"q."id" IS NULL"#])
    }

    /// A text of one side need not be a value of the other side's type.
    @Test func valuesOfUnlikeTypesAreComparedAsTexts() {
        #expect(KeyOrder.kind(23, 25) == .written && KeyOrder.kind(1082, 1082) == .written && KeyOrder.kind(20, 1700) == .number)
        let written = #"CASE WHEN q."id" IS DISTINCT FROM NULL THEN pg_catalog.format('%s', q."id") END COLLATE "C""#
        #expect(condition("id", .written, type: 23, other: 25, value: "x") == ["\(written) = $1", "x"])
        // Not the same: an empty text is no NULL.
        #expect(condition("id", .written, type: 23, other: 25, value: "") == ["\(written) = $1", ""])
        #expect(condition("id", .written, type: 23, other: 25, value: nil) == [#"q."id" IS NOT DISTINCT FROM NULL"#])
        #expect(condition("id", .written, type: 1082, other: 1082, value: "2026-01-31") == [#"q."id" = $1"#, "2026-01-31"])
        #expect(condition("i\"d", .text, type: 25, other: 25, value: "it's") == [#"q."i""d" = ($1::pg_catalog.text || '')"#, "it's"])
        // A value never stands in the text.
        #expect(condition("id", .text, type: 25, other: 25, value: "\u{600}'; DROP TABLE t; --")[0] == #"q."id" = ($1::pg_catalog.text || '')"#)
    }

    @Test func canonicalNumbersHaveNoNeedlessZeros() {
        for (written, canonical) in [("7.00", "7"), ("-0.50", "-0.5"), ("0.0", "0"), ("100", "100"), ("Infinity", "Infinity"), (".5", "0.5")] {
            #expect(KeyOrder.canonical(written, .number) == canonical)
        }
        #expect(KeyOrder.canonical("7.00", .text) == "7.00")
    }
}
