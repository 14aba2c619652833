// To which shards a statement that writes is confined by its WITH items and by the rows that it inserts.
import ShardMap

extension StatementPlanner {
    /// What each data-modifying WITH item is confined to.
    func modificationConfinement() throws(Refusal) -> [Confinement] {
        var result: [Confinement] = []
        for modification in binder.modifications {
            try checkKeyIsKept(modification)
            let input = analysis.analyseInput(modification.level, Facts()).confinement
            switch modification.kind {
            case .insert: result.append(insertConfinement(modification))
            case .merge: result.append(try input.merged(insertedConfinement(modification)))
            case .update, .delete: result.append(input)
            }
        }
        return result
    }

    /// The keys of an INSERT's rows, where all are constants, and what its subqueries are confined to.
    func insertConfinement(_ modification: BoundModification) -> Confinement {
        let source = modification.source.map { analysis.analyse($0, Facts()).confinement } ?? .none
        guard let key = key(of: modification) else { return confinement(source, ofSubqueriesIn: modification, Facts()) }
        guard let position = modification.columns.firstIndex(of: key.name), let query = modification.source else {
            return .unbound(modification.target.name)
        }
        let keys = analysis.exportedConstants(query)[position, default: []]
        let conditions = keys.compactMap { context.condition($0, key.placement) }.map { stored($0, modification, key.variable) }
        // A row that is in conflict, and one that is returned, has the key of the row that is inserted, unless varchar(n) cut it.
        var facts = Facts()
        if conditions.allSatisfy({ $0.limit == nil }) {
            for constants in keys { facts.confine(key.variable, to: constants) }
        }
        let rows = source.merged(conditions.isEmpty ? .unbound(modification.target.name) : .bound(conditions))
        return confinement(rows, ofSubqueriesIn: modification, facts)
    }

    /// The confinement with that of subqueries in ON CONFLICT and RETURNING.
    private func confinement(_ rows: Confinement, ofSubqueriesIn modification: BoundModification, _ facts: Facts) -> Confinement {
        let level = modification.level
        return level.sublinks.reduce(Placed(state: .replicated, confinement: rows)) { analysis.apply($1, to: $0, level, facts) }.confinement
    }

    /// The values may be those that a condition of the source names: with NULL among them there are fewer rows, or none.
    private func stored(_ condition: KeyCondition, _ modification: BoundModification, _ key: Variable) -> KeyCondition {
        var condition = condition
        condition.isStored = true
        if case .table(let relation) = modification.target.source {
            condition.column = KeyColumn(relation, column: key.column)
            condition.leavesNullToShards = relation.columns[key.column].isNotNull
            condition.limit = context.limit(of: ShardedKey(column: key.column, placement: condition.placement, relation: relation))
        }
        return condition
    }

    /// The keys of rows that MERGE inserts.
    func insertedConfinement(_ modification: BoundModification) throws(Refusal) -> Confinement {
        guard let key = key(of: modification) else { return .none }
        var facts = Facts()
        analysis.addExports(modification.level.from, to: &facts)
        if case .outer(_, _, _, let on, _) = modification.level.from { facts = facts.adding(on) }
        var result = Confinement.none
        for row in modification.insertedRows {
            let value = row.first { $0.column == key.name }?.value
            var sets = value.flatMap { binder.constantTerm($0) }.map { [ConstantSet(terms: [$0])] } ?? []
            if let variable = binder.variable(value) { sets += facts.constants(of: variable) }
            let conditions = sets.compactMap { context.condition($0, key.placement) }.map { stored($0, modification, key.variable) }
            result = result.merged(conditions.isEmpty ? .unbound(modification.target.name) : .bound(conditions))
        }
        return result
    }
}
