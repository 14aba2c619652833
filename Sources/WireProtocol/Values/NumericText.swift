// numeric as text, as numeric_in reads and numeric_out writes it.

extension NumericValue {
    /// The text PostgreSQL shows.
    public var text: String {
        switch sign {
        case .notANumber: return "NaN"
        case .positiveInfinity: return "Infinity"
        case .negativeInfinity: return "-Infinity"
        case .positive, .negative: return String(decoding: finiteText, as: UTF8.self)
        }
    }

    private var finiteText: [UInt8] {
        let fractionGroups = (displayScale + 3) / 4
        var whole = (0...max(weight, 0)).reversed().flatMap { decimal(exponent: $0) }
        whole = Array(whole.drop { $0 == UInt8(ascii: "0") })
        if whole.isEmpty { whole = [UInt8(ascii: "0")] }
        var text = sign == .negative ? [UInt8(ascii: "-")] + whole : whole
        guard displayScale > 0 else { return text }
        text.append(UInt8(ascii: "."))
        text += (1...fractionGroups).flatMap { decimal(exponent: -$0) }.prefix(displayScale)
        return text
    }

    /// The four decimal digits of the digit that counts 10,000 to the power `exponent`.
    private func decimal(exponent: Int) -> [UInt8] {
        let index = weight - exponent
        let digit = digits.indices.contains(index) ? Int(digits[index]) : 0
        return [1000, 100, 10, 1].map { UInt8(ascii: "0") + UInt8(digit / $0 % 10) }
    }

    /// Reads a text; nil for what PostgreSQL 15 refuses (22P02 or 22003).
    public init?(text: UnsafeRawBufferPointer) {
        var (start, end) = (0, text.count)
        while start < end, isSpace(text[start]) { start += 1 }
        while start < end, isSpace(text[end - 1]) { end -= 1 }
        let word = Array(text[start..<end])
        if let special = NumericValue.special(word) {
            self = special
            return
        }
        guard let decimal = DecimalText(word) else { return nil }
        self.init(decimal)
        guard weight <= NumericValue.maximumWeight, displayScale <= NumericValue.maximumDisplayScale else { return nil }
    }

    private static func special(_ word: [UInt8]) -> NumericValue? {
        switch String(decoding: word, as: UTF8.self).lowercased() {
        case "nan": return .notANumber
        case "infinity", "+infinity", "inf", "+inf": return .positiveInfinity
        case "-infinity", "-inf": return .negativeInfinity
        default: return nil
        }
    }

    /// Groups decimal digits by four around the point.
    private init(_ decimal: DecimalText) {
        let pointGroup = (decimal.pointPosition + 3) >> 2
        var digits = decimal.digits
        digits.insert(contentsOf: [UInt8](repeating: 0, count: pointGroup * 4 - decimal.pointPosition), at: 0)
        digits += [UInt8](repeating: 0, count: (4 - digits.count % 4) % 4)
        let groups = stride(from: 0, to: digits.count, by: 4).map { start in
            digits[start..<start + 4].reduce(Int16(0)) { $0 * 10 + Int16($1) }
        }
        self.init(
            sign: decimal.isNegative ? .negative : .positive, weight: pointGroup - 1,
            displayScale: decimal.displayScale, digits: groups)
    }
}

/// A decimal number's text, taken apart: sign, digits, point, exponent.
private struct DecimalText {
    var isNegative = false
    /// Decimal digits without the point.
    var digits: [UInt8] = []
    /// The point stands before the digit of this index; below zero or beyond the digits too.
    var pointPosition = 0
    var displayScale = 0

    /// Exponents beyond this overflow or vanish anyway.
    private static let maximumExponent = 200_000

    init?(_ word: [UInt8]) {
        var rest = word[...]
        if rest.first == UInt8(ascii: "-") || rest.first == UInt8(ascii: "+") {
            isNegative = rest.removeFirst() == UInt8(ascii: "-")
        }
        takeDigits(&rest)
        pointPosition = digits.count
        if rest.first == UInt8(ascii: ".") {
            rest.removeFirst()
            takeDigits(&rest)
            displayScale = digits.count - pointPosition
        }
        guard !digits.isEmpty, let exponent = DecimalText.exponent(&rest), rest.isEmpty else { return nil }
        pointPosition += exponent
        displayScale = max(0, displayScale - exponent)
    }

    private mutating func takeDigits(_ rest: inout ArraySlice<UInt8>) {
        let run = rest.prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
        digits += run.map { $0 - UInt8(ascii: "0") }
        rest = rest.dropFirst(run.count)
    }

    /// PostgreSQL reads the exponent with strtol, which skips white space before it.
    private static func exponent(_ rest: inout ArraySlice<UInt8>) -> Int? {
        guard let letter = rest.first, letter | 0x20 == UInt8(ascii: "e") else { return 0 }
        let text = String(decoding: rest.dropFirst().drop { isSpace($0) }, as: UTF8.self)
        rest = []
        guard let value = Int(text), abs(value) <= maximumExponent else { return nil }
        return value
    }
}
