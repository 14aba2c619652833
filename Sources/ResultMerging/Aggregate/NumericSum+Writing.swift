// How a numeric sum is written: PostgreSQL's text form (get_str_from_var) and binary form (numeric_send).
import Primitives
import WireProtocol

extension NumericSum {
    /// Appends the value in text form.
    mutating func writeText(into output: inout ByteQueue) throws(MergeError) {
        switch try settle() {
        case .notANumber: output.append(literal: "NaN")
        case .positiveInfinity: output.append(literal: "Infinity")
        case .negativeInfinity: output.append(literal: "-Infinity")
        case .number: writeDigits(into: &output)
        }
    }

    private func writeDigits(into output: inout ByteQueue) {
        if isNegative { output.append(UInt8(ascii: "-")) }
        output.append(decimal: UInt64(digit(atWeight: max(weight, 0))))
        for weight in stride(from: weight - 1, through: 0, by: -1) { writeGroup(digit(atWeight: weight), 4, &output) }
        guard displayScale > 0 else { return }
        output.append(UInt8(ascii: "."))
        for start in stride(from: 0, to: displayScale, by: 4) {
            writeGroup(digit(atWeight: -1 - start / 4), min(4, displayScale - start), &output)
        }
    }

    /// The first `count` of a base-10000 digit's four decimal digits.
    private func writeGroup(_ digit: Int, _ count: Int, _ output: inout ByteQueue) {
        var divisor = 1000
        for _ in 0..<count {
            output.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: digit / divisor % 10))
            divisor /= 10
        }
    }

    /// Appends the value in binary form.
    mutating func writeBinary(into output: inout ByteQueue) throws(MergeError) {
        try forEachBinaryWord { output.append(integer: $0) }
    }

    /// The same to a table's memory.
    mutating func appendBinary(to bytes: inout GrowingBytes) throws(MergeError) {
        try forEachBinaryWord { word in withUnsafeBytes(of: word.bigEndian) { bytes.append($0) } }
    }

    /// The binary form word by word: digit count, weight, sign, display scale, digits.
    private mutating func forEachBinaryWord(_ body: (UInt16) -> Void) throws(MergeError) {
        switch try settle() {
        case .notANumber: NumericSum.header(digits: 0, weight: 0, sign: 0xC000, scale: 0, body)
        case .positiveInfinity: NumericSum.header(digits: 0, weight: 0, sign: 0xD000, scale: 0x20, body)
        case .negativeInfinity: NumericSum.header(digits: 0, weight: 0, sign: 0xF000, scale: 0x20, body)
        case .number:
            NumericSum.header(
                digits: digitCount, weight: weight, sign: isNegative ? 0x4000 : 0, scale: displayScale, body)
            for index in 0..<digitCount { body(UInt16(truncatingIfNeeded: digit(atWeight: weight - index))) }
        }
    }

    private static func header(digits: Int, weight: Int, sign: UInt16, scale: Int, _ body: (UInt16) -> Void) {
        body(UInt16(truncatingIfNeeded: digits))
        body(UInt16(truncatingIfNeeded: weight))
        body(sign)
        body(UInt16(truncatingIfNeeded: scale))
    }
}
