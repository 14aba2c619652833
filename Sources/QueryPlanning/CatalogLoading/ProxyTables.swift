// ProxyTables: tables of schema pgbraid that belong to clients' transactions, and where their rows are. All other tables there are each
// shard's own business.
import ShardMap

enum ProxyTables {
    static let schema = "pgbraid"

    /// The placement of a table that clients' statements and functions use; nil for all others.
    static func placement(name: String, columns: [TableKey.Candidate], facts: CatalogFacts) -> Placement? {
        switch name {
        case "saga": keyed(by: "name", columns, facts)
        case "saga_step", "capacity_sample", "capacity_lease": .local
        case "outbox": .local
        case "reconciliation_tasks": keyed(by: "name", columns, facts)
        case "idempotency": keyed(by: "key", columns, facts)
        default: nil
        }
    }

    private static func keyed(by column: String, _ columns: [TableKey.Candidate], _ facts: CatalogFacts) -> Placement? {
        columns.firstIndex { $0.name == column }.map { TableKey.placement(key: columns[$0], at: $0, method: .hash, facts: facts) }
    }
}
