// CapacityReport: all that `pgbraid capacity` tells, as values; text, JSON and page are made of it.

/// The size of something now and where it goes, in bytes.
public struct SizeForecast: Sendable, Codable, Equatable {
    public var bytes: Double
    public var historyDays: Int
    /// Days that the growth was taken from; fewer than there are where it has changed.
    public var fittedDays: Int
    /// Nil, as what follows: too little history.
    public var growthPerDay: Estimate?
    public var in30Days: Estimate?
    public var in365Days: Estimate?
    /// Bulk loads and purges that are not taken for growth.
    public var shifts: [LevelShift]
    /// By how much it has jumped in the last days, which the forecast begins with; nil: it has not.
    public var recentJump: Double?
    /// One value a day, the newest last.
    public var history: [Double]
    /// The forecast of every so many days, for charts: from tomorrow on.
    public var course: [ForecastPoint]

    public init(_ forecast: GrowthForecast) {
        bytes = forecast.latest
        historyDays = forecast.historyDays
        fittedDays = forecast.fittedDays
        growthPerDay = forecast.growthPerDay
        in30Days = forecast.value(afterDays: 30)
        in365Days = forecast.value(afterDays: 365)
        shifts = forecast.shifts
        recentJump = forecast.recentJump
        history = forecast.history
        course = ForecastPoint.course(of: forecast)
    }
}

public struct ForecastPoint: Sendable, Codable, Equatable {
    public var day: Double
    public var bytes: Estimate

    private static let points = 40

    /// As far as the chart goes: as long as the history and at least a month, where that can be told.
    static func course(of forecast: GrowthForecast) -> [ForecastPoint] {
        let last = min(forecast.horizon, 365, max(30, Double(forecast.historyDays)))
        guard last >= 1 else { return [] }
        return (1...points).compactMap { number in
            let day = last * Double(number) / Double(points)
            return forecast.value(afterDays: day).map { ForecastPoint(day: day, bytes: $0) }
        }
    }
}

public struct LimitForecast: Sendable, Codable, Equatable {
    public enum State: String, Sendable, Codable { case reached, expected, notWithin, tooLittleHistory }

    public var bytes: Double
    public var state: State
    /// Until it is reached, or within which it is not.
    public var days: Double?
    public var earliest: Double?
    public var latest: Double?

    public init(bytes: Double, _ forecast: GrowthForecast) {
        self.bytes = bytes
        switch forecast.daysUntil(bytes) {
        case .reached: state = .reached
        case .days(let days, let earliest, let latest): (state, self.days, self.earliest, self.latest) = (.expected, days, earliest, latest)
        case .notWithin(let days, let earliest): (state, self.days, self.earliest) = (.notWithin, days, earliest)
        case .tooLittleHistory: state = .tooLittleHistory
        }
    }
}

public struct ShardReport: Sendable, Codable, Equatable {
    public var shard: Int
    /// Nil: no sample of it.
    public var size: SizeForecast?
    public var limit: LimitForecast?
    public var transactionsPerDay: Double?

    public init(shard: Int, size: SizeForecast?, limit: LimitForecast?, transactionsPerDay: Double?) {
        self.shard = shard
        self.size = size
        self.limit = limit
        self.transactionsPerDay = transactionsPerDay
    }
}

/// How unevenly something lies on the shards.
public struct Skew: Sendable, Codable, Equatable {
    /// The largest shard's part divided by the mean; 1: even.
    public var maximumByMean: Double
    public var shard: Int

    /// - Parameter values: by shard.
    /// - Returns: nil of fewer than two shards, or of nothing.
    public init?(_ values: [Int: Double]) {
        let sum = values.values.reduce(0, +)
        guard values.count > 1, sum > 0, let top = values.max(by: { ($0.value, $1.key) < ($1.value, $0.key) }) else { return nil }
        maximumByMean = top.value * Double(values.count) / sum
        shard = top.key
    }
}

public struct TableReport: Sendable, Codable, Equatable {
    public var table: String
    /// "sharded", "reference" or "local"; nil: not known to who asks.
    public var placement: String?
    /// The sharding key's column.
    public var key: String?
    /// On all shards, by the servers' estimates.
    public var rows: Double
    public var size: SizeForecast
    public var bytesByShard: [Int: Double]
    public var rowsByShard: [Int: Double]
    public var skew: Skew?
    /// Rows inserted, updated and deleted, and scans begun, a day; nil where no two samples tell.
    public var writesPerDay: Double?
    public var scansPerDay: Double?

    public init(
        table: String, placement: String?, key: String?, rows: Double, size: SizeForecast, bytesByShard: [Int: Double],
        rowsByShard: [Int: Double], skew: Skew?, writesPerDay: Double?, scansPerDay: Double?
    ) {
        self.table = table
        self.placement = placement
        self.key = key
        self.rows = rows
        self.size = size
        self.bytesByShard = bytesByShard
        self.rowsByShard = rowsByShard
        self.skew = skew
        self.writesPerDay = writesPerDay
        self.scansPerDay = scansPerDay
    }
}

public struct HeavyKey: Sendable, Codable, Equatable {
    public var table: String
    public var column: String
    public var value: String
    /// Rows with the key, or statements for it.
    public var count: Double
    /// Of all of the table, or of all statements.
    public var share: Double
    public var shard: Int?
    /// Counted, not estimated.
    public var isExact: Bool

    public init(table: String, column: String, value: String, count: Double, share: Double, shard: Int?, isExact: Bool) {
        self.table = table
        self.column = column
        self.value = value
        self.count = count
        self.share = share
        self.shard = shard
        self.isExact = isExact
    }
}

public struct CapacityReport: Sendable, Codable, Equatable {
    /// UTC, ISO 8601.
    public var madeAt: String
    /// The newest sample; nil: there is none.
    public var sampledAt: String?
    public var cluster: SizeForecast?
    public var shards: [ShardReport]
    public var skew: Skew?
    /// The largest first.
    public var tables: [TableReport]
    public var heaviestByRows: [HeavyKey]
    public var heaviestByTraffic: [HeavyKey]
    public var advice: [String]
    /// What could not be found out, and why.
    public var notes: [String]

    public init(
        madeAt: String, sampledAt: String?, cluster: SizeForecast?, shards: [ShardReport], skew: Skew?, tables: [TableReport], heaviestByRows: [HeavyKey],
        heaviestByTraffic: [HeavyKey], notes: [String]
    ) {
        self.madeAt = madeAt
        self.sampledAt = sampledAt
        self.cluster = cluster
        self.shards = shards
        self.skew = skew
        self.tables = tables
        self.heaviestByRows = heaviestByRows
        self.heaviestByTraffic = heaviestByTraffic
        self.notes = notes
        advice = []
        advice = CapacityAdvice(self).sentences
    }
}
