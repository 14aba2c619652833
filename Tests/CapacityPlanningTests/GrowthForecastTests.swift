// Forecasts of histories whose truth is known.
import Testing

@testable import CapacityPlanning

@Suite struct GrowthForecastTests {
    private static let seeds: Range<UInt64> = 1..<41

    private func slopes(_ history: GeneratedHistory) -> [Double] { Self.seeds.compactMap { history.forecast(seed: $0).growthPerDay?.value } }

    @Test func linearGrowthIsFound() {
        let slopes = slopes(GeneratedHistory(days: 90, growth: 1, noise: 3))
        #expect(slopes.count == Self.seeds.count)
        #expect(slopes.allSatisfy { abs($0 - 1) < 0.12 }, "\(slopes)")
        #expect(abs(slopes.reduce(0, +) / Double(slopes.count) - 1) < 0.02)
    }

    /// How often what comes lies between low and high, which is to be nine times of ten: over noise that stays, chance that adds up, and both.
    @Test(arguments: [(noise: 2.0, drift: 0.0), (0.0, 0.7), (1.0, 0.4)], [(days: 30, ahead: 30), (120, 30), (120, 365)])
    func nineOfTenOutcomesLieInTheSpread(_ chance: (noise: Double, drift: Double), _ times: (days: Int, ahead: Int)) throws {
        let history = GeneratedHistory(days: times.days, samples: 4, growth: 1, noise: chance.noise, drift: chance.drift)
        var inside = 0
        let tries = 200
        for seed in 0..<UInt64(tries) {
            let (points, future) = history.generated(seed: 1000 + seed, future: times.ahead)
            let forecast = GrowthForecast(points)
            guard let estimate = forecast.value(afterDays: min(Double(times.ahead), forecast.horizon)) else { continue }
            let truth = future[min(times.ahead, Int(forecast.horizon)) - 1]
            if (estimate.low...estimate.high).contains(truth) { inside += 1 }
        }
        let part = Double(inside) / Double(tries)
        #expect((0.82...0.99).contains(part), "\(part) of the outcomes, noise \(chance.noise), drift \(chance.drift), \(times.ahead) days after \(times.days)")
    }

    /// A wave of ten times the growth of its period; the forecast may be made at any hour and weekday.
    @Test(arguments: [0.0, 5, 11, 17, 23]) func theHourOfTheDayDoesNotMatter(_ lastHour: Double) throws {
        let forecast = GeneratedHistory(days: 60, growth: 1, noise: 0.5, daily: 10).forecast(seed: 7, lastHour: lastHour)
        let growth = try #require(forecast.growthPerDay)
        #expect(abs(growth.value - 1) < 0.05, "\(growth)")
        let month = try #require(forecast.value(afterDays: 30))
        #expect(abs(month.value - 190) < 5, "\(month)")
    }

    @Test(arguments: 0..<7) func theWeekdayDoesNotMatter(_ weekday: Int) throws {
        let days = 56 + weekday
        let forecast = GeneratedHistory(days: days, growth: 1, noise: 0.5, weekly: 10).forecast(seed: 7)
        let growth = try #require(forecast.growthPerDay)
        #expect(abs(growth.value - 1) < 0.08, "\(growth)")
        let month = try #require(forecast.value(afterDays: 30))
        #expect(abs(month.value - Double(130 + days)) < 5, "\(month)")
    }

    /// In four weeks a wave of ten times a day's growth hides it from who does not know of weeks.
    @Test(arguments: 0..<7) func fourWeeksTellOfWeekdays(_ weekday: Int) throws {
        let forecast = GeneratedHistory(days: 28 + weekday, growth: 1, noise: 0.2, weekly: 10).forecast(seed: 9)
        let growth = try #require(forecast.growthPerDay)
        #expect(abs(growth.value - 1) < 0.08, "\(growth)")
    }

