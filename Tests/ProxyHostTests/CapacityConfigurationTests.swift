// The section [capacity], and the drawing of the statements whose keys are counted.
import Primitives
import Testing

@testable import ProxyCore
@testable import ProxyHost

@Suite struct CapacityConfigurationTests {
    private static let least = "proxy.auth = \"trust\"\nproxy.allow_unlisted_users = true\n[[shard]]\nhost = \"a\"\n"

    private func read(_ text: String) throws -> CapacitySettings {
        try Configuration.parse(Self.least + text, file: "proxy.conf", directory: "/nonexistent").capacity
    }

    @Test func theSectionIsRead() throws {
        #expect(try read("") == CapacitySettings())
        var settings = CapacitySettings()
        settings.sampleInterval = .seconds(60)
        settings.detailedDays = 7
        settings.keptDays = 100
        settings.limitBytes = 2 << 40
        settings.keySampleInterval = 0
        let text = "[capacity]\nsample_interval = \"1min\"\ndetailed_days = 7\nkept_days = 100\ncapacity_limit = \"2TB\"\nkey_sample = 0"
        #expect(try read(text) == settings)
    }

    @Test(arguments: [
        ("sample_interval = \"10ms\"", "must be at least \"100ms\""), ("detailed_days = 50\nkept_days = 40", "must not be below detailed_days"),
        ("capacity_limit = \"much\"", "is no size"), ("key_sample = -1", "is -1, must be from 0"), ("limit = 1", "is not a known key"),
    ]) func mistakesAreTold(_ text: String, _ mistake: String) throws {
        do {
            _ = try read("[capacity]\n" + text)
            Issue.record("no mistake in \(text)")
        } catch let error as ConfigurationError {
            #expect(error.mistakes.map(\.description).joined().contains(mistake), "\(error.mistakes)")
        }
    }

    /// All statements are counted whatever is sampled, and one in so many is, at intervals that have no rhythm.
    @Test(arguments: [UInt64(1), 16, 1024]) func oneStatementInSoManyIsDrawn(_ interval: UInt64) {
        var statistics = Statistics(sampleInterval: interval)
        defer { statistics.free() }
        let statements: UInt64 = 200_000
        var distances: [UInt64] = []
        var last: UInt64 = 0
        for number in 1...statements where statistics.isSampled(shard: ShardIndex(0)) {
            statistics.drawSample()
            distances.append(number - last)
            last = number
        }
        #expect(statistics.statements == statements && statistics.statementsByShard[0] == statements)
        let mean = Double(last) / Double(distances.count)
        #expect(abs(mean - Double(interval)) < Double(interval) * 0.15, "\(mean)")
        #expect(interval == 1 || Set(distances).count > min(20, Int(interval)))
        #expect(distances.allSatisfy { $0 < 2 * interval })
    }

    @Test func nothingIsDrawnWhereNothingIsWanted() {
        var statistics = Statistics(sampleInterval: 0)
        defer { statistics.free() }
        let drawn = (0..<10_000).filter { _ in statistics.isSampled(shard: ShardIndex(1)) }
        #expect(drawn.isEmpty && statistics.statements == 10_000)
        statistics.sampleInterval = 1
        #expect(statistics.statements == 10_000)
        let isDrawn = statistics.isSampled(shard: ShardIndex(1))
        #expect(isDrawn && statistics.statements == 10_001)
    }
}
