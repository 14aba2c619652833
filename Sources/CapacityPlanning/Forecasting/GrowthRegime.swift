// GrowthRegime: how far back a series has grown as it does now. A line through two kinds of growth is wrong about both.
//
// The longest of some windows is taken on whose last weeks the slope is that of the rest, as far as the noise lets one tell. The idea of looking
// whether the newest part agrees with the rest is that of Chow (Tests of Equality Between Sets of Coefficients in Two Linear Regressions,
// Econometrica 28, 1960); slopes are Theil's and Sen's here, so that outliers change no regime.

enum GrowthRegime {
    private static let windows = [730, 540, 365, 270, 180, 120, 90, 60, 42, 28]
    private static let recentParts = [14, 21, 28, 42, 56, 90]
    /// Standard errors by which slopes may differ.
    private static let tolerance = 4.0

    static func window(of values: [Double]) -> ArraySlice<Double> {
        let candidates = ([values.count] + windows).filter { $0 <= values.count && $0 >= 2 * recentParts[0] }.sorted(by: >)
        for length in candidates {
            let window = values.suffix(length)
            if hasOneSlope(window) { return window }
        }
        return candidates.isEmpty ? values[...] : values.suffix(recentParts[0] * 2)
    }

    private static func hasOneSlope(_ window: ArraySlice<Double>) -> Bool {
        (recentParts + [window.count / 2]).allSatisfy { days in
            guard days * 2 <= window.count else { return true }
            let (older, recent) = (window.dropLast(days), window.suffix(days))
            guard let before = TheilSen.incompleteSlope(older), let now = TheilSen.incompleteSlope(recent) else { return true }
            // What the noise is must not depend on whether the slopes differ: each part has its own line.
            let model = NoiseModel(residuals: residuals(older, before) + residuals(recent, now))
            let (oldError, newError) = (standardError(older.count, model), standardError(days, model))
            return abs(now - before) <= tolerance * (oldError * oldError + newError * newError).squareRoot() + 1e-9 * abs(before)
        }
    }

    private static func residuals(_ values: ArraySlice<Double>, _ slope: Double) -> [Double] {
        let rest = values.indices.map { values[$0] - slope * Double($0) }
        let middle = RobustMeasures.median(rest) ?? 0
        return rest.map { $0 - middle }
    }

    /// Of an incomplete slope through so many days. Of noise each of count / 2 slopes has the variance 2 / (count / 2)^2, and their median pi / 2
    /// times that of a mean; steps that add up hardly count less with each day more.
    private static func standardError(_ days: Int, _ model: NoiseModel) -> Double {
        let count = Double(days)
        return (8 * Double.pi * model.noise * model.noise / (count * count * count) + 1.5 * model.step * model.step / count).squareRoot()
    }
}
