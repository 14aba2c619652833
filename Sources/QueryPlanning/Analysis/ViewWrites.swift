// Writes to views. PostgreSQL carries out an UPDATE or DELETE of a simple view on the table below it (manual, CREATE VIEW, "Updatable
// Views"), each shard on its rows; whatever would write other rows than one PostgreSQL, or one copy of a reference table, is refused.

extension StatementPlanner {
    /// Refuses what cannot be written through the view that is the target, if it is one.
    /// - Parameter isItem: the writing stands in WITH.
    func checkViewTarget(_ modification: BoundModification, isItem: Bool) throws(Refusal) {
        guard context.environment.shardCount > 1, let view = modification.target.view else { return }
        guard !isItem, modification.kind == .update || modification.kind == .delete else {
            throw refusal(view, isItem ? "within WITH" : "by this statement")
        }
        guard let base = baseTable(of: modification.target) else { throw refusal(view, "which is not a simple one, or has triggers") }
        switch base.relation.placement {
        case .sharded(let column, _):
            if let assignment = modification.assignments.first(where: { base.columns[$0.column] == column }) {
                throw refusal(view, "where that sets the sharding key \"\(assignment.column)\"")
            }
        case .reference: throw refusal(view, "of a reference table")
        case .local, .system, .unusable: return
        }
    }

    private func refusal(_ view: Relation, _ what: String) -> Refusal {
        Refusal("0A000", "cannot write through view \"\(view.name)\", \(what)", hint: "Write to the table of the view.")
    }

    /// The table below a simple view without triggers, and which of its columns (indexes) the view shows under which names.
    private func baseTable(of target: RangeEntry) -> (relation: Relation, columns: [String: Int])? {
        guard let view = target.view, !view.hasTriggers, case .query(let query) = target.source, case .select(let level) = query.body,
            let entry = level.entries.first, level.entries.count == 1
        else { return nil }
        let shown = zip(view.columns, level.targets).compactMap { column, shown in
            (shown.variable ?? binder.variable(shown.expression)).map { (column.name, $0.column) }
        }
        if case .table(let relation) = entry.source {
            return (relation, Dictionary(shown, uniquingKeysWith: { first, _ in first }))
        }
        guard let below = baseTable(of: entry) else { return nil }
        let columns = shown.compactMap { name, index in below.columns[entry.columns[index].name].map { (name, $0) } }
        return (below.relation, Dictionary(columns, uniquingKeysWith: { first, _ in first }))
    }
}
