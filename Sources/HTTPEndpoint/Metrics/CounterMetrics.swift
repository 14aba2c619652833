// CounterMetrics: the counters of SHOW STATS under the names that metrics have.

struct CounterMetric {
    /// In SHOW STATS.
    var counter: String
    /// Without `pgbraid_` and `_total`.
    var metric: String
    var unit: String?
    var help: String

    init(_ counter: String, _ metric: String, unit: String? = nil, _ help: String) {
        self.counter = counter
        self.metric = metric
        self.unit = unit
        self.help = help
    }

    static let all = [
        CounterMetric("statements", "statements", "Statements sent to shards."),
        CounterMetric("bytes_to_clients", "client_sent_bytes", unit: "bytes", "Bytes of shards' answers passed to clients."),
        CounterMetric("scatter_statements", "scatter_statements", "Queries over several shards."),
        CounterMetric("aggregated_statements", "aggregated_statements", "Queries over several shards whose rows the proxy made of partial aggregates."),
        CounterMetric("finished_statements", "finished_statements", "Queries over several shards whose last step one shard made."),
        CounterMetric("gathered_statements", "gathered_statements", "Queries whose rows were fetched to one shard."),
        CounterMetric("broadcast_statements", "broadcast_statements", "Statements that ran on all shards."),
        CounterMetric("fetched_write_statements", "fetched_write_statements", "Statements that wrote or changed rows with rows fetched before."),
        CounterMetric("one_phase_commits", "one_phase_commits", "Transactions that wrote on one shard."),
        CounterMetric("two_phase_commits", "two_phase_commits", "Transactions that wrote on several shards."),
        CounterMetric("prepares", "prepares", "Parts of transactions that were prepared."),
        CounterMetric("errors", "errors", "Statements that the proxy itself refused or failed."),
        CounterMetric("queue_timeouts", "queue_timeouts", "Sessions that waited too long for a link."),
        CounterMetric("cancels", "cancels", "Requests to cancel a statement."),
        CounterMetric("gate_waits", "gate_waits", "Reads and commits of several shards that waited for each other."),
        CounterMetric("snapshot_retries", "snapshot_retries", "Snapshots of several shards that were taken again."),
        CounterMetric("deadlock_looks", "deadlock_looks", "Times the shards were asked who waits for whom."),
        CounterMetric("deadlocks", "deadlocks", "Deadlocks over several shards that were ended."),
        CounterMetric("recovery_rounds", "recovery_rounds", "Looks for transactions that nobody finished."),
        CounterMetric("recovered_commits", "recovered_commits", "Prepared transactions that recovery committed."),
        CounterMetric("recovered_rollbacks", "recovered_rollbacks", "Prepared transactions that recovery rolled back."),
        CounterMetric("plan_analyses", "plan_analyses", "Statements that were analysed."),
        CounterMetric("shape_hits", "plan_shape_hits", "Statements whose shape had a plan."),
        CounterMetric("shape_misses", "plan_shape_misses", "Statements whose shape had none."),
        CounterMetric("text_hits", "plan_text_hits", "Statements whose text was like one seen lately."),
        CounterMetric("text_misses", "plan_text_misses", "Statements whose text was not."),
    ]

    func family(_ counters: [String: UInt64]) -> MetricFamily? {
        counters[counter].map { MetricFamily("pgbraid_\(metric)", .counter, unit: unit, help).with(.whole($0)) }
    }
}
