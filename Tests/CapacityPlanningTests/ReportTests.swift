// What a report says of a cluster, in sentences, text and page.
import Testing

@testable import CapacityPlanning

@Suite struct ReportTests {
    private static let gigabyte = 1_073_741_824.0

    private func points(_ history: GeneratedHistory, seed: UInt64) -> [CapacityPoint] {
        history.generated(seed: seed).points.map { CapacityPoint(time: $0.time, value: $0.value * Self.gigabyte) }
    }

    private func report(_ histories: [GeneratedHistory], limit: Double?, keys: [HeavyKey] = [], traffic: [HeavyKey] = []) -> CapacityReport {
        let all = histories.enumerated().map { points($0.element, seed: UInt64($0.offset + 1)) }
        let shards = all.enumerated().map { number, points in
            let forecast = GrowthForecast(points)
            return ShardReport(
                shard: number, size: SizeForecast(forecast), limit: limit.map { LimitForecast(bytes: $0 * Self.gigabyte, forecast) }, transactionsPerDay: 1_000)
        }
        let sizes = Dictionary(uniqueKeysWithValues: shards.map { ($0.shard, $0.size?.bytes ?? 0) })
        let forecast = GrowthForecast(sumOf: all, latest: sizes.values.reduce(0, +))
        let table = TableReport(
            table: "orders", placement: "sharded", key: "user_id", rows: 1_000_000, size: SizeForecast(forecast), bytesByShard: sizes,
            rowsByShard: [:], skew: Skew(sizes), writesPerDay: 5, scansPerDay: 7)
        return CapacityReport(
            madeAt: "now", sampledAt: "then", cluster: SizeForecast(forecast), shards: shards, skew: Skew(sizes), tables: [table], heaviestByRows: keys,
            heaviestByTraffic: traffic, notes: [])
    }

    @Test func theShardThatIsFullFirstIsNamedFirst() {
        let histories = [1.0, 4, 2, 0].map { GeneratedHistory(days: 100, samples: 2, level: 100, growth: $0, noise: 0.5) }
        let report = report(histories, limit: 620)
        let advice = report.advice
        #expect(advice[0].hasPrefix("Shard 1 reaches its limit of 620 GB in about "), "\(advice)")
        #expect(advice[1].hasPrefix("Shard 2 reaches its limit of 620 GB in about "), "\(advice)")
        // 498 of 620 with 4 a day, and 299 with 2.
        for (shard, truth) in [(1, 30.5), (2, 160.5)] { #expect(abs((report.shards[shard].limit?.days ?? 0) - truth) < 2) }
        #expect(!advice.contains { $0.hasPrefix("Shard 3") || $0.hasPrefix("Shard 0 reaches") }, "\(advice)")
    }

    @Test func aFullShardIsSaidToBeFull() {
        let advice = report([GeneratedHistory(days: 30, samples: 2), GeneratedHistory(days: 30, samples: 2, level: 90)], limit: 95).advice
        #expect(advice == ["Shard 0 is over its limit of 95.0 GB: give it more room, or take rows away, now."])
    }

    @Test func nothingToDoIsSaid() {
        let histories = (0..<4).map { _ in GeneratedHistory(days: 100, samples: 2, level: 100, growth: 0.1, noise: 0.1) }
        #expect(report(histories, limit: 1000).advice == ["Nothing needs to be done: no shard comes near its limit within a year, and none is much larger than the others."])
    }

    private static func report(_ limits: [LimitForecast?]) -> CapacityReport {
        let size = SizeForecast(GeneratedHistory(days: 30, samples: 2, level: 100).forecast(seed: 1))
        let shards = limits.enumerated().map { ShardReport(shard: $0.offset, size: size, limit: $0.element, transactionsPerDay: nil) }
        return CapacityReport(
            madeAt: "now", sampledAt: "then", cluster: size, shards: shards, skew: nil, tables: [], heaviestByRows: [], heaviestByTraffic: [], notes: [])
    }

    private static func limit(_ state: LimitForecast.State, _ days: Double?, earliest: Double? = nil) -> LimitForecast {
        var limit = LimitForecast(bytes: 500 * gigabyte, GrowthForecast([]))
        (limit.state, limit.days, limit.earliest) = (state, days, earliest)
        return limit
    }

    /// The middle of the forecast is beyond what can be told, its edge is near.
    @Test func aLimitThatMayBeReachedIsTold() {
        #expect(
            Self.report([Self.limit(.notWithin, 180, earliest: 40), Self.limit(.notWithin, 180)]).advice == [
                "Shard 0 may reach its limit of 500 GB in 40 days, and need not within 180 days: plan more room, or further shards, in time."
            ])
        #expect(Self.report([Self.limit(.notWithin, 600, earliest: 400), Self.limit(.notWithin, 600)]).advice.first?.hasPrefix("Nothing needs to be done") == true)
    }

