// RobustMeasures: middles and spreads that a few wild values do not move.
//
// Sources: Huber and Ronchetti, Robust Statistics, 2nd edition, 2009 (median absolute deviation); Hyndman and Fan, Sample Quantiles in
// Statistical Packages, The American Statistician 50, 1996 (quantiles, their definition 7).

enum RobustMeasures {
    /// The median absolute deviation of normally distributed values is this part of their standard deviation, turned round.
    static let deviationScale = 1.4826

    /// nil of no values.
    static func median(_ values: [Double]) -> Double? { quantile(0.5, ofSorted: values.sorted()) }

    /// The value below which the part `part` (0 to 1) of the values lies.
    static func quantile(_ part: Double, ofSorted values: [Double]) -> Double? {
        guard let last = values.indices.last else { return nil }
        let place = part * Double(last)
        let below = Int(place)
        guard below < last else { return values[last] }
        return values[below] + (place - Double(below)) * (values[below + 1] - values[below])
    }

    /// The standard deviation that normally distributed values of this median absolute deviation would have; 0 of no values.
    static func deviation(_ values: [Double]) -> Double {
        guard let middle = median(values), let spread = median(values.map { abs($0 - middle) }) else { return 0 }
        return spread * deviationScale
    }
}
