// TrafficHistory: what the counters were a minute ago, so that the page can show rates and durations of now and not since the start.
import Synchronization

/// What happened between two looks.
struct Traffic: Equatable, Sendable {
    var seconds: Double
    /// Since the start of the proxy, not since an earlier look.
    var isWhole: Bool
    /// By shard.
    var statements: [Int: UInt64]
    /// By way.
    var durations: [String: DurationFact]
}

/// Looks of about the last minute. Any thread may use it.
final class TrafficHistory: Sendable {
    /// Seconds that what is shown as now goes back, if there was a look then.
    static let window = 60.0
    /// Seconds between two looks that are kept.
    static let spacing = 5.0

    private struct Entry {
        var facts: ProxyFacts
        var at: ContinuousClock.Instant
        var isStart = false
    }

    private let entries: Mutex<[Entry]>

    /// - Parameter start: when the counters were zero.
    init(start: ContinuousClock.Instant) { entries = Mutex([Entry(facts: ProxyFacts(), at: start, isStart: true)]) }

    func note(_ facts: ProxyFacts, at instant: ContinuousClock.Instant) {
        entries.withLock { entries in
            if let last = entries.last, !last.isStart, Self.seconds(from: last.at, to: instant) < Self.spacing { return }
            entries.append(Entry(facts: facts, at: instant))
            // The first is the one that `traffic` compares with: the newest that is old enough.
            while entries.count > 2, Self.seconds(from: entries[1].at, to: instant) >= Self.window { entries.removeFirst() }
        }
    }

    /// From about a minute ago until `facts`.
    func traffic(until facts: ProxyFacts, at instant: ContinuousClock.Instant) -> Traffic {
        let first = entries.withLock { $0[0] }
        var statements: [Int: UInt64] = [:]
        for shard in facts.shards {
            statements[shard.number] = shard.statements &- (first.facts.shards.first { $0.number == shard.number }?.statements ?? 0)
        }
        var durations = facts.durations
        for (way, before) in first.facts.durations {
            for (bound, count) in before.counts { durations[way]?.counts[bound, default: 0] &-= count }
            durations[way]?.count &-= before.count
            durations[way]?.totalNanoseconds &-= before.totalNanoseconds
        }
        return Traffic(seconds: Self.seconds(from: first.at, to: instant), isWhole: first.isStart, statements: statements, durations: durations)
    }

    private static func seconds(from earlier: ContinuousClock.Instant, to later: ContinuousClock.Instant) -> Double {
        let parts = earlier.duration(to: later).components
        return Double(parts.seconds) + Double(parts.attoseconds) / 1e18
    }
}

extension DurationFact {
    /// The least bound below which are at least this part of the durations, in nanoseconds; nil when there are none, or it is above all bounds.
    func bound(of part: Double) -> UInt64? {
        let wanted = (Double(count) * part).rounded(.up)
        guard count > 0 else { return nil }
        var below = 0.0
        for (bound, count) in counts.sorted(by: { $0.key < $1.key }) {
            below += Double(count)
            if below >= wanted { return bound }
        }
        return nil
    }
}
