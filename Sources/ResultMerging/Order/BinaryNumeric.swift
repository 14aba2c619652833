// BinaryNumeric: a view of numeric's binary form (numeric_send in PostgreSQL's numeric.c): four Int16 words (digit
// count, weight of the first digit, sign, display scale), then digits to base 10000. value = sum digit * 10000^(weight - i).
import WireProtocol

/// A numeric as a server sends it.
struct BinaryNumeric {
    static let headerBytes = 8
    private static let signNegative: UInt16 = 0x4000
    private static let signNaN: UInt16 = 0xC000
    private static let signPositiveInfinity: UInt16 = 0xD000
    private static let signNegativeInfinity: UInt16 = 0xF000

    /// What kind of number it is, in the order in which they sort.
    enum Class: UInt8 {
        case negativeInfinity, negative, zero, positive, positiveInfinity, notANumber
    }

    let numberClass: Class
    let digitCount: Int
    /// Power of 10000 of the first digit.
    let weight: Int
    /// Decimal digits shown after the point.
    let displayScale: Int
    private let bytes: UnsafeRawBufferPointer

    /// nil when the bytes are no numeric.
    @inline(__always)
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= BinaryNumeric.headerBytes else { return nil }
        digitCount = Int(bytes.integer(at: 0, as: UInt16.self))
        guard bytes.count == BinaryNumeric.headerBytes + 2 * digitCount else { return nil }
        weight = Int(bytes.integer(at: 2, as: Int16.self))
        displayScale = Int(bytes.integer(at: 6, as: UInt16.self))
        self.bytes = bytes
        switch bytes.integer(at: 4, as: UInt16.self) {
        case 0: numberClass = digitCount == 0 ? .zero : .positive
        case BinaryNumeric.signNegative: numberClass = digitCount == 0 ? .zero : .negative
        case BinaryNumeric.signNaN: numberClass = .notANumber
        case BinaryNumeric.signPositiveInfinity: numberClass = .positiveInfinity
        case BinaryNumeric.signNegativeInfinity: numberClass = .negativeInfinity
        default: return nil
        }
    }

    /// Digit `index`, 0 beyond the last.
    @inline(__always)
    func digit(_ index: Int) -> UInt16 {
        index < digitCount ? bytes.integer(at: BinaryNumeric.headerBytes + 2 * index, as: UInt16.self) : 0
    }

    /// A number that orders as the numerics do, as far as 64 bits can tell them apart.
    var prefix: UInt64 {
        let middle = UInt64(1) << 63
        switch numberClass {
        case .negativeInfinity: return 0
        case .negative: return middle - magnitudePrefix
        case .zero: return middle
        case .positive: return middle + magnitudePrefix
        case .positiveInfinity: return UInt64.max - 1
        case .notANumber: return UInt64.max
        }
    }

    /// Weight and the first three digits; digits are below 2^14.
    private var magnitudePrefix: UInt64 {
        let biasedWeight = UInt64(weight + 0x8000)
        let leading = UInt64(digit(0) & 0x3FFF) << 28 | UInt64(digit(1) & 0x3FFF) << 14 | UInt64(digit(2) & 0x3FFF)
        return (biasedWeight << 42 | leading) + 1
    }
}
