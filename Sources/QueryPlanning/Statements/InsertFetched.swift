// InsertFetched: INSERT ... SELECT whose rows must move to the shards of their keys.
import CPGQuery

extension StatementClassifier {
    /// The plan that fetches the rows first; nil where that is no way.
    func fetchedInsert(_ node: Node, _ target: InsertTarget) throws(Refusal) -> StatementPlan? {
        let isReference = target.relation.placement == .reference
        guard let source = target.source, let query = Node(target.statement.select_stmt), isReference || !source.isPlainValues,
            target.statement.with_clause == nil, !target.overridesPlacedValues, source.pointee.n_locking_clause == 0, context.environment.writesExactText,
            try inspectInsert(node, target, rows: []).sessionEffect == nil
        else { return nil }
        let tokens = try StatementTokens(context)
        guard let range = tokens.inserted(hasColumnList: target.hasColumnList), let first = tokens.tokens.first, let last = tokens.tokens.last,
            let untyped = untypedColumns(source)
        else { return nil }
        let textAfter = range.upperBound < last.range.upperBound ? tokens.text(range.upperBound..<last.range.upperBound) : ""
        // What stands behind the query is repeated with each part of the rows, without the client's values.
        guard !textAfter.contains("$") else { return nil }
        let fetching = try planSource(query, target)
        if fetching.taintsLink { return nil }
        switch fetching.action {
        case .passThrough(.any), .passThrough(.keys), .passThrough(.keyGroups), .passThrough(.all), .scatter: break
        default: return nil
        }
        let conflict = target.statement.on_conflict_clause?.pointee
        let plan = FetchedInsertPlan(
            query: tokens.text(range), textBefore: tokens.text(first.range.lowerBound..<range.lowerBound), textAfter: textAfter,
            untypedColumns: untyped, columnCount: target.columns.count, namesColumns: target.hasColumnList,
            hasReturning: target.hasReturning, updatesOnConflict: conflict?.action == PG_QUERY__ON_CONFLICT_ACTION__ONCONFLICT_UPDATE)
        return StatementPlan(
            action: .insertFetched(plan), effect: .writes, commandName: "INSERT", parameterCount: ParameterNumbers.highest(in: node),
            reason: "rows fetched first")
    }

    /// The same for a reference table: what remains of the statement must do the same on every shard.
    func fetchedReferenceInsert(_ node: Node, _ target: InsertTarget) throws(Refusal) -> StatementPlan? {
        guard let plan = try fetchedInsert(node, target), case .insertFetched(let fetched) = plan.action, !movesTimeWord(node, target, fetched)
        else { return nil }
        let probe = fetched.text(rows: [Array(repeating: nil, count: fetched.columnCount)], typeNames: Array(repeating: nil, count: fetched.columnCount))
        let tree = try ParseTree(probe)
        guard let statement = tree.statements.first?.node, let rest = statement.insertStmt?.pointee else { return nil }
        var restTarget = target
        restTarget.statement = rest
        _ = try StatementClassifier(context: context.replacingText(probe)).insertReference(statement, restTarget)
        return plan
    }

    /// 'now' travels as it is written, and is drawn only for a column that is a time, not one that has times in it.
    private func movesTimeWord(_ node: Node, _ target: InsertTarget, _ fetched: FetchedInsertPlan) -> Bool {
        guard let source = target.source else { return false }
        let literals = TimeLiterals(node, context)
        return TimeLiterals.insertedRows(source).contains { row in
            zip(row.indices, target.columns).contains { position, column in
                fetched.untypedColumns.contains(position) && literals.stand(in: row[position])
                    && !DateWords.typeOIDs.contains(target.relation.columns[column].typeOID)
            }
        }
    }

    /// Which output columns are bare constants or parameters without a type; nil where their positions cannot be told.
    private func untypedColumns(_ source: Message<PgQuery__SelectStmt>) -> Set<Int>? {
        if source.pointee.n_values_lists > 0 { return untypedValues(source) }
        guard source.pointee.op == PG_QUERY__SET_OPERATION__SETOP_NONE else { return [] }
        var untyped: Set<Int> = []
        var isCounted = true
        for (position, item) in NodeList(source.pointee.target_list, source.pointee.n_target_list).nodes.enumerated() {
            guard let value = item.resTarget.flatMap({ Node($0.pointee.val) }) else { return nil }
            if value.columnRef.map({ NodeList($0.pointee.fields, $0.pointee.n_fields).strings.count < Int($0.pointee.n_fields) }) == true {
                isCounted = false
            }
            guard isUntyped(value) else { continue }
            guard isCounted else { return nil }
            untyped.insert(position)
        }
        return untyped
    }

    /// Of VALUES: columns of nothing but such values; nil where a column has both kinds, or DEFAULT.
    private func untypedValues(_ source: Message<PgQuery__SelectStmt>) -> Set<Int>? {
        let rows = NodeList(source.pointee.values_lists, source.pointee.n_values_lists).nodes.compactMap(\.listNode)
            .map { NodeList($0.pointee.items, $0.pointee.n_items).nodes }
        guard let width = rows.first?.count, rows.allSatisfy({ $0.count == width }), source.isPlainValues else { return [] }
        let binder = Binder(context)
        _ = binder.bindQuery(source, parent: nil)
        var untyped: Set<Int> = []
        for position in 0..<width {
            let values = rows.map { $0[position] }
            if values.contains(where: { $0.setToDefault != nil }) { return nil }
            let count = values.count(where: isUntyped)
            guard count == 0 || count == values.count else { return nil }
            if count > 0 { untyped.insert(position) }
            // As a query they would all become one type first.
            if count == 0, values.count > 1 {
                let kinds = Set(values.map { writtenKind($0, binder) })
                guard kinds.count == 1, !kinds.contains(nil) else { return nil }
            }
        }
        return untyped
    }

    /// Values of one kind have one type, or are exact in the common one; nil where that cannot be told.
    private func writtenKind(_ value: Node, _ binder: Binder) -> UInt32? {
        guard let type = binder.inferType(value)?.oid ?? joinedText(value, binder), type != TypeOID.unknown else { return nil }
        return TypeOID.isInteger(type) ? TypeOID.numeric : type
    }

    /// The text that `||` makes of texts and numbers.
    private func joinedText(_ value: Node, _ binder: Binder) -> UInt32? {
        guard let expression = value.operatorExpression?.pointee, NodeList(expression.name, expression.n_name).strings == ["||"],
            context.environment.catalog.facts.operators["||"] == nil
        else { return nil }
        let sides = [Node(expression.lexpr), Node(expression.rexpr)].map { side in side.flatMap { binder.inferType($0)?.oid } ?? 0 }
        let texts = [TypeOID.unknown, TypeOID.text, TypeOID.varchar]
        return sides.allSatisfy { texts.contains($0) || NumberRank.rank($0) != nil } ? TypeOID.text : nil
    }

    private func isUntyped(_ value: Node) -> Bool {
        switch value.literal?.value {
        case .string, .null: return true
        default: break
        }
        guard let number = value.paramRef.map({ Int($0.pointee.number) }) else { return false }
        return number > context.parameterTypes.count || number < 1 || context.parameterTypes[number - 1] == 0
    }
}
