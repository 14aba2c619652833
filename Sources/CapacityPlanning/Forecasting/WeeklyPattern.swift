// WeeklyPattern: what is special about each day of a week, taken out of a daily series.
//
// Classical decomposition (Persons 1919; Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd edition, 2021, section 3.4): the mean
// of seven days around a day has no weekly pattern; what a day differs from it, by the median over all weeks, is its weekday's part.

enum WeeklyPattern {
    static let period = 7
    /// Fewer weeks say nothing of a weekday.
    static let minimumDays = 4 * period

    /// How much each day of the week, counted from the first day of the series, lies above the trend; zeros where the series is too short.
    static func effects(of values: [Double]) -> [Double] {
        guard values.count >= minimumDays else { return Array(repeating: 0, count: period) }
        var differences = Array(repeating: [Double](), count: period)
        var sum = values[0..<period].reduce(0, +)
        for center in 3..<(values.count - 3) {
            differences[center % period].append(values[center] - sum / Double(period))
            if center + 4 < values.count { sum += values[center + 4] - values[center - 3] }
        }
        let middles = differences.map { RobustMeasures.median($0) ?? 0 }
        let mean = middles.reduce(0, +) / Double(period)
        return middles.map { $0 - mean }
    }
}
