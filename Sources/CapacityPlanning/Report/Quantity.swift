// Quantity: numbers as people read them.
import Foundation

enum Quantity {
    private static let units = ["B", "kB", "MB", "GB", "TB", "PB"]

    /// "1.50 GB": of 1,024, as PostgreSQL counts, with three digits; from 1,000 of a unit on in the next.
    static func bytes(_ count: Double) -> String {
        var rest = abs(count)
        var unit = 0
        while rest >= 999.5, unit < units.count - 1 {
            rest /= 1024
            unit += 1
        }
        let sign = count < 0 && rest >= 0.5 ? "-" : ""
        return "\(sign)\(digits(rest, isWhole: unit == 0)) \(units[unit])"
    }

    /// The same with a sign in front, for changes.
    static func change(_ count: Double) -> String { count > 0 ? "+\(bytes(count))" : bytes(count) }

    private static func digits(_ value: Double, isWhole: Bool) -> String {
        if isWhole || value >= 100 { return String(format: "%.0f", value) }
        return String(format: value >= 10 ? "%.1f" : "%.2f", value)
    }

    /// "12,345".
    static func count(_ value: Double) -> String {
        let whole = String(format: "%.0f", value)
        var result = ""
        for (place, digit) in whole.reversed().enumerated() {
            if place > 0, place % 3 == 0, digit != "-" { result = "," + result }
            result = String(digit) + result
        }
        return result
    }

    /// "12 %", "0.3 %".
    static func share(_ part: Double) -> String { String(format: part >= 0.1 ? "%.0f %%" : "%.1f %%", part * 100) }

    /// "1 day", "40 days", "2.3 years".
    static func days(_ count: Double) -> String {
        if count >= 730 { return String(format: "%.1f years", count / 365.25) }
        let whole = max(1, Int(count.rounded()))
        return whole == 1 ? "1 day" : "\(whole) days"
    }

    static func ratio(_ value: Double) -> String { String(format: "%.2f", value) }

    /// "5.1 GB (4.9 GB to 5.3 GB)".
    static func range(_ estimate: Estimate?, _ text: (Double) -> String) -> String {
        guard let estimate else { return tooLittle }
        let (value, low, high) = (text(estimate.value), text(estimate.low), text(estimate.high))
        return low == value && high == value ? value : "\(value) (\(low) to \(high))"
    }

    static let tooLittle = "too little history"
}

extension LimitForecast {
    /// "120 days (90 to 180)", and what else there is to say.
    var text: String {
        switch state {
        case .reached: return "reached"
        case .tooLittleHistory: return Quantity.tooLittle
        case .notWithin:
            let text = "not within \(Quantity.days(days ?? 0))"
            return earliest.map { "\(text), at the earliest in \(Quantity.days($0))" } ?? text
        case .expected: return Quantity.days(days ?? 0) + spread
        }
    }

    private var spread: String {
        switch (earliest, latest) {
        case (let earliest?, let latest?) where Quantity.days(earliest) == Quantity.days(latest): ""
        case (let earliest?, let latest?): " (\(latest < 730 ? String(format: "%.0f", max(1, earliest)) : Quantity.days(earliest)) to \(Quantity.days(latest)))"
        case (let earliest?, nil): " (\(Quantity.days(earliest)) or much later)"
        default: ""
        }
    }
}
