// ValueTolerance: how far two values may be apart and still count as the same: numbers by a number, times by seconds.
import Foundation

struct ValueTolerance {
    private let amount: Decimal

    /// - Parameter text: a number.
    init?(_ text: String) {
        guard let amount = Decimal(string: text, locale: Locale(identifier: "C")) else { return nil }
        self.amount = amount
    }

    /// Whether two texts are close enough. Numbers of more than 38 digits, and what is neither number nor time, must be the same.
    func accepts(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
        if KeyOrder.compareBytes(a, b) == 0 { return true }
        guard let left = Self.number(a) ?? Self.seconds(a), let right = Self.number(b) ?? Self.seconds(b) else { return false }
        let distance = left > right ? left - right : right - left
        return distance <= amount
    }

    private static func number(_ text: UnsafeRawBufferPointer) -> Decimal? {
        // Without an exponent a minus stands only in front: dates are no numbers.
        let isPlain = text.contains(UInt8(ascii: "e")) || !text.dropFirst().contains(UInt8(ascii: "-"))
        guard isPlain, text.count <= 38, !text.isEmpty, text.allSatisfy({ "+-.e0123456789".utf8.contains($0) }) else { return nil }
        return Decimal(string: String(decoding: text, as: UTF8.self), locale: Locale(identifier: "C"))
    }

    /// `2026-01-31 12:30:00.25+00`, as DateStyle ISO and TimeZone UTC write it; also without the zone or the time.
    static func seconds(_ text: UnsafeRawBufferPointer) -> Decimal? {
        var parts = String(decoding: text, as: UTF8.self).split(separator: " ")[...]
        let isBeforeChrist = parts.last == "BC"
        if isBeforeChrist { parts.removeLast() }
        guard (1...2).contains(parts.count), let day = days(parts[0], isBeforeChrist) else { return nil }
        guard parts.count == 2 else { return Decimal(day * 86_400) }
        var clock = parts[1]
        if clock.hasSuffix("+00") { clock.removeLast(3) }
        let units = clock.split(separator: ":")
        guard units.count == 3, let hours = Int(units[0]), let minutes = Int(units[1]), let rest = Decimal(string: String(units[2]), locale: Locale(identifier: "C"))
        else { return nil }
        return Decimal(day * 86_400 + hours * 3600 + minutes * 60) + rest
    }

    /// Days since 1970-01-01 in the Gregorian calendar (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    private static func days(_ text: Substring, _ isBeforeChrist: Bool) -> Int? {
        let units = text.split(separator: "-").map { Int($0) }
        guard units.count == 3, let written = units[0], let month = units[1], let day = units[2] else { return nil }
        let year = (isBeforeChrist ? 1 - written : written) - (month <= 2 ? 1 : 0)
        let era = (year >= 0 ? year : year - 399) / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
