// Facts of all workers become facts of the process.
import Testing

@testable import HTTPEndpoint

@Suite struct ProxyFactsTests {
    @Test func countsOfAllWorkersAreAddedUp() {
        let facts = FactsFixture.facts
        #expect(facts.shards.map(\.statements) == [2000, 2000])
        #expect(facts.counters["errors"] == 42)
        #expect(facts.clientCount == 4)
        #expect(facts.pools?.first == PoolFact(user: "app", shard: 0, links: 10, idle: 4, connecting: 2, waiting: 6))
        #expect(facts.pools?.first?.leased == 4)
        #expect(facts.clients == [ClientFact(user: "app", application: FactsFixture.hostile, sessions: 4, inTransaction: 2)])
        #expect(facts.durations["passed"] == DurationFact(counts: [65_536: 180, 1_048_576: 20], count: 200, totalNanoseconds: 18_000_000))
    }

    /// Each worker has its own commits; what is prepared on the shards all of them see.
    @Test func whatIsPreparedCountsOnce() {
        let facts = FactsFixture.facts
        #expect(facts.commitsUnderWay == 2)
        #expect(facts.prepared == [PreparedFact(gid: "pgbraid_x", shard: 1, owner: "app", ageSeconds: 75.5, state: "the decider is down")])
    }

    @Test func aShardIsAsTheWorkerSeesItThatSeesItWorst() {
        var facts = ProxyFacts()
        for states in [["up", "fenced"], ["down", "up"]] { facts.add(FactsFixture.shown(shardStates: states)) }
        #expect(facts.shards.map(\.state) == [.down, .fenced])
        #expect(facts.shards.map(\.lastFailure) == ["connection refused", "connection refused"])
    }

    @Test func aListThatOneWorkerLeftOutIsNone() {
        var facts = FactsFixture.facts
        var shown = FactsFixture.shown()
        shown[.pools] = nil
        shown[.clients] = nil
        facts.add(shown)
        #expect(facts.pools == nil && facts.clients == nil)
    }

    @Test func trafficIsWhatCameSinceTheLookAMinuteAgo() {
        let start = ContinuousClock.now
        let history = TrafficHistory(start: start)
        var facts = FactsFixture.facts
        func later(_ seconds: Double) -> ContinuousClock.Instant { start + .seconds(seconds) }
        #expect(history.traffic(until: facts, at: later(10)).isWhole)
        #expect(history.traffic(until: facts, at: later(10)).statements == [0: 2000, 1: 2000])
        history.note(facts, at: later(10))
        facts.shards[1].statements += 500
        facts.durations["passed"]?.counts[65_536]? += 50
        facts.durations["passed"]?.count += 50
        history.note(facts, at: later(71))
        let traffic = history.traffic(until: facts, at: later(71))
        #expect(traffic.isWhole == false && abs(traffic.seconds - 61) < 0.001)
        #expect(traffic.statements == [0: 0, 1: 500])
        #expect(traffic.durations["passed"]?.count == 50)
        #expect(traffic.durations["passed"]?.bound(of: 0.99) == 65_536)
    }

    @Test func halfOfTheDurationsAreUnderTheirBound() {
        let fact = DurationFact(counts: [1024: 50, 2048: 49, 1 << 30: 1], count: 100, totalNanoseconds: 0)
        #expect([0.5, 0.51, 0.99, 0.999].map { fact.bound(of: $0) } == [1024, 2048, 2048, 1 << 30])
        #expect(DurationFact().bound(of: 0.5) == nil)
    }
}
