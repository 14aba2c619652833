// PlacementConstraints: which constraints of a table would no longer be enforced by the shards if its rows were placed otherwise.
import ShardMap

struct PlacementConstraints {
    let table: Relation
    /// Where the rows shall be.
    let placement: Placement
    let catalog: Catalog

    private var key: (index: Int, placement: KeyPlacement)? { Self.key(placement) }

    private static func key(_ placement: Placement) -> (index: Int, placement: KeyPlacement)? {
        guard case .sharded(let index, let key) = placement else { return nil }
        return (index, key)
    }

    /// - Throws: for the first of them, with the DDL that works.
    func check() throws(Refusal) {
        for constraint in table.constraints {
            switch constraint.kind {
            case .primaryKey, .unique: try checkUnique(constraint)
            case .exclusion: try checkExclusion(constraint)
            case .foreignKey: try checkReference(constraint, from: table, to: catalog.relation(oid: constraint.referencedTable))
            }
        }
        for oid in table.referencingTables where oid != table.oid {
            guard let other = catalog.relation(oid: oid) else { continue }
            for constraint in other.constraints where constraint.kind == .foreignKey && constraint.referencedTable == table.oid {
                try checkReference(constraint, from: other, to: table)
            }
        }
    }

    private func checkUnique(_ constraint: RelationConstraint) throws(Refusal) {
        guard let key, !constraint.columnNumbers.contains(table.columns[key.index].number) else { return }
        let name = table.columns[key.index].name
        let columns = constraint.columnNumbers.compactMap { number in table.columns.first { $0.number == number }?.name }
        let list = ([name] + columns).map(SQLText.identifier).joined(separator: ", ")
        let kind = constraint.kind == .primaryKey ? "PRIMARY KEY" : "UNIQUE"
        let isIndexOfExpressions = columns.count != constraint.columnNumbers.count
        throw Refusal(
            "0A000", "\(kind) \"\(constraint.name)\" on table \"\(table.name)\" does not contain the distribution column \"\(name)\"",
            detail: "Each shard enforces it on its own rows only.",
            hint: isIndexOfExpressions
                ? "Drop it, or create it anew with \(SQLText.identifier(name)) among its columns."
                : "ALTER TABLE \(SQLText.identifier(table.name)) DROP CONSTRAINT \(SQLText.identifier(constraint.name)), ADD \(kind) (\(list)).")
    }

    private func checkExclusion(_ constraint: RelationConstraint) throws(Refusal) {
        guard key != nil else { return }
        throw Refusal(
            "0A000", "exclusion constraint \"\(constraint.name)\" on table \"\(table.name)\" might not hold over the shards",
            hint: "Drop it, and add it again afterwards with the distribution column WITH =.")
    }

    /// As it will be.
    private func placed(_ relation: Relation) -> Placement { relation.oid == table.oid ? placement : relation.placement }

    /// A reference table's key changes on all shards alike: rows that follow it would remain on the shards of their old keys.
    private func checkCascade(_ constraint: RelationConstraint, from: Relation) throws(Refusal) {
        guard constraint.updateAction == "c", let key = Self.key(placed(from)) else { return }
        let column = from.columns[key.index]
        guard constraint.columnNumbers.contains(column.number) else { return }
        let name = SQLText.identifier(constraint.name)
        throw Refusal(
            "0A000", "foreign key \"\(constraint.name)\" could change the distribution column \"\(column.name)\" of table \"\(from.name)\"",
            detail: "The rows would not move to the shards of their new keys.",
            hint: "Drop it, and add it again without ON UPDATE CASCADE: ALTER TABLE \(SQLText.identifier(from.name)) DROP CONSTRAINT \(name).")
    }

    private func checkReference(_ constraint: RelationConstraint, from: Relation, to: Relation?) throws(Refusal) {
        guard let to, let toKey = Self.key(placed(to)) else { return try checkCascade(constraint, from: from) }
        if let fromKey = Self.key(placed(from)), fromKey.placement.isColocated(with: toKey.placement),
            zip(constraint.columnNumbers, constraint.referencedColumnNumbers).contains(where: {
                $0 == from.columns[fromKey.index].number && $1 == to.columns[toKey.index].number
            }) { return }
        throw Refusal(
            "0A000", "foreign key \"\(constraint.name)\" from \"\(from.name)\" to \"\(to.name)\" would cross shards",
            detail: "Each shard enforces it on its own rows only.",
            hint: "Drop it: ALTER TABLE \(SQLText.identifier(from.name)) DROP CONSTRAINT \(SQLText.identifier(constraint.name)). "
                + "Between two tables distributed alike it can be added again, if the distribution columns refer to each other.")
    }
}

extension Relation {
    /// Its rows are where the configuration says: nothing is stored of it, and it has no parent to follow.
    var followsDefault: Bool { storedPlacement == nil && !isChild }
}
