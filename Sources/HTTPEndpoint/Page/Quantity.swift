// Quantity: numbers as people read them.
import Foundation

enum Quantity {
    /// With a thin space between thousands.
    static func count(_ number: UInt64) -> String {
        let digits = Array("\(number)")
        var text = ""
        for (place, digit) in digits.enumerated() {
            if place > 0, (digits.count - place).isMultiple(of: 3) { text += "\u{2009}" }
            text.append(digit)
        }
        return text
    }

    static func count(_ number: Int) -> String { number < 0 ? "-\(count(UInt64(-number)))" : count(UInt64(number)) }

    /// Of events in a second.
    static func rate(_ number: Double) -> String { number > 0 && number < 10 ? String(format: "%.1f", number) : count(UInt64(max(0, number).rounded())) }

    /// kB is 1024 bytes, as in PostgreSQL.
    static func bytes(_ number: Double) -> String {
        var rest = number
        for unit in ["B", "kB", "MB", "GB", "TB"] {
            if abs(rest) < 1024 { return rest.rounded() == rest ? "\(Int(rest)) \(unit)" : String(format: "%.1f ", rest) + unit }
            rest /= 1024
        }
        return String(format: "%.1f PB", rest)
    }

    /// Two units at most: "3 d 4 h", "1 min 5 s", "12 ms".
    static func duration(seconds: Double) -> String {
        if seconds < 0.001 { return seconds <= 0 ? "0 s" : "\(Int((seconds * 1e6).rounded(.up))) µs" }
        if seconds < 1 { return seconds < 0.01 ? String(format: "%.1f ms", seconds * 1000) : "\(Int((seconds * 1000).rounded())) ms" }
        if seconds < 10, seconds.rounded() != seconds { return String(format: "%.1f s", seconds) }
        let whole = Int(min(seconds, 1e12))
        let parts = [(whole / 86_400, "d"), (whole / 3600 % 24, "h"), (whole / 60 % 60, "min"), (whole % 60, "s")]
        let shown = parts.drop { $0.0 == 0 }.prefix(2).filter { $0.0 > 0 }
        return shown.isEmpty ? "0 s" : shown.map { "\($0.0) \($0.1)" }.joined(separator: " ")
    }
}
