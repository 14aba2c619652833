// RecentJump: whether what is there now lies off what the days before the last ones led to: a bulk load or a purge that is younger than the week
// that LevelShifts needs behind a jump.

enum RecentJump {
    /// Days that may have the jump in them.
    private static let recentDays = 7
    /// Of the days before, so many are needed to tell what is usual.
    private static let leastCalmDays = 7
    /// Standard errors beyond which a value is no chance.
    private static let threshold = 6.0
    /// Days by which a level that is taken from four weeks lags behind one that goes its own way.
    private static let levelLag = 14.0

    /// - Parameters:
    ///   - values: of days, without weekly pattern and old jumps.
    ///   - latest: the newest value itself.
    ///   - daySpread: by which values of one day differ.
    ///   - effects: of weekdays; the newest value has one of them in it.
    /// - Returns: the noise of the days before the jump; nil: there was none.
    static func find(in values: ArraySlice<Double>, latest: Double, daySpread: Double, effects: [Double]) -> NoiseModel? {
        let calm = values.dropLast(min(recentDays, values.count / 3))
        guard calm.count >= leastCalmDays else { return nil }
        let line = Line.quickFit(calm)
        let model = NoiseModel(residuals: Line.residuals(of: calm, line))
        let days = Double(values.count - calm.count)
        let expected = line.level + line.slope * (days + GrowthForecast.untilNow)
        let noise = model.widened(by: effects).noise
        let error = (noise * noise + model.step * model.step * (days + levelLag)).squareRoot()
        let limit = threshold * error + daySpread + abs(line.slope) + leastPart * max(abs(latest), abs(expected))
        return abs(latest - expected) > limit ? model : nil
    }

    /// A jump smaller than this part of what is there is none.
    private static let leastPart = 0.01
}
