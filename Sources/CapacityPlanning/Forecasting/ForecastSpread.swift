// ForecastSpread: how far a forecast may be off, by trying: histories of the same length with the same noise are made up, forecast as the real one
// was, and compared with how they go on.
//
// A parametric bootstrap of the prediction error (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 6 and 8), with a fixed seed:
// the same samples give the same answer. As the noise is itself only estimated, each trial's is drawn as uncertain as that estimate is.

struct ForecastSpread {
    static let trials = 400
    private static let seed: UInt64 = 0x6272_6169_64

    /// One made-up history: how wrong its line was, and how the series went its own way afterwards.
    private struct Trial {
        var level: Double
        var slope: Double
        var step: Double
        var noise: Double
    }

    private var trials: [Trial] = []

    /// - Parameters:
    ///   - days: of the history that the line was laid through.
    ///   - estimate: what the forecast does with a series: its level on the last day, and its slope.
    init(model: NoiseModel, days: Int, estimate: (ArraySlice<Double>) -> (level: Double, slope: Double)) {
        guard model.noise > 0 || model.step > 0 else { return }
        var numbers = NormalNumbers(seed: Self.seed)
        // A variance from overlapping differences is about as good as one from a third of the values.
        let freedom = max(3, days / 3)
        for _ in 0..<Self.trials {
            let scale = (Double(freedom) / numbers.chiSquare(freedom)).squareRoot()
            var level = 0.0
            let values = (0..<days).map { day -> Double in
                if day > 0 { level += model.step * scale * numbers.next() }
                return level + model.noise * scale * numbers.next()
            }
            let line = estimate(values[...])
            trials.append(
                Trial(
                    level: level - line.level, slope: -line.slope, step: model.step * scale * numbers.next(),
                    noise: model.noise * scale * numbers.next()))
        }
    }

    /// By how much the series may be off the line after so many days: the part `part` of all trials lies below.
    func error(_ part: Double, afterDays days: Double) -> Double {
        let errors = trials.map { $0.level + $0.slope * days + $0.step * days.squareRoot() + $0.noise }
        return RobustMeasures.quantile(part, ofSorted: errors.sorted()) ?? 0
    }

    /// The same of the slope, in units a day.
    func slopeError(_ part: Double) -> Double { RobustMeasures.quantile(part, ofSorted: trials.map(\.slope).sorted()) ?? 0 }
}