    /// It grows by ten on six days and is emptied on the seventh: that is no growth, and no purge that happened once.
    @Test(arguments: 0..<7) func aWeeklyPurgeIsNoGrowth(_ weekday: Int) throws {
        let days = 70 + weekday
        let purges = stride(from: 6, to: days, by: 7).map { (day: $0, size: -70.0) }
        let forecast = GeneratedHistory(days: days, level: 500, growth: 10, noise: 0.5, steps: purges).forecast(seed: 3)
        let growth = try #require(forecast.growthPerDay)
        #expect(abs(growth.value) < 0.2, "\(growth)")
        #expect(forecast.shifts.isEmpty, "\(forecast.shifts)")
    }

    @Test(arguments: [-150.0, 60, 300], [20, 60, 100]) func aBulkLoadIsNotExtrapolated(_ size: Double, _ day: Int) throws {
        let forecast = GeneratedHistory(level: 400, growth: 1, noise: 1, steps: [(day, size)]).forecast(seed: 11)
        let growth = try #require(forecast.growthPerDay)
        #expect(abs(growth.value - 1) < 0.1, "\(growth)")
        let shift = try #require(forecast.shifts.first)
        #expect(forecast.shifts.count == 1 && abs(Double(shift.daysAgo) - Double(120 - day)) <= 1 && abs(shift.size - size) < 10, "\(forecast.shifts)")
        let month = try #require(forecast.value(afterDays: 30))
        #expect(abs(month.value - (550 + size)) < 10, "\(month)")
    }

    /// Too young to be a shift: what is there now is there all the same, and the forecast begins with it.
    @Test(arguments: [1, 2, 3], [60.0, -60]) func aJumpOfTheLastDaysIsWhereTheForecastBegins(_ daysAgo: Int, _ size: Double) throws {
        for noise in [0.0, 0.5] {
            let forecast = GeneratedHistory(days: 60, level: 100, noise: noise, steps: [(60 - daysAgo, size)]).forecast(seed: 37)
            #expect(abs(forecast.latest - (100 + size)) < 3)
            #expect(abs(try #require(forecast.recentJump) - size) < 3)
            let month = try #require(forecast.value(afterDays: 30))
            #expect(abs(month.value - (100 + size)) < 8, "\(month)")
            // It may be undone, or happen again.
            #expect(month.low <= min(100, 100 + size) + 3 && month.high >= max(100, 100 + size) - 3, "\(month)")
        }
        #expect(GeneratedHistory(days: 60, level: 100, noise: 0.5, steps: [(20, size)]).forecast(seed: 37).recentJump == nil)
    }

    /// Whether it counts as a recent jump already, or as a shift that is over.
    @Test(arguments: [4, 5, 6, 7, 8, 9]) func noJumpIsMissedBetweenRecentAndOver(_ daysAgo: Int) throws {
        let forecast = GeneratedHistory(days: 60, level: 100, noise: 0.5, steps: [(60 - daysAgo, 60)]).forecast(seed: 37)
        let month = try #require(forecast.value(afterDays: 30))
        #expect(abs(month.value - 160) < 8, "\(month)")
        #expect((forecast.recentJump == nil) != forecast.shifts.isEmpty, "\(forecast.shifts)")
    }

