// ShownCapacity: SHOW CAPACITY, SHOW KEYS and SHOW TABLES in the admin database: what is large, what is asked for, and what is sharded by what.
import Primitives
import QueryPlanning

extension Worker {
    private static let shownKeys = 100

    var capacityListing: ShardQuery {
        ShardQuery(columns: ["table", "rows", "bytes", "bytes_per_day", "limit_bytes", "sampled_at"], text: InternalSchema.shownCapacity)
    }

    /// The keys that clients of this proxy ask for most. Counts are of about the last hour and estimated from samples; the share is of all statements
    /// with one key.
    var shownKeys: ShownTable {
        let traffic = keyTraffic.top(Self.shownKeys, now: now)
        let rows = traffic.keys.map { entry in
            let key = entry.element
            let thousandths = traffic.total > 0 ? (entry.count * 1000 + traffic.total / 2) / traffic.total : 0
            return [key.table, key.column, key.value, "\(entry.count)", "\(entry.count - entry.error)", "\(thousandths / 10).\(thousandths % 10)", "\(traffic.samples)"]
        }
        return ShownTable(columns: ["table", "column", "value", "statements", "at_least", "percent", "samples"], rows: rows)
    }

    /// Tables and where their rows are, as the catalog has it.
    var shownTables: ShownTable {
        var table = ShownTable(columns: ["schema", "table", "placement", "key"])
        for relation in cluster.catalog.relations where ["r", "p"].contains(relation.kind) && !relation.isChild {
            switch relation.placement {
            case .sharded(let column, _): table.rows.append([relation.schema, relation.name, "sharded", relation.columns[column].name])
            case .reference: table.rows.append([relation.schema, relation.name, "reference", nil])
            case .local: table.rows.append([relation.schema, relation.name, "local", nil])
            case .unusable: table.rows.append([relation.schema, relation.name, "unusable", nil])
            case .system: break
            }
        }
        return table
    }
}
