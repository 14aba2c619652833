// NumericValue: texts and binary values as PostgreSQL 15 converts them into each other.
import Primitives
import Testing

@testable import WireProtocol

@Suite struct NumericValueTests {
    /// A text, what numeric_send makes of it, and what numeric_out does; nil where numeric_in refuses it.
    static let numerics: [(String, String?, String?)] = [
        ("0", "0000000000000000", "0"),
        ("-0", "0000000000000000", "0"),
        ("0.00", "0000000000000002", "0.00"),
        ("1", "00010000000000000001", "1"),
        ("-1", "00010000400000000001", "-1"),
        ("1.50", "000200000000000200011388", "1.50"),
        ("+1.5", "000200000000000100011388", "1.5"),
        (".5", "0001ffff000000011388", "0.5"),
        ("5.", "00010000000000000005", "5"),
        (".", nil, nil),
        ("", nil, nil),
        ("1e3", "000100000000000003e8", "1000"),
        ("1E3", "000100000000000003e8", "1000"),
        ("1e-3", "0001ffff00000003000a", "0.001"),
        ("1.5e-3", "0001ffff00000004000f", "0.0015"),
        ("-1.5e+2", "00010000400000000096", "-150"),
        ("1e", nil, nil),
        ("e1", nil, nil),
        ("1e+", nil, nil),
        (
            "12345678901234567890.123456789", "000800040000000904d2162e23340d801ed204d2162e2328",
            "12345678901234567890.123456789"
        ),
        ("0.0001", "0001ffff000000040001", "0.0001"),
        ("0.00001", "0001fffe0000000503e8", "0.00001"),
        ("10000", "00010001000000000001", "10000"),
        ("9999.9999", "0002000000000004270f270f", "9999.9999"),
        ("99990000", "0001000100000000270f", "99990000"),
        ("1e100", "00010019000000000001", "long"),
        ("1.0e-20", "0001fffb000000150001", "0.000000000000000000010"),
        ("NaN", "00000000c0000000", "NaN"),
        ("nan", "00000000c0000000", "NaN"),
        ("-nan", nil, nil),
        ("Infinity", "00000000d0000020", "Infinity"),
        ("-inf", "00000000f0000020", "-Infinity"),
        ("+inf", "00000000d0000020", "Infinity"),
        ("inf ", "00000000d0000020", "Infinity"),
        ("in", nil, nil),
        (" 7 ", "00010000000000000007", "7"),
        ("1 2", nil, nil),
        ("1_0", nil, nil),
        ("0x10", nil, nil),
        ("1.2.3", nil, nil),
        ("1e131071", "00017fff0000000003e8", "long"),
        ("1e131072", nil, nil),
        ("1e-16383", "0001f00000003fff000a", "long"),
        ("1e-16384", nil, nil),
        ("0e-16384", nil, nil),
        ("000123.4500", "0002000000000004007b1194", "123.4500"),
        ("--1", nil, nil),
        ("1e5000000000", nil, nil),
        ("100e-2", "00010000000000020001", "1.00"),
        ("123e-1", "0002000000000001000c0bb8", "12.3"),
        ("0.0e5", "0000000000000000", "0"),
        ("1e 3", "000100000000000003e8", "1000"),
        (" - 1", nil, nil),
        ("1\t", "00010000000000000001", "1"),
    ]

    @Test(arguments: numerics) func numericsAreConvertedAsByPostgreSQL(_ row: (String, String?, String?)) throws {
        let value = peeking(ascii(row.0)) { NumericValue(text: $0) }
        #expect(value?.binary == row.1.map { hexadecimal($0[...]) })
        guard let binary = row.1, let shown = row.2 else { return }
        let received = try reading(hexadecimal(binary[...])) { try NumericValue(binary: $0) }
        #expect(received == value)
        if shown != "long" { #expect(received.text == shown) }
    }

    @Test func longNumbersComeBackAsTheyWent() throws {
        let random = SeededRandomSource(seed: 11)
        for _ in 0..<2_000 {
            let whole = (0..<(random.next() % 30)).map { _ in String(random.next() % 10) }.joined()
            let fraction = (0..<(random.next() % 30)).map { _ in String(random.next() % 10) }.joined()
            let trimmed = whole.drop { $0 == "0" }
            let text = (trimmed.isEmpty ? "0" : String(trimmed)) + (fraction.isEmpty ? "" : "." + fraction)
            let value = try #require(peeking(ascii(text)) { NumericValue(text: $0) })
            #expect(value.text == text)
            #expect(try reading(value.binary) { try NumericValue(binary: $0) } == value)
        }
    }

    @Test func zerosAtTheEndsAreTakenOff() {
        let value = NumericValue(sign: .negative, weight: 2, displayScale: 3, digits: [0, 0, 7, 5000, 0])
        #expect(value == NumericValue(sign: .negative, weight: 0, displayScale: 3, digits: [7, 5000]))
        #expect(value.text == "-7.500")
        #expect(NumericValue(sign: .negative, weight: 9, displayScale: 2, digits: [0, 0]).text == "0.00")
    }

    @Test(arguments: [
        ("0000000012340000", "22P03: invalid sign in external \"numeric\" value"),
        ("0000000000004000", "22P03: invalid scale in external \"numeric\" value"),
        ("00010000000000002710", "22P03: invalid digit in external \"numeric\" value"),
        ("0001000000000000ffff", "22P03: invalid digit in external \"numeric\" value"),
        ("0002000000000000ff", "08P01: insufficient data left in message"),
        ("00000000000000000000", "22P03: incorrect binary data format"),
        ("empty", "08P01: insufficient data left in message"),
    ]) func brokenBinaryValuesAreRefused(_ digits: String, _ expected: String) {
        #expect(violation(hexadecimal(digits[...])) { try NumericValue(binary: $0) } == expected)
    }
}
