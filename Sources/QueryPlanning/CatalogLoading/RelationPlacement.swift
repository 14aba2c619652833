// RelationPlacement: where the rows of each relation of the catalog are.
//
// Rules decide for tables. A partition or inheritance child goes with its topmost parent, whatever rule would fit its
// own name: a query on the parent reads it. What cannot be served right is `.unusable`, with the reason its users see.
import ShardMap

struct RelationPlacement {
    let drafts: [UInt32: RelationDraft]
    let facts: CatalogFacts

    func placement(of draft: RelationDraft) -> Placement {
        let relation = draft.relation
        if relation.schema == "pg_catalog", relation.name == "pg_prepared_statements" {
            return .unusable("it shows what all clients prepare on a connection to a shard, and not what this one prepares")
        }
        if relation.schema == ProxyTables.schema, relation.kind == "r",
            let placement = ProxyTables.placement(name: relation.name, columns: relation.columns.map(TableKey.Candidate.init), facts: facts)
        {
            return placement
        }
        if Self.systemSchemas.contains(relation.schema) { return .system }
        switch relation.kind {
        case "r", "p": return tablePlacement(draft)
        case "v": return .unusable("view \"\(relation.name)\" is only what its query is")
        case "m": return .unusable("materialized views are filled on each shard separately")
        case "f": return .unusable("foreign tables are not supported")
        case "S": return .unusable("sequences are advanced on each shard separately")
        default: return .unusable("relations of kind \"\(relation.kind)\" are not supported")
        }
    }

    /// Schemas read on the catalog shard.
    static let systemSchemas: Set<String> = ["pg_catalog", "information_schema", ProxyTables.schema]

    private func tablePlacement(_ draft: RelationDraft) -> Placement {
        if draft.hasRules { return .unusable("tables with rewrite rules (CREATE RULE) are not supported") }
        if draft.relation.columns.contains(where: { $0.name.hasPrefix(CatalogRow.unmeant) }) {
            return .unusable("the name of a column can be written in several ways in Unicode")
        }
        let roots = roots(of: draft, depth: 0)
        guard let root = roots.first else { return .unusable("the table's parent is not known") }
        let placements = roots.map { placement(of: draft.relation, like: $0) }
        if placements[0] == .local, let constraint = draft.relation.constraints.first(where: { $0.kind != .foreignKey }) {
            return .unusable("it is a local table, and each shard enforces \"\(constraint.name)\" on its own rows only")
        }
        guard placements.allSatisfy({ $0 == placements[0] }) else {
            return .unusable("the table inherits from tables that are placed differently")
        }
        if draft.isPartition || draft.parents.isEmpty { return placements[0] }
        return sameKind(placements[0], as: root)
    }

    /// A child without the key column of a sharded parent, or with it where the parent has none, cannot be read
    /// through the parent.
    private func sameKind(_ placement: Placement, as root: RelationDraft) -> Placement {
        let parent = self.placement(of: root.relation, like: root)
        switch (placement, parent) {
        case (.sharded, .sharded), (.local, .local), (.reference, .reference), (.unusable, _): return placement
        default: return .unusable("the table and its parent \"\(root.relation.name)\" are placed differently")
        }
    }

    /// The topmost parents; the table itself when it has none. Inheritance cannot be circular, the depth only bounds
    /// what a broken catalog could do.
    private func roots(of draft: RelationDraft, depth: Int) -> [RelationDraft] {
        if draft.parents.isEmpty { return [draft] }
        if depth > 64 { return [] }
        return draft.parents.flatMap { parent -> [RelationDraft] in
            guard let parent = drafts[parent], parent.isKnown else { return [] }
            return roots(of: parent, depth: depth + 1)
        }
    }

    /// The placement of a table with `relation`'s columns by what is stored of `root`, or else by the rule for its name.
    private func placement(of relation: Relation, like root: RelationDraft) -> Placement {
        let columns = relation.columns.map(TableKey.Candidate.init)
        if let stored = root.stored { return TableKey.placement(stored: stored, of: root.relation, columns: columns, facts: facts) }
        return TableKey.placement(schema: root.relation.schema, name: root.relation.name, columns: columns, facts: facts)
    }
}

/// Decides what the rules mean for a table with given columns; for tables of the catalog and of CREATE TABLE alike.
enum TableKey {
    /// What must be known of a column that may be the key.
    struct Candidate {
        var name: String
        var typeOID: UInt32
        var collationOID: UInt32
        var isGenerated: Bool
    }

    static func placement(schema: String, name: String, columns: [Candidate], facts: CatalogFacts) -> Placement {
        do {
            switch try facts.rules.rule(schema: schema, table: name, columns: columns.map(\.name)) {
            case .reference: return .reference
            case .local: return .local
            case .sharded(let keyColumn, let method):
                guard let index = columns.firstIndex(where: { $0.name == keyColumn }) else { return .reference }
                return placement(key: columns[index], at: index, method: method, facts: facts)
            }
        } catch {
            return .unusable(error.message)
        }
    }

    static func placement(key: Candidate, at index: Int, method: PlacementMethod, facts: CatalogFacts) -> Placement {
        guard let keyType = KeyType(typeOID: key.typeOID) else {
            let type = facts.types[key.typeOID]?.name ?? "\(key.typeOID)"
            return .unusable(
                "its sharding key \"\(key.name)\" has type \(type); possible are smallint, integer, bigint, text, varchar and uuid")
        }
        if key.isGenerated { return .unusable("its sharding key \"\(key.name)\" is a generated column") }
        if facts.collations[key.collationOID]?.isDeterministic == false {
            return .unusable("its sharding key \"\(key.name)\" has a nondeterministic collation")
        }
        guard method.accepts(keyType.family) else {
            return .unusable(PlacementError.methodRefusesKey(method: method.name, family: keyType.family).message)
        }
        return .sharded(keyColumn: index, KeyPlacement(keyType: keyType, method: method))
    }
}

extension TableKey.Candidate {
    init(_ column: Column) {
        self.init(
            name: column.name, typeOID: column.typeOID, collationOID: column.collationOID, isGenerated: column.generation == "s")
    }
}
