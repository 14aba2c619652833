// CapacityChart: history and forecast of one size as an SVG picture: a line for what was, a dashed one for what is expected, a band around it for
// what nine of ten outcomes lie in, and the limit.
import Foundation

struct CapacityChart {
    let size: SizeForecast
    let limit: Double?
    var width = 460.0
    var height = 190.0

    private let left = 62.0
    private let right = 12.0
    private let top = 12.0
    private let bottom = 26.0

    private var firstDay: Double { -Double(max(1, size.history.count - 1)) }
    private var lastDay: Double { max(size.course.last?.day ?? 0, -firstDay * 0.05) }

    /// The limit is shown where it is near enough to matter.
    private var highestShown: Double {
        let highest = max(size.history.max() ?? 0, size.bytes, size.course.map(\.bytes.high).max() ?? 0, 1)
        guard let limit, limit <= highest * 2 else { return highest * 1.08 }
        return max(highest, limit) * 1.08
    }

    private func x(_ day: Double) -> Double { left + (day - firstDay) / (lastDay - firstDay) * (width - left - right) }
    private func y(_ bytes: Double) -> Double { height - bottom - bytes / highestShown * (height - top - bottom) }

    var svg: String {
        let shapes = grid + days + band + [path(history, "was"), path(expected, "will")] + limitLine + today
        return "<svg viewBox=\"0 0 \(text(width)) \(text(height))\" role=\"img\" aria-label=\"size by day\">\(shapes.joined())</svg>"
    }

    private var history: [(Double, Double)] {
        let days: [(Double, Double)] = size.history.enumerated().map { (firstDay + Double($0.offset), $0.element) }
        return days + [(0, size.bytes)]
    }

    private var expected: [(Double, Double)] {
        let days: [(Double, Double)] = size.course.map { ($0.day, $0.bytes.value) }
        return days.isEmpty ? [] : [(0, size.bytes)] + days
    }

    private var band: [String] {
        guard !size.course.isEmpty else { return [] }
        let above: [(Double, Double)] = [(0, size.bytes)] + size.course.map { ($0.day, $0.bytes.high) }
        let outline = above + size.course.reversed().map { ($0.day, $0.bytes.low) }
        return ["<polygon class=\"band\" points=\"\(points(outline))\"/>"]
    }

    private func path(_ values: [(Double, Double)], _ name: String) -> String {
        values.count < 2 ? "" : "<polyline class=\"\(name)\" points=\"\(points(values))\"/>"
    }

    /// Three lines at round sizes.
    private var grid: [String] {
        let step = CapacityChart.round(highestShown / 3.2)
        return stride(from: 0.0, through: highestShown, by: step).map { bytes in
            let height = text(y(bytes))
            return "<line class=\"grid\" x1=\"\(text(left))\" x2=\"\(text(width - right))\" y1=\"\(height)\" y2=\"\(height)\"/>"
                + "<text x=\"\(text(left - 6))\" y=\"\(text(y(bytes) + 3.5))\" class=\"number\">\(Quantity.bytes(bytes))</text>"
        }
    }

    /// 1, 2 or 5 times a power of ten of a unit of 1,024.
    private static func round(_ bytes: Double) -> Double {
        var unit = 1.0
        while bytes / unit >= 1000 { unit *= 1024 }
        let power = pow(10, floor(log10(max(1, bytes / unit))))
        let first = max(1, bytes / unit) / power
        return (first < 1.5 ? 1 : first < 3.5 ? 2 : first < 7.5 ? 5 : 10) * power * unit
    }

    private var days: [String] {
        let marks = [firstDay, 0] + (lastDay > -firstDay * 0.1 ? [lastDay] : [])
        return marks.enumerated().map { number, day in
            let name = day == 0 ? "now" : day < 0 ? "\(Quantity.days(-day)) ago" : "in \(Quantity.days(day))"
            let anchor = number == 0 ? "start" : number == marks.count - 1 ? "end" : "middle"
            return "<text x=\"\(text(x(day)))\" y=\"\(text(height - 8))\" text-anchor=\"\(anchor)\">\(name)</text>"
        }
    }

    private var limitLine: [String] {
        guard let limit, limit <= highestShown else { return [] }
        let height = text(y(limit))
        return [
            "<line class=\"limit\" x1=\"\(text(left))\" x2=\"\(text(width - right))\" y1=\"\(height)\" y2=\"\(height)\"/>",
            "<text class=\"limit\" x=\"\(text(left + 4))\" y=\"\(text(y(limit) - 4))\">limit</text>",
        ]
    }

    private var today: [String] {
        ["<line class=\"now\" x1=\"\(text(x(0)))\" x2=\"\(text(x(0)))\" y1=\"\(text(top))\" y2=\"\(text(height - bottom))\"/>"]
            + ["<circle class=\"dot\" cx=\"\(text(x(0)))\" cy=\"\(text(y(size.bytes)))\" r=\"3\"/>"]
    }

    private func points(_ values: [(Double, Double)]) -> String { values.map { "\(text(x($0.0))),\(text(y($0.1)))" }.joined(separator: " ") }

    private func text(_ number: Double) -> String { String(format: "%.1f", number) }
}