    @Test func wavesAndNoiseAreNoJumps() {
        for seed in Self.seeds {
            for history in [
                GeneratedHistory(days: 60, growth: 1, noise: 2, daily: 10), GeneratedHistory(days: 60, growth: 1, noise: 0.5, weekly: 10),
                GeneratedHistory(days: 60, samples: 1, growth: 5), GeneratedHistory(days: 14, growth: 1, noise: 0.3),
            ] { #expect(history.forecast(seed: seed).recentJump == nil, "\(history), seed \(seed)") }
        }
    }

    @Test func severalBulkLoadsOnAFlatHistory() throws {
        let forecast = GeneratedHistory(days: 200, noise: 0.5, steps: [(30, 50), (110, 80), (160, 20)]).forecast(seed: 5)
        #expect(abs(try #require(forecast.growthPerDay).value) < 0.05)
        #expect(forecast.shifts.count == 3, "\(forecast.shifts)")
    }

    /// It has grown five times as fast for some weeks: what it did before says nothing of what it will do.
    @Test(arguments: [21, 28, 45, 90]) func onlyThePresentGrowthCounts(_ daysAgo: Int) throws {
        let forecast = GeneratedHistory(days: 200, growth: 1, noise: 1, changeDay: 200 - daysAgo, laterGrowth: 5).forecast(seed: 13)
        let growth = try #require(forecast.growthPerDay)
        #expect(abs(growth.value - 5) < 0.8, "\(growth), from \(forecast.fittedDays) days")
        #expect(forecast.fittedDays < 200)
    }

    @Test func deletesShrinkIt() throws {
        let forecast = GeneratedHistory(days: 60, level: 100, growth: -1, noise: 0.5).forecast(seed: 17)
        let growth = try #require(forecast.growthPerDay)
        #expect(abs(growth.value + 1) < 0.05 && growth.high < 0, "\(growth)")
        #expect(try #require(forecast.value(afterDays: 30)).value < 15)
        // Nothing has less than no bytes.
        #expect(forecast.value(afterDays: 200) == Estimate(value: 0, low: 0, high: 0))
        #expect(forecast.daysUntil(150) == .notWithin(days: 360, earliest: nil))
    }

    @Test func whatStandsStillHasNoSpread() throws {
        let forecast = GeneratedHistory(days: 80).forecast(seed: 1)
        #expect(forecast.growthPerDay == Estimate(value: 0, low: 0, high: 0))
        #expect(forecast.value(afterDays: 365) == Estimate(value: 100, low: 100, high: 100))
        #expect(forecast.daysUntil(100.5) == .notWithin(days: 480, earliest: nil))
        #expect(forecast.daysUntil(100) == .reached)
    }

    @Test func shortHistoriesSaySo() {
        for days in 1..<GrowthForecast.minimumDays {
            let forecast = GeneratedHistory(days: days, growth: 1).forecast(seed: 1)
            #expect(forecast.growthPerDay == nil && forecast.value(afterDays: 1) == nil, "\(days) days")
            #expect(forecast.daysUntil(1000) == .tooLittleHistory)
        }
        let twoWeeks = GeneratedHistory(days: 14, growth: 1, noise: 0.2).forecast(seed: 1)
        #expect(twoWeeks.value(afterDays: 30) != nil && twoWeeks.value(afterDays: 365) == nil)
        #expect(GrowthForecast([]).growthPerDay == nil)
    }

    /// 100 now, one more each day, and a limit of 300.
    @Test func theLimitIsReachedWhenItIs() throws {
        let forecast = GeneratedHistory(days: 100, level: 0, growth: 1, noise: 1).forecast(seed: 19)
        guard case .days(let days, let earliest?, let latest?) = forecast.daysUntil(300) else {
            Issue.record("\(forecast.daysUntil(300))")
            return
        }
        #expect(abs(days - 200) < 10 && earliest < days && latest > days, "\(earliest), \(days), \(latest)")
    }

    /// The proxy stood still for some days, and samples of old days are one a day.
    @Test func gapsAndThinnedDaysChangeNothing() throws {
        let points = GeneratedHistory(days: 90, growth: 1, noise: 0.3, daily: 5).generated(seed: 23).points
        let kept = points.filter { point in
            let day = Int((point.time - GeneratedHistory.start) / 86_400)
            let hour = Int((point.time - GeneratedHistory.start) / 3_600) % 24
            return !(40..<46).contains(day) && (day >= 60 || hour == (day * 5 % 2 == 0 ? 0 : 12))
        }
        let growth = try #require(GrowthForecast(kept.shuffled()).growthPerDay)
        #expect(abs(growth.value - 1) < 0.05, "\(growth)")
    }

    @Test func theSameSamplesGiveTheSameForecast() {
        let history = GeneratedHistory(days: 50, growth: 1, noise: 2)
        #expect(history.forecast(seed: 29).value(afterDays: 90) == history.forecast(seed: 29).value(afterDays: 90))
    }

    @Test func aSumGoesAsItsPartsDo() throws {
        let parts = (1...4).map { GeneratedHistory(days: 60, growth: Double($0), noise: 0.5).generated(seed: UInt64($0)).points }
        let growth = try #require(GrowthForecast(sumOf: parts, latest: 1000).growthPerDay)
        #expect(abs(growth.value - 10) < 0.2, "\(growth)")
    }
}
