// ReplacedRelations: whether DDL makes plans wrong without an error: what a statement that waited for a lock behind it would do by the
// plan made before.
//
// PostgreSQL looks a name up again when it has waited for the relation's lock. So the statement runs on what has the name by then,
// on the shards where the relation was that had it before. Most changes are harmless, or fail on the shard: columns that are added,
// dropped or get another type, new constraints, a table that is gone. Here are the others.
import QueryPlanning

extension Catalog {
    /// Under some name that statements planned by this catalog use they would find something else by `new`, and not notice.
    func isReplaced(by new: Catalog) -> Bool {
        let changed = relations.filter { relation in
            guard relation.isOfUsers else { return false }
            return new.relation(oid: relation.oid).map { $0.schema != relation.schema || $0.name != relation.name || !$0.serves(plansFor: relation) } ?? true
        }
        guard !changed.isEmpty else { return false }
        let namesakes = Dictionary(grouping: new.relations.filter(\.isOfUsers), by: \.name)
        return changed.contains { old in
            guard let candidates = namesakes[old.name] else { return false }
            if let successor = candidates.first(where: { $0.schema == old.schema }) { return !successor.serves(plansFor: old) }
            // A name without a schema means that of another one now.
            return candidates.contains { !$0.serves(plansFor: old) }
        }
    }

    /// Some relations in different schemas have one name, so that one may appear from behind another that is dropped.
    var hasNamesakes: Bool {
        var names: Set<String> = []
        return relations.contains { $0.isOfUsers && !names.insert($0.name).inserted }
    }
}

extension Relation {
    fileprivate var isOfUsers: Bool {
        if case .system = placement { return false }
        return true
    }

    /// A statement that was planned for `old` does on this relation what a statement planned for this one does, or fails on the shard.
    fileprivate func serves(plansFor old: Relation) -> Bool {
        guard kind == old.kind, placement == old.placement, keyName == old.keyName, viewDefinition == old.viewDefinition,
            hasRowTriggers == old.hasRowTriggers, hasStatementTriggers == old.hasStatementTriggers, hasRowSecurity == old.hasRowSecurity
        else { return false }
        return hasColumnsInPlace(of: old) && (placement != .reference || hasDefaults(of: old))
    }

    private var keyName: String? {
        guard case .sharded(let index, _) = placement else { return nil }
        return columns[index].name
    }

    /// The shards notice another number of columns, not another order; and nobody notices that texts sort in another way.
    private func hasColumnsInPlace(of old: Relation) -> Bool {
        let places = Dictionary(uniqueKeysWithValues: columns.indices.map { (columns[$0].name, $0) })
        return old.columns.indices.allSatisfy { index in
            guard let place = places[old.columns[index].name] else { return true }
            return (columns.count != old.columns.count || place == index) && columns[place].collationOID == old.columns[index].collationOID
        }
    }

    /// Each shard would compute another value for the copy of a row that it gets, had the proxy not drawn it first.
    private func hasDefaults(of old: Relation) -> Bool {
        let known = Set(old.columns.map(\.drawnDefault))
        return columns.allSatisfy { known.contains($0.drawnDefault) }
    }
}

extension Column {
    /// The column and its default, where that is more than a constant.
    fileprivate var drawnDefault: [String] {
        guard let text = defaultExpression, let first = text.utf8.first else { return [] }
        let isConstant = first == UInt8(ascii: "'") || first == UInt8(ascii: "-") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first)
        return isConstant || text == "true" || text == "false" || text.hasPrefix("NULL") ? [] : [name, text]
    }
}