    @Test func nothingIsPromisedBeyondWhatTheHistoryTells() {
        #expect(
            Self.report([Self.limit(.notWithin, 42), Self.limit(.notWithin, 600)]).advice == [
                "Nothing needs to be done: no shard comes near its limit within 42 days, which is as far as the history tells, and none is much larger than the others."
            ])
    }

    @Test func shardsOfWhichNothingIsKnownAreCounted() {
        #expect(
            Self.report([Self.limit(.notWithin, 600), nil, Self.limit(.tooLittleHistory, nil), nil]).advice == [
                "Nothing needs to be done: no shard that has a limit and a forecast comes near its limit within a year, and none is much larger than the others.",
                "2 of 4 shards have no limit: nothing is known of when they are full.",
                "1 of 4 shards has too little history for a forecast: nothing is known of when it is full.",
            ])
    }

    @Test func withoutLimitsNoneAreSpokenOf() {
        #expect(
            Self.report([nil, nil]).advice == [
                "Nothing is known to need doing: none is much larger than the others. No shard has a limit to compare a forecast with: set capacity_limit, or --limit."
            ])
    }

    @Test func aJumpOfTheLastDaysIsTold() {
        let advice = report([GeneratedHistory(days: 60, samples: 2, noise: 0.1, steps: [(57, 60)])], limit: 1000).advice
        #expect(advice.contains { $0.hasPrefix("Shard 0 grew by ") && $0.hasSuffix("at once in the last days: its forecast begins with what is there now, and may be off by as much.") }, "\(advice)")
    }

    @Test func aHeavyKeyIsTheCauseOfALargeShard() {
        let histories = [100.0, 300, 100, 100].map { GeneratedHistory(days: 30, samples: 2, level: $0) }
        let key = HeavyKey(table: "orders", column: "user_id", value: "42", count: 400_000, share: 0.4, shard: 1, isExact: true)
        let traffic = HeavyKey(table: "orders", column: "user_id", value: "7", count: 9_000, share: 0.3, shard: nil, isExact: false)
        let advice = report(histories, limit: nil, keys: [key], traffic: [traffic]).advice
        #expect(advice.count == 3)
        #expect(advice[0] == "Shard 1 holds 2.00 times the mean of all shards. Most of that is table orders, of which key user_id = 42 alone has 40 % of the rows.")
        #expect(advice[1] == "Key user_id = 42 has 40 % of the rows of orders. All of it is on shard 1, and no further shard changes that.")
        #expect(advice[2].hasPrefix("Key user_id = 7 gets 30 % of all statements with a key"))
    }

    @Test func shortHistoriesAreCalledSo() {
        let report = report([GeneratedHistory(days: 3, samples: 4, growth: 1)], limit: 500)
        #expect(report.advice == ["There is too little history to tell where it goes: 7 days are needed for growth, 61 for a year's forecast."])
        #expect(report.text.contains("too little history"))
    }

    @Test func bulkLoadsAreTold() {
        let advice = report([GeneratedHistory(days: 100, samples: 2, noise: 0.1, steps: [(60, 50)])], limit: 1000).advice
        #expect(advice.count == 1 && advice[0].contains("at once 40 days ago; that is not taken for growth"), "\(advice)")
        #expect(advice[0].hasPrefix("Shard 0 grew by 50.0 GB") || advice[0].hasPrefix("Shard 0 grew by 49.9 GB") || advice[0].hasPrefix("Shard 0 grew by 50.1 GB"), "\(advice)")
    }

    /// Names and keys are what anybody chose.
    @Test func thePageShowsNamesAndRunsNone() throws {
        let key = HeavyKey(table: "<b>", column: "\"k\"", value: "<script>alert('x')</script>&<\u{301}", count: 1, share: 0.5, shard: 0, isExact: true)
        let page = report([GeneratedHistory(days: 30, samples: 2, growth: 1)], limit: 500, keys: [key]).page
        #expect(!page.contains("<script") && !page.contains("<b>&") && !page.contains("<\u{301}"))
        #expect(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&lt;\u{301}"))
        #expect(page.contains("<polygon class=\"band\"") && page.contains("<svg"))
        #expect(!page.contains("http"), "the page needs nothing else")
    }

    @Test func theObjectOfAReportIsReadAgain() throws {
        let report = report([GeneratedHistory(days: 30, samples: 2, growth: 1)], limit: 500)
        let text = try report.json()
        #expect(text.contains("\"historyDays\" : 30") && text.contains("\"state\" : \"notWithin\"") || text.contains("\"state\" : \"expected\""))
    }

    @Test func bytesAreWrittenAsPeopleReadThem() {
        let written: [(Double, String)] = [
            (0, "0 B"), (999, "999 B"), (1023, "1.00 kB"), (1024, "1.00 kB"), (1_536, "1.50 kB"), (1_073_741_824 * 12.34, "12.3 GB"), (-2_097_152, "-2.00 MB"),
            (1_125_899_906_842_624 * 5000, "5000 PB"),
        ]
        for (bytes, text) in written { #expect(Quantity.bytes(bytes) == text) }
    }

    @Test func countsHaveCommas() {
        #expect([0, 999, 1_000, 1_234_567, -1_000].map(Quantity.count) == ["0", "999", "1,000", "1,234,567", "-1,000"])
    }
}
