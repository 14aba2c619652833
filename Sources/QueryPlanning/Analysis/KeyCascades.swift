// KeyCascades: foreign keys by which a change of a reference table would set sharding keys, so that rows would remain on the shards of
// their old keys. DDL through the proxy does not make them; a table may have been made without it.

/// The foreign key, and the sharded table that has it.
struct KeyCascade {
    let constraint: RelationConstraint
    let relation: Relation

    func refusal(_ changed: Relation) -> Refusal {
        Refusal(
            "0A000", "cannot change \"\(changed.name)\": foreign key \"\(constraint.name)\" could set the sharding key of table \"\(relation.name)\"",
            detail: "The rows would not move to the shards of their new keys.",
            hint: "Drop the foreign key, and add it again without the action that sets the sharding key.")
    }
}

/// What happens to rows of a table.
private struct RelationChange: Hashable {
    let relation: UInt32
    /// Numbers of the columns that are set; nil: rows are deleted.
    let columns: Set<Int>?
}

extension Catalog {
    /// The first foreign key by which the change would set a sharding key; foreign keys of foreign keys are followed.
    /// - Parameter columns: numbers of the columns of `relation` that are set; nil: rows are deleted.
    func keyCascade(from relation: Relation, changing columns: Set<Int>?) -> KeyCascade? {
        var followed: Set<RelationChange> = []
        return keyCascade(from: relation, changing: columns, &followed)
    }

    private func keyCascade(from relation: Relation, changing columns: Set<Int>?, _ followed: inout Set<RelationChange>) -> KeyCascade? {
        guard followed.insert(RelationChange(relation: relation.oid, columns: columns)).inserted else { return nil }
        for oid in Set(relation.referencingTables) {
            guard let other = self.relation(oid: oid) else { continue }
            for constraint in other.constraints where constraint.kind == .foreignKey && constraint.referencedTable == relation.oid {
                if let found = keyCascade(by: constraint, of: other, changing: columns, &followed) { return found }
            }
        }
        return nil
    }

    private func keyCascade(
        by constraint: RelationConstraint, of other: Relation, changing columns: Set<Int>?, _ followed: inout Set<RelationChange>
    ) -> KeyCascade? {
        let isDeleting = columns == nil && constraint.deleteAction == "c"
        let set = constraint.setColumns(whenChanging: columns)
        if case .sharded(let key, _) = other.placement, set.contains(other.columns[key].number) {
            return KeyCascade(constraint: constraint, relation: other)
        }
        if isDeleting { return keyCascade(from: other, changing: nil, &followed) }
        return set.isEmpty ? nil : keyCascade(from: other, changing: set, &followed)
    }
}

extension RelationConstraint {
    /// Which columns a foreign key sets when these of the table it refers to change; nil: when rows there are deleted.
    fileprivate func setColumns(whenChanging columns: Set<Int>?) -> Set<Int> {
        guard let columns else { return Set(overwrittenColumnNumbers) }
        guard !columns.isDisjoint(with: referencedColumnNumbers) else { return [] }
        switch updateAction {
        case "c": return Set(zip(columnNumbers, referencedColumnNumbers).filter { columns.contains($1) }.map(\.0))
        case "n", "d": return Set(columnNumbers)
        default: return []
        }
    }
}

extension AnalysisContext {
    /// - Parameter names: the columns that are set; nil: rows are deleted.
    /// - Throws: if the change would set the sharding key of rows elsewhere.
    func checkKeyCascades(from relation: Relation, setting names: Set<String>?) throws(Refusal) {
        guard environment.shardCount > 1, !relation.referencingTables.isEmpty else { return }
        // Generated columns follow the others.
        let numbers = names.map { names in Set(relation.columns.filter { names.contains($0.name) || $0.generation == "s" }.map(\.number)) }
        if let cascade = environment.catalog.keyCascade(from: relation, changing: numbers) { throw cascade.refusal(relation) }
    }
}
