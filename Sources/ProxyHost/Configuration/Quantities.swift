// Quantities: lengths of time and sizes as people write them: "120s", "50ms", "64MB".
import Primitives

public enum Quantities {
    private static let timeUnits: [(String, Int64)] = [
        ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000), ("min", 60_000_000_000), ("h", 3_600_000_000_000),
        ("d", 86_400_000_000_000),
    ]
    private static let sizeUnits: [(String, Int)] = [("B", 1), ("kB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30), ("TB", 1 << 40)]

    /// A whole number and a unit of PostgreSQL's: us, ms, s, min, h, d.
    static func duration(_ text: String) -> Span? {
        guard let (number, unit) = split(text), let factor = timeUnits.first(where: { $0.0 == unit })?.1 else {
            return nil
        }
        let (nanoseconds, isTooLong) = Int64(number).multipliedReportingOverflow(by: factor)
        return isTooLong ? nil : Span(nanoseconds: nanoseconds)
    }

    /// A whole number and a unit of PostgreSQL's: B, kB, MB, GB, TB.
    public static func size(_ text: String) -> Int? {
        guard let (number, unit) = split(text), let factor = sizeUnits.first(where: { $0.0 == unit })?.1 else {
            return nil
        }
        let (bytes, isTooLarge) = number.multipliedReportingOverflow(by: factor)
        return isTooLarge ? nil : bytes
    }

    private static func split(_ text: String) -> (Int, String)? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int(digits) else { return nil }
        return (number, text.dropFirst(digits.count).trimmed)
    }
}

extension StringProtocol {
    /// Without blanks at either end.
    var trimmed: String {
        var rest = Substring(self)
        while let first = rest.first, first.isWhitespace { rest.removeFirst() }
        while let last = rest.last, last.isWhitespace { rest.removeLast() }
        return String(rest)
    }
}
