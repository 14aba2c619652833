// Keys in text and binary format; what is expected is what PostgreSQL 15 answered for the same input.
import ShardMap
import Testing

@Suite struct KeyParsingTests {
    @Test(
        arguments: [
            (" +7 ", 7), ("-0", 0), ("\u{B}8\t\n", 8), ("-9223372036854775808", Int64.min), ("007", 7),
            ("9223372036854775807", Int64.max),
        ] as [(String, Int64)])
    func blanksSignAndDigitsAreANumber(text: String, value: Int64) throws {
        #expect(try parse(text, .int8) == .integer(value))
    }

    @Test(arguments: ["", "+", "v8", "12 x", "1_0", "0x10", "1.0", "- 1", "--1", "NaN"])
    func anythingElseIsInvalidSyntax(text: String) {
        #expect(throws: KeyFormatError.invalidSyntax) { try parse(text, .int4) }
    }

    @Test(arguments: [
        ("32768", KeyType.int2), ("-32769", .int2), ("2147483648", .int4), ("-2147483649", .int4),
        ("9223372036854775808", .int8), ("-9223372036854775809", .int8), ("99999999999 x", .int4),
        ("99999999999999999999x", .int8), ("3276899999999 x", .int2), ("99999999999999999999 ", .int4),
    ])
    func anIntegerBeyondItsTypeIsOutOfRange(text: String, type: KeyType) {
        #expect(throws: KeyFormatError.outOfRange) { try parse(text, type) }
    }

    @Test func theLowestMagnitudeWithoutItsSignIsReadToTheEndFirst() {
        #expect(throws: KeyFormatError.invalidSyntax) { try parse("32768x", .int2) }
    }

    @Test(arguments: [
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc999c0b4ef8bb6d6bb9bd380a11",
        "{a0eebc99-9c0b4ef8-bb6d-6bb9-bd380a11}", "A0EE-BC99-9C0B-4EF8-BB6D-6BB9-BD38-0A11",
    ])
    func everyFormOfAUUIDMeansTheSame(text: String) throws {
        let expected = UUIDKey(high: 0xA0EE_BC99_9C0B_4EF8, low: 0xBB6D_6BB9_BD38_0A11)
        #expect(try parse(text, .uuid) == .uuid(expected))
    }

    @Test(arguments: [
        "", "{", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-",
        " a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11 ",
        "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
        "a0e-ebc999c0b4ef8bb6d6bb9bd380a11", "a0eebc99--9c0b-4ef8-bb6d-6bb9bd380a11",
        "g0eebc999c0b4ef8bb6d6bb9bd380a11",
    ])
    func aUUIDOutOfShapeIsInvalidSyntax(text: String) {
        #expect(throws: KeyFormatError.invalidSyntax) { try parse(text, .uuid) }
    }

    @Test func binaryKeysMustHaveTheirTypesLength() throws {
        #expect(try parse(binary: [0xFF, 0xFE], .int2) == .integer(-2))
        #expect(try parse(binary: [0, 0, 1, 0], .int4) == .integer(256))
        #expect(try parse(binary: [0x80, 0, 0, 0, 0, 0, 0, 0], .int8) == .integer(.min))
        #expect(try parse(binary: [], .text) == .text(""))
        #expect(throws: KeyFormatError.insufficientData) { try parse(binary: [0, 0, 1], .int4) }
        #expect(throws: KeyFormatError.incorrectBinaryFormat) { try parse(binary: [0, 0, 0, 0, 0], .int4) }
        #expect(throws: KeyFormatError.insufficientData) { try parse(binary: [UInt8](repeating: 1, count: 15), .uuid) }
    }

    @Test func errorsReadAsPostgreSQLWritesThem() {
        #expect(
            KeyFormatError.invalidSyntax.message(type: .int8, text: "x")
                == "invalid input syntax for type bigint: \"x\"")
        #expect(
            KeyFormatError.outOfRange.message(type: .int2, text: "32768")
                == "value \"32768\" is out of range for type smallint")
        #expect(KeyFormatError.outOfRange.sqlState == "22003")
    }

    private func parse(_ text: String, _ type: KeyType) throws -> KeyValue {
        try Array(text.utf8).withUnsafeBytes { try type.value(text: $0) }
    }

    private func parse(binary: [UInt8], _ type: KeyType) throws -> KeyValue {
        try binary.withUnsafeBytes { try type.value(binary: $0) }
    }
}
