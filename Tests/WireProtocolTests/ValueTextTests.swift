// Value texts: what PostgreSQL 15 answered when each of these texts was sent as a parameter of the type.
import Testing

@testable import WireProtocol

@Suite struct ValueTextTests {
    static let integers: [(String, String, String, String)] = [
        ("0", "0", "0", "0"),
        ("1", "1", "1", "1"),
        ("-1", "-1", "-1", "-1"),
        ("+1", "1", "1", "1"),
        (" 42 ", "42", "42", "42"),
        ("\t7\n", "7", "7", "7"),
        ("\u{B}8\r", "8", "8", "8"),
        ("", "22P02", "22P02", "22P02"),
        ("-", "22P02", "22P02", "22P02"),
        ("+", "22P02", "22P02", "22P02"),
        ("--1", "22P02", "22P02", "22P02"),
        ("+-1", "22P02", "22P02", "22P02"),
        ("1 2", "22P02", "22P02", "22P02"),
        ("1x", "22P02", "22P02", "22P02"),
        ("0x10", "22P02", "22P02", "22P02"),
        ("1_000", "22P02", "22P02", "22P02"),
        ("007", "7", "7", "7"),
        ("-0", "0", "0", "0"),
        ("1.0", "22P02", "22P02", "22P02"),
        ("1e3", "22P02", "22P02", "22P02"),
        ("٣", "22P02", "22P02", "22P02"),
        (" ", "22P02", "22P02", "22P02"),
        ("32767", "32767", "32767", "32767"),
        ("32768", "22003", "32768", "32768"),
        ("-32768", "-32768", "-32768", "-32768"),
        ("-32769", "22003", "-32769", "-32769"),
        ("2147483647", "22003", "2147483647", "2147483647"),
        ("2147483648", "22003", "22003", "2147483648"),
        ("-2147483648", "22003", "-2147483648", "-2147483648"),
        ("-2147483649", "22003", "22003", "-2147483649"),
        ("9223372036854775807", "22003", "22003", "9223372036854775807"),
        ("9223372036854775808", "22003", "22003", "22003"),
        ("-9223372036854775808", "22003", "22003", "-9223372036854775808"),
        ("-9223372036854775809", "22003", "22003", "22003"),
        ("99999999999999999999x", "22003", "22003", "22003"),
        ("99999x", "22003", "22P02", "22P02"),
        ("12 x", "22P02", "22P02", "22P02"),
        ("00000000000000000000000000000000000012", "12", "12", "12"),
        ("18446744073709551616", "22003", "22003", "22003"),
        ("92233720368547758070", "22003", "22003", "22003"),
    ]

    func shown(_ result: IntegerText) -> String {
        switch result {
        case .value(let value): return "\(value)"
        case .invalidSyntax: return "22P02"
        case .outOfRange: return "22003"
        }
    }

    @Test(arguments: integers) func integersAreReadAsByPostgreSQL15(_ row: (String, String, String, String)) {
        let results = [16, 32, 64].map { bits in peeking(ascii(row.0)) { shown(IntegerText($0, bits: bits)) } }
        #expect(results == [row.1, row.2, row.3])
    }

    @Test(arguments: [
        ("0x1F", "31"), ("-0X1f", "-31"), ("0o17", "15"), ("0b101", "5"), ("1_000", "1000"), ("0x_1", "1"),
        ("0x", "22P02"), ("1__0", "22P02"), ("_1", "22P02"), ("1_", "22P02"), ("0b2", "22P02"), ("0o8", "22P02"),
        ("0x7fffffffffffffff", "9223372036854775807"), ("0x8000000000000000", "22003"),
        ("-0x8000000000000000", "-9223372036854775808"), ("007", "7"), ("0", "0"),
    ]) func integersAreReadAsByPostgreSQL16(_ text: String, _ expected: String) {
        #expect(peeking(ascii(text)) { shown(IntegerText($0, nonDecimal: true)) } == expected)
    }

    @Test func binaryIntegersTellTheirTypeByLength() {
        #expect(peeking([0xFF, 0xFE]) { binaryInteger($0) } == -2)
        #expect(peeking([0, 0, 1, 0]) { binaryInteger($0) } == 256)
        #expect(peeking([0x80, 0, 0, 0, 0, 0, 0, 0]) { binaryInteger($0) } == Int64.min)
        #expect(peeking([1, 2, 3]) { binaryInteger($0) } == nil)
        #expect(peeking([]) { binaryInteger($0) } == nil)
    }

