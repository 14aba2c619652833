// AssignedDefaults: columns of a reference table that a statement sets to their default, by the word DEFAULT or by leaving
// them out: the default must be the same on every shard.
import CPGQuery

extension StatementPlanner {
    /// - Throws: if an UPDATE or MERGE stores a default that differs from shard to shard.
    func checkAssignedDefaults(_ modification: BoundModification, _ relation: Relation) throws(Refusal) {
        for assignment in modification.assignments {
            // Of (a, b) = ROW (...) and of parts of a column it is not known what each gets.
            guard assignment.value == nil || assignment.value?.setToDefault != nil else { continue }
            try checkSteadyDefault(assignment.column, relation)
        }
        for row in modification.insertedRows {
            let given = row.filter { $0.value != nil && $0.value?.setToDefault == nil }.map(\.column)
            for column in relation.columns where !given.contains(column.name) { try checkSteadyDefault(column.name, relation) }
        }
    }

    private func checkSteadyDefault(_ name: String, _ relation: Relation) throws(Refusal) {
        guard let column = relation.columns.first(where: { $0.name == name }), try !context.hasSteadyDefault(column) else { return }
        throw Refusal(
            "0A000", "cannot change reference table \"\(relation.name)\" alike on all shards: the default of column \"\(name)\" may differ",
            hint: "Compute the values first and write them as constants.")
    }
}

extension AnalysisContext {
    /// Whether a column's default is the same on every shard.
    func hasSteadyDefault(_ column: Column) throws(Refusal) -> Bool {
        var inspection = ExpressionInspection(self)
        try inspection.addDefault(of: column)
        return inspection.isSteady
    }
}
