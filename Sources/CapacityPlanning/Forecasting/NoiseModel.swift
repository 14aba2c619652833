// NoiseModel: how a series strays from its line: by noise that stays where it is, and by steps of chance that add up.
//
// The squared difference of values k days apart, beyond the line's part, is on average twice the noise's variance and k times that of a day's step
// (the variogram of a local level: Harvey, Forecasting, Structural Time Series Models and the Kalman Filter, 1989, section 2.3; Cressie and Hawkins,
// Robust Estimation of the Variogram, Mathematical Geology 12, 1980). Both are read from a line through these differences by k.

struct NoiseModel: Equatable {
    /// Standard deviation of a value around its level.
    var noise: Double
    /// Standard deviation of the level's own step from one day to the next.
    var step: Double

    private static let lags = [1, 2, 3, 4, 5, 6, 7, 10, 14, 21, 28]

    /// - Parameter residuals: of a daily series from its line.
    init(residuals: [Double]) {
        var points: [(lag: Double, variance: Double)] = []
        for lag in Self.lags where lag <= residuals.count / 3 {
            let differences = (lag..<residuals.count).map { abs(residuals[$0] - residuals[$0 - lag]) }
            // Half medians, half squares: outliers must not rule, and series that stand still on most days are not without noise.
            let robust = (RobustMeasures.median(differences) ?? 0) * RobustMeasures.deviationScale
            let square = differences.reduce(0) { $0 + $1 * $1 } / Double(max(1, differences.count))
            points.append((Double(lag), (robust * robust + square) / 2))
        }
        let (atZero, perDay) = Self.line(through: points)
        step = max(0, perDay).squareRoot()
        noise = (max(0, perDay > 0 ? atZero : Self.mean(points)) / 2).squareRoot()
        // No variance is below zero: what one of the two cannot be, the other is.
        if atZero < 0 { step = (Self.throughOrigin(points)).squareRoot() }
    }

    init(noise: Double, step: Double) {
        self.noise = noise
        self.step = step
    }

    private static func mean(_ points: [(lag: Double, variance: Double)]) -> Double {
        points.reduce(0) { $0 + $1.variance } / Double(max(1, points.count))
    }

    private static func throughOrigin(_ points: [(lag: Double, variance: Double)]) -> Double {
        points.reduce(0) { $0 + $1.variance / $1.lag } / Double(max(1, points.count))
    }

    /// Least squares, each point weighed by what its lag leaves certain: 1 / lag.
    private static func line(through points: [(lag: Double, variance: Double)]) -> (atZero: Double, perDay: Double) {
        let weight = points.reduce(0) { $0 + 1 / $1.lag }
        guard points.count > 1, weight > 0 else { return (mean(points), 0) }
        let meanLag = Double(points.count) / weight
        let meanVariance = points.reduce(0) { $0 + $1.variance / $1.lag } / weight
        let together = points.reduce(0) { $0 + ($1.lag - meanLag) * ($1.variance - meanVariance) / $1.lag }
        let alone = points.reduce(0) { $0 + ($1.lag - meanLag) * ($1.lag - meanLag) / $1.lag }
        let perDay = together / alone
        return (meanVariance - perDay * meanLag, perDay)
    }
}
