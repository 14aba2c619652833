// GrowthForecast: from samples to growth a day, where it leads, and how sure that is.
//
//   samples -> one value a day -> without weekly pattern -> without jumps -> as far back as it has grown as it does now -> line and spread
//
// A jump of the last days is too young to be told from noise by what came after it: the forecast begins with it, and says that it may be off by it.
//
// Nothing is said that the history does not bear: below a week there is no growth, and no forecast reaches further than six times the history.

/// A value and between what it most likely lies.
public struct Estimate: Sendable, Equatable, Codable {
    public var value: Double
    /// One in twenty is below `low`, one in twenty above `high`.
    public var low: Double
    public var high: Double

    public init(value: Double, low: Double, high: Double) {
        self.value = value
        self.low = low
        self.high = high
    }
}

/// When a limit is reached.
public enum DaysUntilLimit: Sendable, Equatable {
    case reached
    /// In so many days; `earliest` and `latest` as in Estimate, nil: not within what the history tells.
    case days(Double, earliest: Double?, latest: Double?)
    /// Not within so many days, but it may be as early as `earliest`.
    case notWithin(days: Double, earliest: Double?)
    case tooLittleHistory
}

public struct GrowthForecast: Sendable {
    public static let minimumDays = 7
    /// The farthest horizon, in lengths of the history.
    public static let reach = 6.0
    /// The farthest horizon, in days.
    public static let maximumHorizon = 3_650.0
    static let lowPart = 0.05
    static let highPart = 0.95

    /// Days with samples, from the first to the last.
    public let historyDays: Int
    /// The newest value.
    public let latest: Double
    /// Jumps that are not growth, the largest first.
    public let shifts: [LevelShift]
    /// Days the line was laid through; fewer than the history where growth has changed.
    public let fittedDays: Int
    /// How much more (or, below zero, less) there is than the line says, by a jump in the last days; nil: there was none.
    public let recentJump: Double?
    private let daily: DailySeries
    private let line: (level: Double, slope: Double)?
    private let spread: ForecastSpread?

    /// - Parameter points: samples in any order.
    public init(_ points: [CapacityPoint]) {
        self.init(DailySeries(points), latest: points.max { $0.time < $1.time }?.value ?? 0)
    }

    /// What several series come to together.
    /// - Parameters:
    ///   - parts: the samples of each, in any order.
    ///   - latest: what they come to now.
    public init(sumOf parts: [[CapacityPoint]], latest: Double) {
        let end = parts.joined().map(\.time).max()
        self.init(DailySeries.sum(parts.map { DailySeries($0, end: end) }), latest: latest)
    }

    init(_ daily: DailySeries, latest: Double) {
        self.latest = latest
        self.daily = daily
        historyDays = daily.values.count
        guard daily.values.count >= Self.minimumDays, daily.knownCount * 2 >= daily.values.count else {
            (shifts, fittedDays, line, spread, recentJump) = ([], 0, nil, nil, nil)
            return
        }
        let filled = daily.filled
        let effects = WeeklyPattern.effects(of: filled)
        let even = filled.indices.map { filled[$0] - effects[$0 % WeeklyPattern.period] }
        let level = LevelShifts.removed(from: even)
        shifts = level.shifts
        let window = GrowthRegime.window(of: level.values)
        fittedDays = window.count
        let fitted = Line.fit(window)
        line = fitted
        let calm = RecentJump.find(in: window, latest: latest, daySpread: daily.daySpread, effects: effects)
        recentJump = calm.map { _ in latest - (fitted.level + fitted.slope * Self.untilNow) }
        // A jump is no noise that other days have, too.
        let model = calm ?? NoiseModel(residuals: Line.residuals(of: window, fitted))
        spread = ForecastSpread(model: model.widened(by: effects), days: window.count, estimate: Line.quickFit)
    }

    /// The days' values as they were, the newest last, for charts.
    public var history: [Double] { daily.filled }

    /// Units a day; nil: too little history.
    public var growthPerDay: Estimate? {
        guard let line, let spread else { return nil }
        return Estimate(value: line.slope, low: line.slope + spread.slopeError(Self.lowPart), high: line.slope + spread.slopeError(Self.highPart))
    }

    /// The farthest day that is forecast; 0: none.
    public var horizon: Double { line == nil ? 0 : min(Self.maximumHorizon, Double(historyDays) * Self.reach) }

    /// What there will be after so many days, never below zero; nil: too little history.
    public func value(afterDays days: Double) -> Estimate? {
        guard days <= horizon else { return nil }
        return unbounded(afterDays: days).map { Estimate(value: max(0, $0.value), low: max(0, $0.low), high: max(0, $0.high)) }
    }

    private func unbounded(afterDays days: Double) -> Estimate? {
        guard let line, let spread else { return nil }
        let jump = recentJump ?? 0
        let value = line.level + line.slope * (days + Self.untilNow) + jump
        return Estimate(
            value: value, low: value + spread.error(Self.lowPart, afterDays: days) - abs(jump),
            high: value + spread.error(Self.highPart, afterDays: days) + abs(jump))
    }

    /// The newest day's value is that of its middle, in days.
    static let untilNow = 0.5

    /// When there is as much as `limit`.
    public func daysUntil(_ limit: Double) -> DaysUntilLimit {
        if latest >= limit { return .reached }
        guard horizon > 0 else { return .tooLittleHistory }
        let earliest = firstDay { unbounded(afterDays: $0).map { $0.high >= limit } ?? false }
        guard let middle = firstDay({ unbounded(afterDays: $0).map { $0.value >= limit } ?? false }) else {
            return .notWithin(days: horizon, earliest: earliest)
        }
        return .days(middle, earliest: earliest, latest: firstDay { unbounded(afterDays: $0).map { $0.low >= limit } ?? false })
    }

    /// The first day up to the horizon on which something is so that stays so, by halves; nil: none.
    private func firstDay(_ isReached: (Double) -> Bool) -> Double? {
        guard isReached(horizon) else { return nil }
        var (before, after) = (0.0, horizon)
        while after - before > 0.5 {
            let middle = (before + after) / 2
            if isReached(middle) { after = middle } else { before = middle }
        }
        return after
    }
}

/// Lines through a series.
enum Line {
    /// The level is that of the last day; the last four weeks say where it is.
    private static let levelDays = 28

    static func fit(_ values: ArraySlice<Double>) -> (level: Double, slope: Double) { at(TheilSen.slope(values) ?? 0, values) }

    static func quickFit(_ values: ArraySlice<Double>) -> (level: Double, slope: Double) { at(TheilSen.incompleteSlope(values) ?? 0, values) }

    /// What the values differ by from their line.
    static func residuals(of values: ArraySlice<Double>, _ line: (level: Double, slope: Double)) -> [Double] {
        values.indices.map { values[$0] - line.level - line.slope * Double($0 - (values.endIndex - 1)) }
    }

    private static func at(_ slope: Double, _ values: ArraySlice<Double>) -> (level: Double, slope: Double) {
        let last = values.endIndex - 1
        let moved = values.indices.suffix(levelDays).map { values[$0] + slope * Double(last - $0) }
        return (RobustMeasures.median(moved) ?? 0, slope)
    }
}

extension NoiseModel {
    /// What weekdays differ by is to be expected on the day that is forecast, too.
    func widened(by effects: [Double]) -> NoiseModel {
        let variance = effects.reduce(0) { $0 + $1 * $1 } / Double(effects.count)
        return NoiseModel(noise: (noise * noise + variance).squareRoot(), step: step)
    }
}
