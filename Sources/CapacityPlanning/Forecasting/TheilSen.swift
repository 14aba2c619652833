// TheilSen: the slope of a line through points, as the median of the slopes between them. Up to 29 % of the points may be anything.
//
// Sources: Theil, A Rank-Invariant Method of Linear and Polynomial Regression Analysis, Proceedings of the Royal Netherlands Academy of Sciences 53,
// 1950 (all pairs, and the incomplete method: of each point only with the one half a series later); Sen, Estimates of the Regression Coefficient
// Based on Kendall's Tau, Journal of the American Statistical Association 63, 1968.

enum TheilSen {
    /// Change a step of an evenly spaced series; nil of fewer than two values.
    static func slope(_ values: ArraySlice<Double>) -> Double? {
        var slopes: [Double] = []
        slopes.reserveCapacity(values.count * (values.count - 1) / 2)
        for left in values.indices {
            for right in stride(from: left + 1, to: values.endIndex, by: 1) { slopes.append((values[right] - values[left]) / Double(right - left)) }
        }
        return RobustMeasures.median(slopes)
    }

    /// The same from few pairs: a little less exact, and much quicker.
    static func incompleteSlope(_ values: ArraySlice<Double>) -> Double? {
        let half = (values.count + 1) / 2
        guard values.count >= 2 else { return nil }
        return RobustMeasures.median((values.startIndex..<values.endIndex - half).map { (values[$0 + half] - values[$0]) / Double(half) })
    }
}
