// StoredPlacement: where a table's rows are by what create_distributed_table and its kin have stored in the shards.
//
// A row of pgbraid.placement names the table by its OID and the key by its column number, so that it follows both when they are
// renamed. It goes before the default of the configuration. A rule for just this table in the configuration must say the same:
// two proxies, of which one has that rule and the other has not, would else place the table's rows differently.
import ShardMap

/// What is stored of one table.
public enum StoredPlacement: Sendable, Equatable {
    /// - keyNumber: the key column's attnum.
    case sharded(keyNumber: Int, method: PlacementMethod)
    case reference

    /// The row's columns `kind`, `key_number` and `method`.
    init(_ row: CatalogRow) throws(CatalogError) {
        switch (row.optional(1), row.optional(3)) {
        case ("reference", _): self = .reference
        case ("sharded", "hash"): self = .sharded(keyNumber: try row.number(2), method: .hash)
        case ("sharded", "modulo"): self = .sharded(keyNumber: try row.number(2), method: .modulo)
        default: throw row.error(1)
        }
    }
}

extension TableKey {
    /// Where the rows of a table with these columns are, by what is stored of `root`: the table itself, or its topmost parent.
    static func placement(stored: StoredPlacement, of root: Relation, columns: [Candidate], facts: CatalogFacts) -> Placement {
        guard agrees(facts.rules.kind(schema: root.schema, table: root.name), stored, root, facts.rules) else {
            return .unusable(
                "its [[table]] entry in the configuration contradicts what create_distributed_table or create_reference_table has stored")
        }
        guard case .sharded(let number, let method) = stored else { return .reference }
        guard let key = root.columns.first(where: { $0.number == number }),
            let index = columns.firstIndex(where: { $0.name == key.name })
        else { return .unusable("the sharding key that is stored for it does not exist") }
        return placement(key: columns[index], at: index, method: method, facts: facts)
    }

    /// Whether a rule for just this table says what is stored; no rule agrees with everything.
    static func agrees(_ kind: TableRule.Kind?, _ stored: StoredPlacement, _ table: Relation, _ rules: ShardingRules) -> Bool {
        switch (kind, stored) {
        case (nil, _), (.reference?, .reference): return true
        case (.sharded(let column, let method)?, .sharded(let number, let storedMethod)):
            let key = table.columns.first { $0.number == number }?.name
            return key == column ?? rules.defaultKeyColumn && storedMethod == method ?? rules.defaultMethod
        default: return false
        }
    }
}
