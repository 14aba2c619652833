// uuid: sixteen bytes, and the texts PostgreSQL takes for them (string_to_uuid in uuid.c): any case, optional braces,
// a hyphen allowed after every second byte, no white space.

/// A uuid. Compares as PostgreSQL does: byte by byte.
public struct UUIDValue: Hashable, Comparable, Sendable {
    public var high: UInt64
    public var low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Reads the binary format; nil unless it has 16 bytes.
    public init?(binary bytes: UnsafeRawBufferPointer) {
        guard bytes.count == 16 else { return nil }
        high = bytes.integer(at: 0, as: UInt64.self)
        low = bytes.integer(at: 8, as: UInt64.self)
    }

    /// Reads a text; nil for what PostgreSQL refuses with 22P02. Allocates nothing.
    public init?(text: UnsafeRawBufferPointer) {
        var position = 0
        func byte() -> UInt8 { position < text.count ? text[position] : 0 }
        let hasBraces = byte() == UInt8(ascii: "{")
        if hasBraces { position += 1 }
        (high, low) = (0, 0)
        for index in 0..<32 {
            guard let digit = hexadecimalDigit(byte()) else { return nil }
            position += 1
            if index < 16 { high = high << 4 | UInt64(digit) } else { low = low << 4 | UInt64(digit) }
            if index % 4 == 3, index < 31, byte() == UInt8(ascii: "-") { position += 1 }
        }
        if hasBraces {
            guard byte() == UInt8(ascii: "}") else { return nil }
            position += 1
        }
        guard position == text.count else { return nil }
    }

    public static func < (left: UUIDValue, right: UUIDValue) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }

    /// The 16 bytes.
    public var binary: [UInt8] {
        [high, low].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * $0)) } }
    }

    /// The canonical text: lower case, hyphens after 8, 12, 16 and 20 digits.
    public var text: String {
        var digits: [UInt8] = []
        for (index, byte) in binary.enumerated() {
            if [4, 6, 8, 10].contains(index) { digits.append(UInt8(ascii: "-")) }
            digits += hexadecimalPair(byte)
        }
        return String(decoding: digits, as: UTF8.self)
    }
}
