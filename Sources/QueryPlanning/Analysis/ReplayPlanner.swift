// ReplayPlanner: how an UPDATE or DELETE of a reference table is run on one shard and repeated on the others.
import CPGQuery

struct ReplayPlanner {
    let planner: StatementPlanner
    let modification: BoundModification
    let relation: Relation
    private var context: AnalysisContext { planner.context }

    /// - Parameter reason: why the shards cannot run it alike.
    /// - Throws: 0A000 where images of the rows do not tell all.
    func plan(_ usage: StatementUsage, because reason: String) throws(Refusal) -> ReplayPlan {
        try check(usage, reason)
        guard let tokens = TokenList(context) else { throw SelectRewriting.notUnderstood }
        let returning = tokens.firstOutside(PG_QUERY__TOKEN__RETURNING)
        var rows = PartialRows()
        let target = SQLText.quoted(modification.target.name)
        let conditions = try relation.primaryKey.map { (index) throws(Refusal) in
            "\(target).\(name(index)) = \(try add(index, isKey: true, &rows))"
        }
        let assigned = assignedColumns
        let settings = try assigned.map { (index) throws(Refusal) in "\(name(index)) = \(try add(index, isKey: false, &rows))" }
        let images = rows.ordered.map { GatherLayout.asText("\(target).\($0.expression)", $0.type, baseOID: $0.baseOID) }.joined(separator: ", ")
        try planner.checkExactText(rows.ordered.map(\.type))
        let table = "\(SQLText.quoted(relation.schema)).\(SQLText.quoted(relation.name)) AS \(target)"
        let source = rows.source(firstParameter: 1)
        let filter = " WHERE " + conditions.joined(separator: " AND ")
        let replay = modification.kind == .delete
            ? "DELETE FROM \(table) USING \(source)\(filter)" : "UPDATE \(table) SET \(settings.joined(separator: ", ")) FROM \(source)\(filter)"
        let whole = context.slice(tokens.bytes(0..<tokens.count))
        return ReplayPlan(
            text: whole + (returning == nil ? " RETURNING " : ", ") + images, imageColumnCount: rows.columns.count, replayText: replay,
            hasReturning: returning != nil)
    }

    private func name(_ index: Int) -> String { SQLText.quoted(relation.columns[index].name) }

    private func add(_ index: Int, isKey: Bool, _ rows: inout PartialRows) throws(Refusal) -> String {
        guard let column = rows.add(name(index), SQLType(relation.columns[index]), isKey: isKey, context) else {
            throw refusal("the type of column \"\(relation.columns[index].name)\" is not known")
        }
        return column
    }

    /// Positions of the columns that an UPDATE sets, each once.
    private var assignedColumns: [Int] {
        let names = Set(modification.assignments.map(\.column))
        return relation.columns.indices.filter { names.contains(relation.columns[$0].name) && relation.columns[$0].generation != "s" }
    }

    private func refusal(_ reason: String) -> Refusal {
        Refusal(
            "0A000", "cannot change reference table \"\(relation.name)\" alike on all shards: \(reason)",
            hint: "Compute the values first and write them as constants.")
    }

    private func check(_ usage: StatementUsage, _ reason: String) throws(Refusal) {
        guard modification.kind == .update || modification.kind == .delete else { throw refusal(reason) }
        if usage.hasSharded || usage.hasTemporary { throw refusal(reason) }
        if usage.unknownFunction != nil || usage.textFunction != nil || usage.hasSessionFunctions || usage.hasActingFunctions { throw refusal(reason) }
        if !planner.binder.modifications.isEmpty { throw refusal(reason) }
        if relation.kind != "r" || relation.hasChildren { throw refusal("\(reason), and the table has partitions or children") }
        if relation.hasTriggers { throw refusal("\(reason), and the table has triggers") }
        if relation.hasRowSecurity { throw refusal("\(reason), and the table has row-level security") }
        if relation.primaryKey.isEmpty { throw refusal("\(reason), and the table has no primary key") }
        let isKeyChanged = !Set(assignedColumns).isDisjoint(with: relation.primaryKey)
        if assignedColumns.contains(where: { relation.columns[$0].generation == "a" }) { throw refusal("\(reason), and a column is GENERATED ALWAYS") }
        if isKeyChanged { throw refusal("\(reason), and the primary key is changed") }
    }
}
