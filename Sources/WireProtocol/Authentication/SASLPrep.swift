// SASLPrep: the normal form of passwords (RFC 4013), so that the same password typed on two systems is the same.
// PostgreSQL uses a password as it is when it has no normal form (pg_saslprep in saslprep.c), and so does this.

/// The preparation of passwords, and the ranges of code points it goes by.
struct SASLPrep: Sendable {
    /// The one copy; it never changes.
    private static let shared = SASLPrep()

    private let forbidden = CodePointRanges(StringprepData.forbidden)
    private let rightToLeft = CodePointRanges(StringprepData.rightToLeft)
    private let leftToRight = CodePointRanges(StringprepData.leftToRight)

    /// The normal form of a password, or the password itself where there is none. ASCII is its own.
    static func prepare(_ password: [UInt8]) -> [UInt8] {
        guard password.contains(where: { $0 >= 0x80 }),
            let text = String(validating: password, as: UTF8.self),
            let prepared = shared.prepare(text.unicodeScalars.map(\.value))
        else { return password }
        var result = String.UnicodeScalarView()
        result.append(contentsOf: prepared.compactMap { Unicode.Scalar($0) })
        return Array(String(result).utf8)
    }

    private func prepare(_ points: [UInt32]) -> [UInt32]? {
        let mapped = points.compactMap { SASLPrep.map($0) }
        guard !mapped.isEmpty, !mapped.contains(where: { forbidden.contains($0) }), readsOneWay(mapped) else {
            return nil
        }
        return CompatibilityNormalization.shared.normalize(mapped)
    }

    /// Spaces of any kind become a space (table C.1.2); what leaves no mark becomes nothing (table B.1).
    private static func map(_ point: UInt32) -> UInt32? {
        switch point {
        case 0xA0, 0x1680, 0x2000...0x200B, 0x202F, 0x205F, 0x3000: return 0x20
        case 0xAD, 0x34F, 0x1806, 0x180B...0x180D, 0x200C, 0x200D, 0x2060, 0xFE00...0xFE0F, 0xFEFF: return nil
        default: return point
        }
    }

    /// RFC 3454, section 6: with a letter written from right to left, the first and last code point must be such
    /// letters, and none may be written from left to right.
    private func readsOneWay(_ points: [UInt32]) -> Bool {
        guard points.contains(where: { rightToLeft.contains($0) }) else { return true }
        return !points.contains { leftToRight.contains($0) } && rightToLeft.contains(points[0])
            && rightToLeft.contains(points[points.count - 1])
    }
}

/// A set of code points, from the words StringprepData explains.
private struct CodePointRanges: Sendable {
    /// Ascending, without overlap.
    private let ranges: [ClosedRange<UInt32>]

    init(_ words: String) {
        var last: UInt32 = 0
        ranges = words.split(separator: " ").map { word in
            let numbers = word.split(separator: "-").map { UInt32($0, radix: 16) ?? 0 }
            let first = last + numbers[0]
            last = numbers.count > 1 ? first + numbers[1] : first
            return first...last
        }
    }

    /// O(log ranges).
    func contains(_ point: UInt32) -> Bool {
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < point { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].contains(point)
    }
}
