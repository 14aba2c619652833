// NumericValue: PostgreSQL's numeric, taken apart. The wire format has digits in base 10,000 with a weight (the power
// of 10,000 of the first digit) and a display scale (numeric_send and numeric_recv in numeric.c).
import Primitives

/// A numeric. Normalised: no zero digits at either end, zero has no digits and no sign.
public struct NumericValue: Equatable, Sendable {
    public enum Sign: UInt16, Sendable {
        case positive = 0x0000
        case negative = 0x4000
        case notANumber = 0xC000
        case positiveInfinity = 0xD000
        case negativeInfinity = 0xF000
    }

    public private(set) var sign: Sign
    /// The first digit counts 10,000 to this power.
    public private(set) var weight: Int
    /// Decimal digits shown after the point, 0 to 16,383.
    public private(set) var displayScale: Int
    /// Digits in base 10,000, the most significant first.
    public private(set) var digits: [Int16]

    public static let base: Int16 = 10_000
    static let maximumWeight = 0x7FFF
    static let maximumDisplayScale = 0x3FFF

    /// - Parameter digits: each 0 to 9,999; zeros at the ends are taken off.
    public init(sign: Sign, weight: Int, displayScale: Int, digits: [Int16]) {
        let leading = digits.prefix { $0 == 0 }.count
        var kept = digits[leading...]
        while kept.last == 0 { kept.removeLast() }
        self.digits = Array(kept)
        self.weight = kept.isEmpty ? 0 : weight - leading
        self.sign = kept.isEmpty && sign == .negative ? .positive : sign
        self.displayScale = displayScale
    }

    public static let notANumber = NumericValue(sign: .notANumber, weight: 0, displayScale: 0, digits: [])
    // PostgreSQL sends infinities with this display scale: a bit of their sign in its memory format.
    public static let positiveInfinity = NumericValue(sign: .positiveInfinity, weight: 0, displayScale: 32, digits: [])
    public static let negativeInfinity = NumericValue(sign: .negativeInfinity, weight: 0, displayScale: 32, digits: [])

    public var isFinite: Bool { sign == .positive || sign == .negative }
}

extension NumericValue {
    /// Reads the binary format.
    /// - Throws: 22P03 in PostgreSQL's words.
    public init(binary bytes: UnsafeRawBufferPointer) throws(ProtocolViolation) {
        var cursor = MessageCursor(bytes: bytes)
        let digitCount = try cursor.count()
        let weight = Int(try cursor.integer(Int16.self))
        guard let sign = Sign(rawValue: try cursor.integer(UInt16.self)) else {
            throw NumericValue.invalid("invalid sign in external \"numeric\" value")
        }
        let displayScale = try cursor.count()
        guard displayScale <= NumericValue.maximumDisplayScale else {
            throw NumericValue.invalid("invalid scale in external \"numeric\" value")
        }
        var digits: [Int16] = []
        digits.reserveCapacity(min(digitCount, cursor.remaining / 2))
        for _ in 0..<digitCount {
            let digit = try cursor.integer(Int16.self)
            guard digit >= 0, digit < NumericValue.base else {
                throw NumericValue.invalid("invalid digit in external \"numeric\" value")
            }
            digits.append(digit)
        }
        guard cursor.remaining == 0 else { throw NumericValue.invalid("incorrect binary data format") }
        self.init(sign: sign, weight: weight, displayScale: displayScale, digits: digits)
    }

    private static func invalid(_ message: String) -> ProtocolViolation {
        ProtocolViolation(message, sqlState: .invalidBinaryRepresentation)
    }

    /// The binary format.
    public var binary: [UInt8] {
        let words = [UInt16(digits.count), UInt16(bitPattern: Int16(weight)), sign.rawValue, UInt16(displayScale)]
        return (words + digits.map { UInt16(bitPattern: $0) }).flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }
    }
}
