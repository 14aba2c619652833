// What load balancers are told.
import Testing

@testable import HTTPEndpoint

@Suite struct HealthReportTests {
    private func facts(_ states: [String]) -> FactsOrFailure {
        var facts = ProxyFacts()
        facts.add(FactsFixture.shown(shardStates: states))
        return .success(facts)
    }

    private func answer(_ phase: ProxyPhase, _ facts: FactsOrFailure?) -> String {
        let response = HealthReport(phase: phase, facts: facts).response
        return "\(response.status.rawValue) \(response.body)"
    }

    @Test func healthyIsServingWithAllShardsUp() {
        #expect(answer(.serving, facts(["up", "up"])) == #"200 {"shards":[{"shard":0,"state":"up"},{"shard":1,"state":"up"}],"status":"healthy"}"# + "\n")
    }

    @Test func aShardThatIsNotUpIsNamed() {
        #expect(
            answer(.serving, facts(["fenced", "down"]))
                == #"503 {"reason":"shard 0 is fenced, shard 1 is down","shards":[{"shard":0,"state":"fenced"},{"shard":1,"state":"down"}],"status":"unhealthy"}"# + "\n")
    }

    @Test func whoDoesNotServeIsNotHealthy() {
        #expect(answer(.draining, nil).hasPrefix(#"503 {"reason":"open transactions may finish"#))
        #expect(answer(.starting, facts(["up"])) == #"503 {"reason":"no client is let in yet","shards":[{"shard":0,"state":"up"}],"status":"starting"}"# + "\n")
        #expect(answer(.serving, nil) == #"503 {"reason":"the workers have not answered","status":"unhealthy"}"# + "\n")
        #expect(answer(.serving, .failure(FactsFailure(reason: "worker 1 does not answer"))).contains("worker 1 does not answer"))
    }
}
