// What two workers of a proxy with two shards answered.

@testable import HTTPEndpoint

enum FactsFixture {
    static let hostile = "<script>alert(\"1\")</script>"

    static func shown(shardStates: [String] = ["up", "up"]) -> [ShowCommand: ShownRows] {
        [
            .shards: ShownRows(
                columns: ["shard", "identifier", "host", "port", "database", "state", "max_prepared_transactions", "statements", "last_failure"],
                rows: shardStates.enumerated().map { number, state in
                    ["\(number)", "id\(number)", "db\(number)", "5432", "shop", state, "100", "1000", state == "up" ? nil : "connection refused"]
                }),
            .pools: ShownRows(
                columns: ["user", "shard", "links", "idle", "connecting", "waiting", "last_failure"],
                rows: [["app", "0", "5", "2", "1", "3", nil], ["app", "1", "1", "1", "0", "0", nil]]),
            .clients: ShownRows(
                columns: ["id", "user", "database", "address", "application_name", "phase", "activity", "status", "statements", "tls"],
                rows: [
                    ["0", "app", "shop", "127.0.0.1", hostile, "ready", "idle", "T", "5", nil], ["1", "app", "shop", "127.0.0.1", hostile, "ready", "idle", "I", "5", nil],
                    ["2", "postgres", "pgbraid", "[own]", "pgbraid", "console", "idle", "I", "0", nil],
                    ["3", "postgres", "shop", "[own]", "pgbraid", "ready", "idle", "I", "9", nil],
                ]),
            .transactions: ShownRows(
                columns: ["gid", "shard", "owner", "age_seconds", "state", "decider", "client"],
                rows: [["77", nil, "app", "0", "own, under way", "0", "1"], ["pgbraid_x", "1", "app", "75.5", "the decider is down", "0", nil]]),
            .latency: ShownRows(
                columns: ["way", "below_nanoseconds", "count", "total_nanoseconds"],
                rows: [["passed", "65536", "90", nil], ["passed", "1048576", "10", nil], ["passed", nil, "100", "9000000"], ["executed", nil, "0", "0"]]),
            .stats: ShownRows(
                columns: ["counter", "value"],
                rows: CounterMetric.all.map { [$0.counter, "21"] } + [["statements_per_second", "3"]]),
            .memory: ShownRows(columns: ["what", "count"], rows: [["roles", "2"], ["clients", "2"], ["sessions", "3"], ["links", "7"], ["streams", "9"], ["blocks", "4"], ["large_bytes", "0"]]),
        ]
    }

    static var facts: ProxyFacts {
        var facts = ProxyFacts()
        facts.add(shown())
        facts.add(shown())
        return facts
    }

    static let listings: ClusterListings = [
        .sagas: .rows(ShownRows(columns: ["shard", "state", "count"], rows: [["0", "running", "2"], ["1", "running", "1"], ["1", "stuck", "1"]])),
        .outbox: .rows(ShownRows(columns: ["shard", "pending", "oldest_seconds"], rows: [["0", "12", "3.5"], ["1", "0", nil]])),
        .capacity: .rows(ShownRows(columns: ["shard", "table", "bytes"], rows: [["0", "orders", "1048576"], ["1", "orders", "2048"]])),
    ]
}
