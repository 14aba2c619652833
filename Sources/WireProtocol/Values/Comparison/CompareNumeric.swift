// Comparison of numeric, on the wire format: digit count, weight, sign, display scale, digits in base 10,000
// (cmp_numerics and cmp_abs_common in numeric.c). The display scale does not count: 1.0 equals 1.00.

/// numeric: -infinity, then the numbers, then infinity, then NaN, which equals itself.
@inlinable
public func compareNumeric(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
    guard let left = NumericView(a), let right = NumericView(b) else { return compareBytes(a, b) }
    if left.rank != right.rank { return order(left.rank, right.rank) }
    switch left.rank {
    case 1: return compareNumericMagnitudes(left, right)
    case -1: return -compareNumericMagnitudes(left, right)
    default: return 0
    }
}

/// A view of a numeric's wire format whose extent was checked.
@usableFromInline
struct NumericView {
    @usableFromInline let bytes: UnsafeRawBufferPointer
    @usableFromInline let digitCount: Int
    @usableFromInline let weight: Int
    /// -2 for -infinity, -1 for negative, 0 for zero, 1 for positive, 2 for infinity, 3 for NaN.
    @usableFromInline let rank: Int

    @inlinable
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= 8 else { return nil }
        digitCount = Int(bytes.integer(at: 0, as: UInt16.self))
        guard bytes.count == 8 + 2 * digitCount else { return nil }
        self.bytes = bytes
        weight = Int(bytes.integer(at: 2, as: Int16.self))
        switch bytes.integer(at: 4, as: UInt16.self) {
        case 0x0000: rank = NumericView.isZero(bytes) ? 0 : 1
        case 0x4000: rank = NumericView.isZero(bytes) ? 0 : -1
        case 0xC000: rank = 3
        case 0xD000: rank = 2
        case 0xF000: rank = -2
        default: return nil
        }
    }

    @inlinable
    static func isZero(_ bytes: UnsafeRawBufferPointer) -> Bool {
        for index in 8..<bytes.count where bytes[index] != 0 { return false }
        return true
    }

    /// The digit that counts 10,000 to the power `exponent`.
    @inlinable
    func digit(exponent: Int) -> Int {
        let index = weight - exponent
        guard index >= 0, index < digitCount else { return 0 }
        return Int(bytes.integer(at: 8 + 2 * index, as: Int16.self))
    }
}

@inlinable
func compareNumericMagnitudes(_ a: NumericView, _ b: NumericView) -> Int {
    var exponent = max(a.weight, b.weight)
    let lowest = min(a.weight - a.digitCount, b.weight - b.digitCount)
    while exponent > lowest {
        let (left, right) = (a.digit(exponent: exponent), b.digit(exponent: exponent))
        if left != right { return left < right ? -1 : 1 }
        exponent -= 1
    }
    return 0
}
