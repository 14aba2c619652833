// LevelShifts: bulk loads and purges that happened once, found and taken out, so that they are not taken for growth.
//
// A shift is a day between whose week before and week after the medians differ by far more than they usually do. A week's median has no weekly
// pattern; and a load that comes each week is no shift, since every such difference is like the others. The idea of level shifts that are found
// by an outlying statistic and subtracted is Chen and Liu's (Joint Estimation of Model Parameters and Outlier Effects in Time Series, Journal of
// the American Statistical Association 88, 1993), with medians in place of their model.

/// One jump.
public struct LevelShift: Sendable, Equatable, Codable {
    /// How many days before the newest value it happened.
    public var daysAgo: Int
    /// How much more (or, below zero, less) there was from then on.
    public var size: Double
}

enum LevelShifts {
    private static let side = 7
    /// Robust standard deviations beyond the usual.
    private static let threshold = 6.0
    /// A shift smaller than this part of the series' own range is left in it.
    private static let leastPart = 0.02
    /// More shifts than one in so many days are how the series grows.
    private static let daysPerShift = 21

    /// Finds shifts and returns the series without them: what is older is lifted to the level of what is newest.
    static func removed(from values: [Double]) -> (values: [Double], shifts: [LevelShift]) {
        var values = values
        var shifts: [LevelShift] = []
        while shifts.count < values.count / daysPerShift, let (day, size) = largest(in: values) {
            for index in 0..<day { values[index] += size }
            shifts.append(LevelShift(daysAgo: values.count - day, size: size))
        }
        return (values, shifts)
    }

    /// The first day of the new level, and how much it is above the old.
    private static func largest(in values: [Double]) -> (day: Int, size: Double)? {
        guard values.count >= 2 * side + 2 else { return nil }
        let days = Array(side...(values.count - side))
        let changes = days.map { day in
            (RobustMeasures.median(Array(values[day..<day + side])) ?? 0) - (RobustMeasures.median(Array(values[day - side..<day])) ?? 0)
        }
        guard let usual = RobustMeasures.median(changes), let low = values.min(), let high = values.max() else { return nil }
        let limit = max(threshold * RobustMeasures.deviation(changes), leastPart * (high - low))
        guard let place = changes.indices.max(by: { abs(changes[$0] - usual) < abs(changes[$1] - usual) }) else { return nil }
        let size = changes[place] - usual
        guard abs(size) > limit, let day = jump(in: values, near: days[place], sign: size < 0 ? -1 : 1) else { return nil }
        // A change of the growth itself has no jump in it: most of the difference must be that of one day.
        let step = values[day] - values[day - 1] - usual / Double(side)
        return abs(step) > abs(size) / 2 && step * size > 0 ? (day, step) : nil
    }

    /// The day of the largest step that goes the same way.
    private static func jump(in values: [Double], near day: Int, sign: Double) -> Int? {
        (max(1, day - side / 2 - 1)...min(values.count - 1, day + side / 2 + 1)).max { left, right in
            (values[left] - values[left - 1]) * sign < (values[right] - values[right - 1]) * sign
        }
    }
}
