// AssignedDefaults: columns of a reference table that a statement sets to their default, by the word DEFAULT or by leaving
// them out: the default must be the same on every shard.
import CPGQuery

extension StatementPlanner {
    /// A column in which an UPDATE or MERGE stores a default that differs from shard to shard.
    func differingDefault(_ modification: BoundModification, _ relation: Relation) throws(Refusal) -> String? {
        for assignment in modification.assignments {
            // Of (a, b) = ROW (...) and of parts of a column it is not known what each gets.
            guard assignment.value == nil || assignment.value?.setToDefault != nil else { continue }
            if try !hasSteadyDefault(assignment.column, relation) { return assignment.column }
        }
        for row in modification.insertedRows {
            let given = row.filter { $0.value != nil && $0.value?.setToDefault == nil }.map(\.column)
            for column in relation.columns where !given.contains(column.name) {
                if try !hasSteadyDefault(column.name, relation) { return column.name }
            }
        }
        return nil
    }

    private func hasSteadyDefault(_ name: String, _ relation: Relation) throws(Refusal) -> Bool {
        guard let column = relation.columns.first(where: { $0.name == name }) else { return true }
        return try context.hasSteadyDefault(column)
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