    static let booleans: [(String, Bool?)] = [
        ("t", true),
        ("T", true),
        ("tr", true),
        ("true", true),
        ("TRUE", true),
        ("truex", nil),
        ("f", false),
        ("fal", false),
        ("false", false),
        ("y", true),
        ("yes", true),
        ("Ye", true),
        ("n", false),
        ("no", false),
        ("o", nil),
        ("on", true),
        ("ON", true),
        ("of", false),
        ("off", false),
        ("offf", nil),
        ("1", true),
        ("0", false),
        ("2", nil),
        ("01", nil),
        (" t ", true),
        ("\ttrue\n", true),
        ("", nil),
        (" ", nil),
        ("onn", nil),
    ]

    @Test(arguments: booleans) func booleansAreReadAsByPostgreSQL(_ text: String, _ expected: Bool?) {
        #expect(peeking(ascii(text)) { booleanText($0) } == expected)
    }

    static let uuids: [(String, Bool)] = [
        ("a0eebc999c0b4ef8bb6d6bb9bd380a11", true),
        ("A0EEBC999C0B4EF8BB6D6BB9BD380A11", true),
        ("{a0eebc999c0b4ef8bb6d6bb9bd380a11}", true),
        ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", true),
        ("{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}", true),
        ("a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11", true),
        ("a0-eebc999c0b4ef8bb6d6bb9bd380a11", false),
        ("{a0eebc999c0b4ef8bb6d6bb9bd380a11", false),
        ("a0eebc999c0b4ef8bb6d6bb9bd380a11}", false),
        ("a0eebc999c0b4ef8bb6d6bb9bd380a1", false),
        ("a0eebc999c0b4ef8bb6d6bb9bd380a110", false),
        (" a0eebc999c0b4ef8bb6d6bb9bd380a11", false),
        ("a0eebc999c0b4ef8bb6d6bb9bd380a11-", false),
        ("-a0eebc999c0b4ef8bb6d6bb9bd380a11", false),
        ("a0eebc999c0b4ef8bb6d6bb9bd380a1g", false),
        ("", false),
        ("{}", false),
        ("a0ee--bc999c0b4ef8bb6d6bb9bd380a11", false),
        ("{a0eebc999c0b4ef8bb6d6bb9bd380a11-}", false),
        ("{a0eebc999c0b4ef8bb6d6bb9bd380a11} ", false),
    ]

    @Test(arguments: uuids) func uuidsAreReadAsByPostgreSQL(_ text: String, _ isAccepted: Bool) throws {
        let value = peeking(ascii(text)) { UUIDValue(text: $0) }
        let digits = "a0eebc999c0b4ef8bb6d6bb9bd380a11"
        let expected = peeking(hexadecimal(digits[...])) { UUIDValue(binary: $0) }
        #expect(value == (isAccepted ? expected : nil))
        #expect(expected?.text == "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")
        #expect(expected?.binary == hexadecimal(digits[...]))
    }

    @Test func uuidsCompareByTheirBytes() {
        #expect(UUIDValue(high: 1 << 63, low: 0) > UUIDValue(high: 1, low: .max))
        #expect(UUIDValue(high: 1, low: 2) < UUIDValue(high: 1, low: 3))
        #expect(peeking([1, 2, 3]) { UUIDValue(binary: $0) } == nil)
    }

    static let byteas: [(String, String?)] = [
        ("\\x", "empty"),
        ("\\x00ff", "00ff"),
        ("\\xDEadBEef", "deadbeef"),
        ("\\x 00 ff\n", "00ff"),
        ("\\x0", nil),
        ("\\x0 0", nil),
        ("\\xgg", nil),
        ("\\X00", nil),
        ("abc", "616263"),
        ("a\\\\b", "615c62"),
        ("a\\001b", "610162"),
        ("\\377", "ff"),
        ("\\400", nil),
        ("\\8", nil),
        ("\\", nil),
        ("", "empty"),
        ("\\12", nil),
        ("\\\\x41", "5c783431"),
        ("\\x00\u{B}", nil),
    ]

    @Test(arguments: byteas) func byteasAreReadAsByPostgreSQL(_ text: String, _ expected: String?) {
        let decoded = peeking(ascii(text)) { ByteaText.decode($0) }
        #expect(decoded == expected.map { hexadecimal($0[...]) })
        guard let decoded else { return }
        let encoded = peeking(decoded) { ByteaText.encode($0) }
        #expect(peeking(encoded) { ByteaText.decode($0) } == decoded)
    }
}
