// ValueTolerance: how far two values may be apart and still count as the same: numbers by a number, times by seconds.
import Foundation

struct ValueTolerance {
    private let amount: Decimal

    /// - Parameter text: a number.
    init?(_ text: String) {
        // The configuration takes what is a number to Swift, such as 1E-3, too.
        guard let amount = Self.amount(text) ?? Double(text).flatMap({ Self.amount("\($0)") }) else { return nil }
        self.amount = amount
    }

    private static func amount(_ text: String) -> Decimal? { Array(text.utf8).withUnsafeBytes { number($0) } }

    /// Whether two texts are close enough. Numbers of more than 38 digits or beyond 1e60, and what is neither number nor time, must be the same.
    func accepts(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
        if KeyOrder.compareBytes(a, b) == 0 { return true }
        guard let left = Self.number(a) ?? Self.seconds(a), let right = Self.number(b) ?? Self.seconds(b) else { return false }
        let distance = left > right ? left - right : right - left
        return distance <= amount
    }

    /// All of a text: Decimal would be content with the part of it that is a number.
    private static func number(_ text: UnsafeRawBufferPointer) -> Decimal? {
        guard text.count <= 38, text.allSatisfy({ "+-.e0123456789".utf8.contains($0) }) else { return nil }
        let digits = text.prefix { $0 != UInt8(ascii: "e") }
        guard DecimalNumber(UnsafeRawBufferPointer(rebasing: digits)) != nil else { return nil }
        // So that the distance of two of them is a number.
        if digits.count < text.count {
            guard let value = Int(String(decoding: text[(digits.count + 1)...], as: UTF8.self)), (-largestExponent...largestExponent).contains(value) else { return nil }
        }
        return Decimal(string: String(decoding: text, as: UTF8.self), locale: Locale(identifier: "C"))
    }

    private static let largestExponent = 60

    /// `2026-01-31 12:30:00.25+00`, as DateStyle ISO and TimeZone UTC write it; also without the zone or the time. Nil for anything else: the text
    /// may be whatever somebody has put into a column of texts.
    static func seconds(_ text: UnsafeRawBufferPointer) -> Decimal? {
        guard text.count <= longestTime else { return nil }
        var parts = String(decoding: text, as: UTF8.self).split(separator: " ")[...]
        let isBeforeChrist = parts.last == "BC"
        if isBeforeChrist { parts.removeLast() }
        guard (1...2).contains(parts.count), let day = days(parts[parts.startIndex], isBeforeChrist) else { return nil }
        guard parts.count == 2 else { return Decimal(day * 86_400) }
        var clock = parts[parts.startIndex + 1]
        if clock.hasSuffix("+00") { clock.removeLast(3) }
        let units = clock.split(separator: ":", omittingEmptySubsequences: false)
        guard units.count == 3, let hours = number(units[0], to: 24), let minutes = number(units[1], to: 59) else { return nil }
        let fraction = units[2].split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard number(fraction[0], to: 60) != nil, fraction.count == 1 || fraction[1].utf8.allSatisfy(isDigit),
            let rest = Decimal(string: String(units[2]), locale: Locale(identifier: "C"))
        else { return nil }
        return Decimal(day * 86_400 + hours * 3600 + minutes * 60) + rest
    }

    /// Bytes of the longest time that PostgreSQL writes, and some more.
    private static let longestTime = 64
    /// The last year of PostgreSQL's dates, and its first one B.C. is far above it.
    private static let lastYear = 5_874_897

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    /// Digits, and no more than `limit`.
    private static func number(_ text: Substring, to limit: Int) -> Int? {
        guard !text.isEmpty, text.utf8.allSatisfy(isDigit), let value = Int(text), value <= limit else { return nil }
        return value
    }

    /// Days since 1970-01-01 in the Gregorian calendar (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms"). No step can overflow: the units are
    /// bounded.
    private static func days(_ text: Substring, _ isBeforeChrist: Bool) -> Int? {
        let units = text.split(separator: "-", omittingEmptySubsequences: false)
        guard units.count == 3, let written = number(units[0], to: lastYear), let month = number(units[1], to: 12), let day = number(units[2], to: 31), month > 0, day > 0
        else { return nil }
        let year = (isBeforeChrist ? 1 - written : written) - (month <= 2 ? 1 : 0)
        let era = (year >= 0 ? year : year - 399) / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
