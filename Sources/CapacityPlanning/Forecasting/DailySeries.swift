// DailySeries: samples at any times become one value a day, so that neither the time of day at which one looks nor how often was sampled counts.
//
// Days are counted back from the newest sample: each has a whole day's pattern, and none is half over. A day's value is the median of its samples.

/// One measurement.
public struct CapacityPoint: Sendable, Equatable {
    /// Seconds since 1970.
    public var time: Double
    public var value: Double

    public init(time: Double, value: Double) {
        self.time = time
        self.value = value
    }
}

struct DailySeries: Equatable {
    static let secondsPerDay = 86_400.0
    /// Days that are looked at; what is older says little of the next year.
    static let maximumDays = 730

    /// By day, the newest last; nil where nothing was sampled.
    var values: [Double?]
    /// The end of the newest day, in seconds since 1970.
    var end: Double
    /// How far values of one day usually lie apart; 0 where days have one sample.
    var daySpread = 0.0

    /// - Parameters:
    ///   - points: in any order.
    ///   - end: of the newest day; nil: the newest sample.
    init(_ points: [CapacityPoint], end newest: Double? = nil) {
        end = newest ?? points.map(\.time).max() ?? 0
        var samples: [Int: [Double]] = [:]
        var oldest = 0
        for point in points {
            let age = Int((end - point.time) / Self.secondsPerDay)
            guard (0..<Self.maximumDays).contains(age) else { continue }
            samples[age, default: []].append(point.value)
            oldest = max(oldest, age)
        }
        daySpread = RobustMeasures.median(samples.values.filter { $0.count > 1 }.map { ($0.max() ?? 0) - ($0.min() ?? 0) }) ?? 0
        values = samples.isEmpty ? [] : (0...oldest).map { RobustMeasures.median(samples[oldest - $0] ?? []) }
        dropUnevenFirstDay(samples[oldest] ?? [], usual: samples.values.map(\.count))
    }

    /// The oldest day may have a part of its pattern only.
    private mutating func dropUnevenFirstDay(_ first: [Double], usual: [Int]) {
        guard values.count > 1, let middle = RobustMeasures.median(usual.map(Double.init)), Double(first.count) < middle * 0.75 else { return }
        values.removeFirst()
        while let head = values.first, head == nil { values.removeFirst() }
    }

    /// Of days that follow each other, the newest last.
    init(values: [Double], end: Double, daySpread: Double = 0) {
        self.values = values
        self.end = end
        self.daySpread = daySpread
    }

    /// What several series come to together, as far back as all of them go.
    static func sum(_ all: [DailySeries]) -> DailySeries {
        let days = all.map(\.values.count).min() ?? 0
        let filled = all.map { Array($0.filled.suffix(days)) }
        return DailySeries(values: (0..<days).map { day in filled.reduce(0) { $0 + $1[day] } }, end: all.map(\.end).max() ?? 0, daySpread: all.reduce(0) { $0 + $1.daySpread })
    }

    /// Days with a value.
    var knownCount: Int { values.reduce(0) { $0 + ($1 == nil ? 0 : 1) } }

    /// The days' values with gaps filled by straight lines, and the last one kept where newer ones are missing.
    var filled: [Double] {
        var result: [Double] = []
        result.reserveCapacity(values.count)
        var lastKnown: (index: Int, value: Double)?
        for (index, value) in values.enumerated() {
            guard let value else { continue }
            if let last = lastKnown {
                for missing in stride(from: last.index + 1, to: index, by: 1) {
                    result.append(last.value + (value - last.value) * Double(missing - last.index) / Double(index - last.index))
                }
            }
            result.append(value)
            lastKnown = (index, value)
        }
        if let last = result.last { result += Array(repeating: last, count: values.count - result.count) }
        return result
    }
}
