// ProxyMetrics: facts as metrics. docs/http.md lists all of them.

enum ProxyMetrics {
    static func families(_ facts: ProxyFacts) -> [MetricFamily] {
        shards(facts.shards) + CounterMetric.all.compactMap { $0.family(facts.counters) } + pools(facts.pools ?? []) + memory(facts)
            + transactions(facts) + [durations(facts.durations)]
    }

    static func always(phase: ProxyPhase, access: AdminAccess) -> [MetricFamily] {
        [
            MetricFamily("pgbraid_build", .info, "Which version runs.").with(.whole(1), [("version", access.version)]),
            MetricFamily("pgbraid_serving", .gauge, "1 while clients are let in, 0 before and while the proxy drains.").with(.whole(phase == .serving ? 1 : 0)),
            MetricFamily("pgbraid_workers", .gauge, "Threads that serve clients.").with(.whole(UInt64(access.workerCount))),
        ]
    }

    private static func shards(_ shards: [ShardFact]) -> [MetricFamily] {
        var up = MetricFamily("pgbraid_shard_up", .gauge, "1 while all workers use the shard.")
        var fenced = MetricFamily("pgbraid_shard_fenced", .gauge, "1 while the shard is reached and closed to clients until recovery has ended what is decided on it.")
        var statements = MetricFamily("pgbraid_shard_statements", .counter, "Statements sent to the shard.")
        for shard in shards {
            let label = [("shard", "\(shard.number)")]
            up.add(.whole(shard.state == .up ? 1 : 0), label)
            fenced.add(.whole(shard.state == .fenced ? 1 : 0), label)
            statements.add(.whole(shard.statements), label)
        }
        return [up, fenced, statements]
    }

    private static func pools(_ pools: [PoolFact]) -> [MetricFamily] {
        var links = MetricFamily("pgbraid_pool_links", .gauge, "Connections to a shard, by role and what they do.")
        var waiting = MetricFamily("pgbraid_pool_waiting_sessions", .gauge, "Sessions that wait for a connection to a shard.")
        for pool in pools {
            let labels = [("user", pool.user), ("shard", "\(pool.shard)")]
            for (state, count) in [("connecting", pool.connecting), ("idle", pool.idle), ("used", pool.leased)] {
                links.add(.whole(UInt64(count)), labels + [("state", state)])
            }
            waiting.add(.whole(UInt64(pool.waiting)), labels)
        }
        return [links, waiting]
    }

    private static func memory(_ facts: ProxyFacts) -> [MetricFamily] {
        func gauge(_ name: String, _ what: String, unit: String? = nil, _ help: String) -> MetricFamily {
            MetricFamily(name, .gauge, unit: unit, help).with(.whole(facts.memory[what] ?? 0))
        }
        return [
            gauge("pgbraid_client_sessions", "clients", "Clients that are connected, without those of the admin database."),
            gauge("pgbraid_shard_links", "links", "Connections to shards, of all roles and the proxy's own."),
            gauge("pgbraid_buffer_blocks", "blocks", "Blocks of buffers in use."),
            gauge("pgbraid_large_buffer_bytes", "large_bytes", unit: "bytes", "Bytes of buffers that are larger than blocks."),
        ]
    }

    private static func transactions(_ facts: ProxyFacts) -> [MetricFamily] {
        var prepared = MetricFamily("pgbraid_prepared_transactions", .gauge, "Prepared transactions that the last look has found, of anybody.")
        var oldest = MetricFamily(
            "pgbraid_oldest_prepared_transaction_age_seconds", .gauge, unit: "seconds", "Age of the oldest of them when it was found, 0 without any.")
        for shard in facts.shards {
            let there = facts.prepared.filter { $0.shard == shard.number }
            prepared.add(.whole(UInt64(there.count)), [("shard", "\(shard.number)")])
            oldest.add(.real(there.map(\.ageSeconds).max() ?? 0), [("shard", "\(shard.number)")])
        }
        let underWay = MetricFamily("pgbraid_commits_under_way", .gauge, "Commits over several shards that this proxy is in the middle of.")
        return [underWay.with(.whole(UInt64(facts.commitsUnderWay))), prepared, oldest]
    }

    /// Bounds that are told, as powers of two of nanoseconds: 16 µs to 69 s.
    private static let boundExponents = 14...36

    private static func durations(_ durations: [String: DurationFact]) -> MetricFamily {
        var family = MetricFamily(
            "pgbraid_statement_duration_seconds", .histogram, unit: "seconds",
            "Time from when a statement was sent to its shard (passed) or begun (executed) until its answer had come.")
        for (way, fact) in durations.sorted(by: { $0.key < $1.key }) {
            for exponent in boundExponents {
                let bound = UInt64(1) << UInt64(exponent)
                let count = fact.counts.reduce(0) { $1.key <= bound ? $0 &+ $1.value : $0 }
                family.add(.whole(count), [("way", way), ("le", "\(Double(bound) / 1e9)")], suffix: "_bucket")
            }
            family.add(.whole(fact.count), [("way", way), ("le", "+Inf")], suffix: "_bucket")
            family.add(.whole(fact.count), [("way", way)], suffix: "_count")
            family.add(.real(Double(fact.totalNanoseconds) / 1e9), [("way", way)], suffix: "_sum")
        }
        return family
    }
}
