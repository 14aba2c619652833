// ListingMetrics: metrics of the patterns, by the columns that their SHOW commands have.

enum ListingMetrics {
    static func families(_ listings: ClusterListings) -> [MetricFamily] {
        var available = MetricFamily("pgbraid_listing_up", .gauge, "1 when the shards told the state of the pattern, 0 when it could not be found out.")
        for (listing, outcome) in listings.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            available.add(.whole(outcome.rows == nil ? 0 : 1), [("listing", listing.rawValue)])
        }
        let sagas = MetricFamily("pgbraid_sagas", .gauge, "Sagas by state.")
        let pending = MetricFamily("pgbraid_outbox_pending_events", .gauge, "Events that wait to be sent.")
        let oldest = MetricFamily("pgbraid_outbox_oldest_event_age_seconds", .gauge, unit: "seconds", "How long the oldest event has waited.")
        let bytes = MetricFamily("pgbraid_table_size_bytes", .gauge, unit: "bytes", "Bytes that a table takes.")
        return [
            available,
            filled(sagas, listings[.sagas]?.rows, column: "count", labels: ["state"], needsLabels: true) { $0 + $1 },
            filled(pending, listings[.outbox]?.rows, column: "pending", labels: ["shard"]) { $0 + $1 },
            filled(oldest, listings[.outbox]?.rows, column: "oldest_seconds", labels: ["shard"]) { max($0, $1) },
            filled(bytes, listings[.capacity]?.rows, column: "bytes", labels: ["shard", "table"]) { $0 + $1 },
        ]
    }

    /// Samples at most of one family.
    static let maximumSamples = 1000

    /// A sample for each combination of the labels' columns that are there. No row of it has a value: none.
    private static func filled(
        _ family: MetricFamily, _ rows: ShownRows?, column: String, labels: [String], needsLabels: Bool = false, _ join: (Double, Double) -> Double
    ) -> MetricFamily {
        guard let rows, rows.has(column), !needsLabels || labels.allSatisfy(rows.has) else { return family }
        let present = labels.filter(rows.has)
        var values: [[String]: Double] = [:]
        for record in rows.records {
            guard let value = record[column].flatMap({ Double($0) }) else { continue }
            let key = present.map { record[$0] ?? "" }
            values[key] = values[key].map { join($0, value) } ?? value
        }
        var family = family
        for (key, value) in values.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }).prefix(maximumSamples) {
            family.add(.real(value), Array(zip(present, key)))
        }
        return family
    }
}
