// NumericSum: exact addition of numerics (as accum_sum_add in PostgreSQL's numeric.c). Each base-10000 digit has an
// Int64 of its own, so that adding never carries: carries are settled once, when the sum is read. 10^14 additions fit.
import WireProtocol

/// A sum of numerics. Owns memory: call `free` exactly once.
struct NumericSum: BitwiseCopyable {
    static let base: Int64 = 10_000
    /// The highest power of 10000 of a numeric's first digit (NUMERIC_WEIGHT_MAX).
    private static let highestWeight = 32_767

    /// What was added besides numbers.
    private enum Special {
        static let notANumber: UInt8 = 1
        static let positiveInfinity: UInt8 = 2
        static let negativeInfinity: UInt8 = 4
    }

    /// A sum that has been read.
    enum Result {
        case number
        case notANumber, positiveInfinity, negativeInfinity
    }

    /// The display scale: the largest of all summands.
    private(set) var displayScale = 0
    /// After `settle`.
    private(set) var isNegative = false
    private var specials: UInt8 = 0
    /// The digit of 10000^(lowestWeight + i) at i.
    private var digits: UnsafeMutablePointer<Int64>?
    private var lowestWeight = 0
    private var count = 0
    private var capacity = 0

    init() {}

    mutating func free() {
        digits?.deallocate()
        digits = nil
    }

    /// Memory in use, in bytes.
    var bytes: Int { capacity * MemoryLayout<Int64>.stride }

    /// Amortised O(digits).
    mutating func add(_ number: BinaryNumeric) {
        switch number.numberClass {
        case .notANumber: specials |= Special.notANumber
        case .positiveInfinity: specials |= Special.positiveInfinity
        case .negativeInfinity: specials |= Special.negativeInfinity
        case .zero: displayScale = max(displayScale, number.displayScale)
        case .positive: addDigits(number, sign: 1)
        case .negative: addDigits(number, sign: -1)
        }
    }

    private mutating func addDigits(_ number: BinaryNumeric, sign: Int64) {
        displayScale = max(displayScale, number.displayScale)
        cover(number.weight - number.digitCount + 1, number.weight)
        let top = digits.unsafelyUnwrapped + (number.weight - lowestWeight)
        for index in 0..<number.digitCount { top[-index] += sign * Int64(number.digit(index)) }
    }

    /// Makes room for digits from `low` to `high`.
    private mutating func cover(_ low: Int, _ high: Int) {
        if count == 0 { lowestWeight = low }
        let newLow = min(low, lowestWeight)
        let newCount = max(high, lowestWeight + count - 1) - newLow + 1
        guard newLow < lowestWeight || newCount > count else { return }
        let shift = lowestWeight - newLow
        if newCount > capacity || shift > 0 {
            let newCapacity = max(newCount + 4, capacity)
            let larger = UnsafeMutablePointer<Int64>.allocate(capacity: newCapacity)
            larger.initialize(repeating: 0, count: newCapacity)
            if let digits {
                (larger + shift).update(from: digits, count: count)
                digits.deallocate()
            }
            digits = larger
            capacity = newCapacity
        }
        lowestWeight = newLow
        count = newCount
    }

    // MARK: Reading

    /// Settles carries and says what the sum is; then the digits can be read. Throws 22003 when numeric cannot hold it.
    mutating func settle() throws(MergeError) -> Result {
        if specials & Special.notANumber != 0 { return .notANumber }
        switch specials {
        case Special.positiveInfinity: return .positiveInfinity
        case Special.negativeInfinity: return .negativeInfinity
        case Special.positiveInfinity | Special.negativeInfinity: return .notANumber
        default: break
        }
        if carry() < 0 {
            for index in 0..<count { digits.unsafelyUnwrapped[index] *= -1 }
            _ = carry()
            isNegative.toggle()
        }
        strip()
        guard count == 0 || weight <= NumericSum.highestWeight else { throw .numericOverflow }
        return .number
    }

    /// Brings every digit into 0 ..< 10000, appending digits as needed; returns what is left over: 0, or -1 for a
    /// negative sum.
    private mutating func carry() -> Int64 {
        var carry: Int64 = 0
        var index = 0
        while index < count || carry > 0 || carry < -1 {
            if index == count { cover(lowestWeight, lowestWeight + count) }
            let sum = digits.unsafelyUnwrapped[index] + carry
            carry = sum >= 0 ? sum / NumericSum.base : -((NumericSum.base - 1 - sum) / NumericSum.base)
            digits.unsafelyUnwrapped[index] = sum - carry * NumericSum.base
            index += 1
        }
        // What was borrowed belongs to the highest digit: digits are the true value when negated again.
        if carry < 0, count > 0 { digits.unsafelyUnwrapped[count - 1] += carry * NumericSum.base }
        return carry
    }

    /// Drops zero digits at both ends.
    private mutating func strip() {
        guard let digits else { return }
        while count > 0, digits[count - 1] == 0 { count -= 1 }
        var zeros = 0
        while zeros < count, digits[zeros] == 0 { zeros += 1 }
        guard zeros > 0 else { return }
        for index in zeros..<max(count, zeros) { digits[index - zeros] = digits[index] }
        count -= zeros
        lowestWeight += zeros
    }

    /// Digits of the settled sum.
    var digitCount: Int { count }

    /// Power of 10000 of the first digit of the settled sum.
    var weight: Int { count == 0 ? 0 : lowestWeight + count - 1 }

    /// The settled sum's digit of 10000^weight, 0 outside.
    func digit(atWeight weight: Int) -> Int {
        let index = weight - lowestWeight
        guard let digits, index >= 0, index < count else { return 0 }
        return Int(digits[index])
    }
}
