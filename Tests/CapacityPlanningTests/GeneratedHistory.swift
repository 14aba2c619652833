// GeneratedHistory: histories whose truth is known: what was, what follows, and what a forecast should say.
import Foundation

@testable import CapacityPlanning

/// A history of sizes, in gigabytes, and how it goes on.
struct GeneratedHistory {
    static let start = 1_700_000_000.0

    var days = 120
    /// Samples a day.
    var samples = 24
    var level = 100.0
    /// A day.
    var growth = 0.0
    /// Standard deviation of a day's value around the line.
    var noise = 0.0
    /// Standard deviation of what a day's growth differs from the usual one, for good.
    var drift = 0.0
    /// Half the height of a wave that takes a day, or a week.
    var daily = 0.0
    var weekly = 0.0
    /// (day, by how much)
    var steps: [(day: Int, size: Double)] = []
    /// From this day on `laterGrowth` applies.
    var changeDay = Int.max
    var laterGrowth = 0.0

    /// The samples, and the level without noise or waves after each of the `future` days that follow, and with the noise of that day.
    func generated(seed: UInt64, future: Int = 0, lastHour: Double = 24) -> (points: [CapacityPoint], future: [Double]) {
        var numbers = NormalNumbers(seed: seed)
        var points: [CapacityPoint] = []
        var ahead: [Double] = []
        var value = level
        for day in 0..<(days + future) {
            let daysNoise = noise * numbers.next()
            let slope = (day >= changeDay ? laterGrowth : growth) + drift * numbers.next()
            value += steps.filter { $0.day == day }.reduce(0) { $0 + $1.size }
            for sample in 0..<samples {
                let part = Double(sample) / Double(samples)
                if day == days - 1, part * 24 > lastHour { continue }
                let now = value + slope * part + daysNoise + daily * sin(2 * .pi * part) + weekly * sin(2 * .pi * (Double(day) + part) / 7)
                if day < days { points.append(CapacityPoint(time: Self.start + (Double(day) + part) * 86_400, value: now)) }
            }
            value += slope
            if day >= days { ahead.append(value + daysNoise) }
        }
        return (points, ahead)
    }

    func forecast(seed: UInt64, lastHour: Double = 24) -> GrowthForecast { GrowthForecast(generated(seed: seed, lastHour: lastHour).points) }
}
