// DecimalNumber: decimal numbers as PostgreSQL writes them, compared exactly, as texts of any length.

/// A view of a number's text: digits before and behind the point, without sign and needless zeros.
struct DecimalNumber {
    /// -2 for -Infinity, -1 for negative, 0 for zero, 1 for positive, 2 for Infinity, 3 for NaN: PostgreSQL's order.
    let rank: Int
    let whole: ArraySlice<UInt8>
    let fraction: ArraySlice<UInt8>

    /// nil where the text is no decimal number.
    init?(_ text: UnsafeRawBufferPointer) {
        var digits = Array(text)[...]
        switch String(decoding: digits, as: UTF8.self) {
        case "NaN": (rank, whole, fraction) = (3, [], [])
            return
        case "Infinity": (rank, whole, fraction) = (2, [], [])
            return
        case "-Infinity": (rank, whole, fraction) = (-2, [], [])
            return
        default: break
        }
        let isNegative = digits.first == UInt8(ascii: "-")
        if isNegative { digits.removeFirst() }
        let point = digits.firstIndex(of: UInt8(ascii: "."))
        var whole = digits[..<(point ?? digits.endIndex)]
        var fraction = point.map { digits[($0 + 1)...] } ?? []
        let isNumber = [whole, fraction].allSatisfy { $0.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } }
        guard isNumber, !whole.isEmpty || !fraction.isEmpty else { return nil }
        whole = whole.drop { $0 == UInt8(ascii: "0") }
        while fraction.last == UInt8(ascii: "0") { fraction.removeLast() }
        self.whole = whole
        self.fraction = fraction
        rank = whole.isEmpty && fraction.isEmpty ? 0 : isNegative ? -1 : 1
    }

    /// The number without needless zeros.
    var text: String {
        switch rank {
        case 3: return "NaN"
        case 2: return "Infinity"
        case -2: return "-Infinity"
        case 0: return "0"
        default: break
        }
        let digits = whole.isEmpty ? "0" : String(decoding: whole, as: UTF8.self)
        return (rank < 0 ? "-" : "") + digits + (fraction.isEmpty ? "" : "." + String(decoding: fraction, as: UTF8.self))
    }

    /// Below zero, zero or above it, as the first number is less, equal or greater.
    static func compare(_ a: DecimalNumber, _ b: DecimalNumber) -> Int {
        if a.rank != b.rank { return a.rank < b.rank ? -1 : 1 }
        switch a.rank {
        case 1: return compareMagnitudes(a, b)
        case -1: return compareMagnitudes(b, a)
        default: return 0
        }
    }

    private static func compareMagnitudes(_ a: DecimalNumber, _ b: DecimalNumber) -> Int {
        if a.whole.count != b.whole.count { return a.whole.count < b.whole.count ? -1 : 1 }
        for (left, right) in [(a.whole, b.whole), (a.fraction, b.fraction)] {
            if left.elementsEqual(right) { continue }
            return left.lexicographicallyPrecedes(right) ? -1 : 1
        }
        return 0
    }

    /// A whole number of up to eighteen digits: most keys are.
    @inline(__always)
    static func smallInteger(_ text: UnsafeRawBufferPointer) -> Int? {
        guard let first = text.first, text.count <= 18 else { return nil }
        let isNegative = first == UInt8(ascii: "-")
        var value = 0
        for byte in text[(isNegative ? 1 : 0)...] {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            value = value &* 10 &+ Int(byte &- UInt8(ascii: "0"))
        }
        return isNegative ? -value : value
    }
}
