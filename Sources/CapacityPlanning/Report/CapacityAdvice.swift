// CapacityAdvice: what follows from a report, in sentences, the most urgent first.

struct CapacityAdvice {
    /// From when on a shard is said to be larger than the others, in parts of the mean.
    private static let unevenShard = 1.25
    /// From when on a key is said to be heavy, in parts of a shard's fair share.
    private static let heavyPart = 0.25
    private static let urgentDays = 90.0
    private static let plannedDays = 365.0

    private let report: CapacityReport

    init(_ report: CapacityReport) { self.report = report }

    var sentences: [String] {
        guard report.sampledAt != nil else {
            return ["There are no samples yet: a proxy takes the first one when it starts, unless capacity.sample_interval is 0."]
        }
        let found = limits + jumps + shrinking + shifts + skew + heavyRows + heavyTraffic
        return (found.isEmpty ? [quiet] : found) + gaps
    }

    private var quiet: String {
        let isKnown = report.shards.contains { $0.size?.growthPerDay != nil }
        if !isKnown { return "There is too little history to tell where it goes: \(GrowthForecast.minimumDays) days are needed for growth, 61 for a year's forecast." }
        let others = report.shards.count > 1 ? "none is much larger than the others" : ""
        guard let horizon else {
            return "Nothing is known to need doing" + (others.isEmpty ? "" : ": \(others)")
                + ". No shard has a limit to compare a forecast with: set capacity_limit, or --limit."
        }
        let time = horizon >= Self.plannedDays ? "a year" : "\(Quantity.days(horizon)), which is as far as the history tells"
        return "Nothing needs to be done: no shard \(judged.count < report.shards.count ? "that has a limit and a forecast " : "")comes near its limit within \(time)"
            + (others.isEmpty ? "." : ", and \(others).")
    }

    /// Shards of which it is known whether they come near a limit.
    private var judged: [LimitForecast] { report.shards.compactMap(\.limit).filter { $0.state != .tooLittleHistory } }

    /// How far all of them can be seen, in days; nil: none can.
    private var horizon: Double? { judged.map { $0.state == .notWithin ? $0.days ?? 0 : .infinity }.min() }

    /// What nothing can be said of, where there is something to say of the others.
    private var gaps: [String] {
        guard !judged.isEmpty else { return [] }
        let unlimited = report.shards.filter { $0.limit == nil }.count
        let unknown = report.shards.filter { $0.limit?.state == .tooLittleHistory }.count
        return [(unlimited, "no limit"), (unknown, "too little history for a forecast")].filter { $0.0 > 0 }.map { count, what in
            "\(count) of \(report.shards.count) shards \(count == 1 ? "has" : "have") \(what): nothing is known of when \(count == 1 ? "it is" : "they are") full."
        }
    }

    private var limits: [String] {
        let pressing = report.shards.compactMap { shard in shard.limit.map { (shard.shard, $0) } }.filter { isPressing($0.1) }
        return pressing.sorted { ($0.1.days ?? 0, $0.0) < ($1.1.days ?? 0, $1.0) }.map { sentence(shard: $0.0, $0.1) }
    }

    private func isPressing(_ limit: LimitForecast) -> Bool {
        switch limit.state {
        case .reached: true
        case .expected: (limit.earliest ?? limit.days ?? 0) <= Self.plannedDays
        // The middle of what may come is beyond what the history tells, and its edge is not.
        case .notWithin: limit.earliest.map { $0 <= Self.plannedDays } ?? false
        case .tooLittleHistory: false
        }
    }

    private func sentence(shard: Int, _ limit: LimitForecast) -> String {
        let bytes = Quantity.bytes(limit.bytes)
        if limit.state == .notWithin, let earliest = limit.earliest {
            return "Shard \(shard) may reach its limit of \(bytes) in \(Quantity.days(earliest)), and need not within \(Quantity.days(limit.days ?? 0)): plan more room, or further shards, in time."
        }
        guard limit.state == .expected, let days = limit.days else {
            return "Shard \(shard) is over its limit of \(bytes): give it more room, or take rows away, now."
        }
        let what =
            days <= Self.urgentDays
            ? "Give it more room, or move or delete rows, before then." : "Plan more room, or further shards, in time."
        return "Shard \(shard) reaches its limit of \(bytes) in about \(limit.text). \(what)"
    }

    private var jumps: [String] {
        report.shards.compactMap { shard in
            guard let size = shard.size, let jump = size.recentJump, abs(jump) > size.bytes / 20 else { return nil }
            let what = jump > 0 ? "grew by \(Quantity.bytes(jump))" : "shrank by \(Quantity.bytes(-jump))"
            return "Shard \(shard.shard) \(what) at once in the last days: its forecast begins with what is there now, and may be off by as much."
        }
    }

    private var shrinking: [String] {
        guard let growth = report.cluster?.growthPerDay, growth.high < 0, let bytes = report.cluster?.bytes, -growth.value * 365 > bytes / 20 else { return [] }
        return ["The cluster shrinks by \(Quantity.bytes(-growth.value)) a day: no room needs to be added."]
    }

    private var shifts: [String] {
        report.shards.compactMap { shard in
            guard let size = shard.size, let shift = size.shifts.first, abs(shift.size) > size.bytes / 20 else { return nil }
            let what = shift.size > 0 ? "grew by \(Quantity.bytes(shift.size))" : "shrank by \(Quantity.bytes(-shift.size))"
            return "Shard \(shard.shard) \(what) at once \(Quantity.days(Double(shift.daysAgo))) ago; that is not taken for growth."
        }
    }

    private var skew: [String] {
        var sentences: [String] = []
        if let skew = report.skew, skew.maximumByMean >= Self.unevenShard {
            sentences.append("Shard \(skew.shard) holds \(Quantity.ratio(skew.maximumByMean)) times the mean of all shards.\(cause(of: skew.shard))")
        }
        return sentences
    }

    /// The table that makes a shard large, and a key that makes the table so.
    private func cause(of shard: Int) -> String {
        let excess = report.tables.compactMap { table -> (TableReport, Double)? in
            guard !table.bytesByShard.isEmpty, let own = table.bytesByShard[shard] else { return nil }
            return (table, own - table.bytesByShard.values.reduce(0, +) / Double(table.bytesByShard.count))
        }
        guard let (table, bytes) = excess.max(by: { $0.1 < $1.1 }), bytes > 0 else { return "" }
        let key = report.heaviestByRows.first { $0.table == table.table && $0.shard == shard && $0.share >= Self.heavyPart / Double(report.shards.count) }
        let why = key.map { ", of which key \($0.column) = \($0.value) alone has \(Quantity.share($0.share)) of the rows" } ?? ""
        return " Most of that is table \(table.table)\(why)."
    }

    private var heavyRows: [String] {
        report.heaviestByRows.filter { isHeavy($0) }.prefix(3).map { key in
            let place = key.shard.map { " All of it is on shard \($0), and no further shard changes that." } ?? ""
            return "Key \(key.column) = \(key.value) has \(Quantity.share(key.share)) of the rows of \(key.table).\(place)"
        }
    }

    private var heavyTraffic: [String] {
        report.heaviestByTraffic.filter { isHeavy($0) }.prefix(3).map { key in
            "Key \(key.column) = \(key.value) gets \(Quantity.share(key.share)) of all statements with a key: "
                + "its shard works more than the others, and further shards do not relieve it."
        }
    }

    /// More than a quarter of what a shard has when all is even.
    private func isHeavy(_ key: HeavyKey) -> Bool { key.share >= Self.heavyPart / Double(max(1, report.shards.count)) }
}
