// InsertRows: INSERT into a sharded table, of VALUES or DEFAULT VALUES.
//
// Rows of one shard pass through. Rows of several shards are split by their text: each shard is sent the statement with
// its rows only, in their order.
import CPGQuery

extension StatementClassifier {
    func insertSharded(_ node: Node, _ target: InsertTarget, _ key: ShardedKey) throws(Refusal) -> StatementPlan {
        try checkConflictAction(target, key)
        do throws(Refusal) {
            try refuseWith(target)
            return try insertPlain(node, target, key)
        } catch {
            guard error.sqlState == "0A000" else { throw error }
            if let plan = planConfined(node, target, key) { return plan }
            if let plan = try planPushed(node, target, key) { return plan }
            if let plan = try fetchedInsert(node, target) { return plan }
            throw error
        }
    }

    private func insertPlain(_ node: Node, _ target: InsertTarget, _ key: ShardedKey) throws(Refusal) -> StatementPlan {
        guard let source = target.source else { return try insertDefaults(node, target, key) }
        guard source.isPlainValues else { return try insertSelect(node, source, target, key) }
        let rows = try valueRows(source, target)
        let inspection = try inspectInsert(node, target, rows: rows)
        try checkShardedValues(inspection, node, target)
        var operands: [KeyOperand] = []
        do throws(Refusal) {
            for row in rows { operands.append(try keyOperand(of: row, target, key)) }
        } catch {
            return try drawing(orThrow: error, node, target, rows) { inspection, column in column == key.column && !inspection.isSteady }
        }
        if context.acrossShards, rows.count > 1 { return try split(rows, operands, node, target, key, inspection) }
        return passThrough(node, operands, key, inspection, reason: rows.count == 1 ? "key" : "keys of \(rows.count) rows")
    }

    private func insertDefaults(_ node: Node, _ target: InsertTarget, _ key: ShardedKey) throws(Refusal) -> StatementPlan {
        let inspection = try inspectInsert(node, target, rows: [])
        try checkShardedValues(inspection, node, target)
        do throws(Refusal) {
            return passThrough(node, [try defaultKey(key)], key, inspection, reason: "key by default")
        } catch {
            return try drawing(orThrow: error, node, target, []) { inspection, column in column == key.column && !inspection.isSteady }
        }
    }

    func passThrough(
        _ node: Node, _ operands: [KeyOperand], _ key: ShardedKey, _ inspection: ExpressionInspection, reason: String
    ) -> StatementPlan {
        return StatementPlan(
            action: .passThrough(.keys([key.condition(operands, context)])), effect: .writes, taintsLink: inspection.taintsLink,
            commandName: "INSERT", parameterCount: ParameterNumbers.highest(in: node), reason: reason)
    }

    /// The plan that draws the values first; the refusal if that is no way.
    func drawing(
        orThrow refusal: Refusal, _ node: Node, _ target: InsertTarget, _ rows: [NodeList],
        isDrawn: @escaping (ExpressionInspection, Int) -> Bool
    ) throws(Refusal) -> StatementPlan {
        let drawing = InsertDrawing(classifier: self, target: target, rows: rows, isDrawn: isDrawn)
        guard let plan = try drawing.plan() else { throw refusal }
        return StatementPlan(
            action: .refuse(refusal), effect: .writes, commandName: "INSERT", parameterCount: ParameterNumbers.highest(in: node),
            drawing: plan, reason: "values drawn first")
    }

    private func keyOperand(of row: NodeList, _ target: InsertTarget, _ key: ShardedKey) throws(Refusal) -> KeyOperand {
        guard let position = target.columns.firstIndex(of: key.column), position < row.count, let value = row[position],
            !target.overridden.contains(key.column)
        else {
            return try defaultKey(key)
        }
        return try storedKey(value, key, isExact: context.acrossShards)
    }

    /// The rows of VALUES, their lengths checked as PostgreSQL would.
    func valueRows(_ source: Message<PgQuery__SelectStmt>, _ target: InsertTarget) throws(Refusal) -> [NodeList] {
        let rows = NodeList(source.pointee.values_lists, source.pointee.n_values_lists).nodes.compactMap(\.listNode)
            .map { NodeList($0.pointee.items, $0.pointee.n_items) }
        let count = rows.first?.count ?? 0
        if let odd = rows.first(where: { $0.count != count }) {
            throw Refusal("42601", "VALUES lists must all be the same length", position: position(of: odd.first ?? nil))
        }
        if count > target.columns.count {
            throw Refusal(
                "42601", "INSERT has more expressions than target columns", position: position(of: rows[0][target.columns.count]))
        }
        if target.hasColumnList, count < target.columns.count {
            let surplus = NodeList(target.statement.cols, target.statement.n_cols)[count]?.resTarget?.pointee.location ?? -1
            throw Refusal("42601", "INSERT has more target columns than expressions", position: context.position(Int(surplus)))
        }
        return rows
    }

    /// Where an expression begins, as far as the tree tells.
    private func position(of value: Node?) -> Int {
        let location = value?.literal?.location ?? value?.paramRef.map { Int($0.pointee.location) }
            ?? value?.funcCall.map { Int($0.pointee.location) } ?? value?.columnRef.map { Int($0.pointee.location) } ?? -1
        return context.position(location)
    }

    private func split(
        _ rows: [NodeList], _ operands: [KeyOperand], _ node: Node, _ target: InsertTarget, _ key: ShardedKey,
        _ inspection: ExpressionInspection
    ) throws(Refusal) -> StatementPlan {
        if inspection.effects.contains(.unknown) { throw unknownFunction(target) }
        if inspection.effects.contains(.transactionTime) {
            return try drawing(orThrow: differingTime(target), node, target, rows) { inspection, _ in
                inspection.effects.contains(.transactionTime)
            }
        }
        if inspection.returnsSet { throw Refusal("0A000", "set-returning functions are not allowed in VALUES") }
        let text = try InsertText(StatementTokens(context), rowCount: rows.count)
        let plan = InsertPlan(
            textBefore: text.before, rows: text.rows, textAfter: text.after, placement: key.placement, keys: operands,
            limit: context.limit(of: key), hasReturning: target.hasReturning)
        return StatementPlan(
            action: .insertRows(plan), effect: .writes, commandName: "INSERT", parameterCount: ParameterNumbers.highest(in: node),
            reason: "\(rows.count) rows by key")
    }

    /// - Throws: for values that only one server session knows, and subqueries that need other shards.
    func checkShardedValues(_ inspection: ExpressionInspection, _ node: Node, _ target: InsertTarget) throws(Refusal) {
        if let effect = inspection.sessionEffect { throw sessionBound(effect, target) }
        if inspection.effects.contains(.unknown), context.environment.shardCount > 1 { throw unknownFunction(target) }
        if inspection.effects.contains(.catalogRead) {
            throw Refusal(
                "0A000", "OIDs cannot be stored in sharded table \"\(target.relation.name)\": they differ from shard to shard",
                hint: "Store names instead.")
        }
        guard inspection.hasSubquery else { return }
        for table in otherTables(node, target) {
            guard let relation = table.relation(in: context), relation.placement == .reference else {
                throw Refusal(
                    "0A000", "subqueries in an INSERT may read reference tables only", hint: "Run the subquery first.",
                    position: context.position(table.location))
            }
        }
    }

    func otherTables(_ node: Node, _ target: InsertTarget) -> [TableReference] {
        TableReference.all(in: node).filter { $0 != target.reference }
    }

    /// ON CONFLICT DO UPDATE must leave the row on its shard.
    private func checkConflictAction(_ target: InsertTarget, _ key: ShardedKey) throws(Refusal) {
        guard let clause = target.statement.on_conflict_clause?.pointee else { return }
        for assignment in NodeList(clause.target_list, clause.n_target_list).nodes.compactMap(\.resTarget) {
            guard text(assignment.pointee.name) == key.name else { continue }
            let column = Node(assignment.pointee.val)?.columnRef.map { NodeList($0.pointee.fields, $0.pointee.n_fields).strings } ?? []
            if column == ["excluded", key.name] || column == [target.relation.name, key.name] { continue }
            throw Refusal(
                "0A000", "ON CONFLICT DO UPDATE cannot change the sharding key \"\(key.name)\"",
                hint: "Leave the key out of SET.", position: context.position(Int(assignment.pointee.location)))
        }
    }
}

extension StatementClassifier {
    /// Everything an INSERT evaluates: what is written, and the defaults of the columns that are left out.
    func inspectInsert(
        _ node: Node, _ target: InsertTarget, rows: [NodeList], withReturning: Bool = true
    ) throws(Refusal) -> ExpressionInspection {
        var inspection = ExpressionInspection(context)
        if withReturning {
            inspection.add(node)
        } else {
            if let source = Node(target.statement.select_stmt) { inspection.add(source) }
            if let conflict = target.statement.on_conflict_clause { inspection.add(below: conflict) }
        }
        var given: Set<Int> = []
        if target.source != nil {
            let width = rows.first?.count ?? (target.hasColumnList ? target.columns.count : StatementPlanner(context).insertedWidth(node) ?? 0)
            for position in 0..<min(width, target.columns.count) where !rows.contains(where: { $0[position]?.setToDefault != nil }) {
                given.insert(target.columns[position])
            }
        }
        given.subtract(target.overridden)
        for index in target.relation.columns.indices where !given.contains(index) {
            try inspection.addDefault(of: target.relation.columns[index])
        }
        for row in rows {
            for (position, value) in row.enumerated() where position < target.columns.count {
                guard let value, value.literal != nil else { continue }
                let effects = self.inspection(of: value, in: target.relation.columns[target.columns[position]]).effects
                for effect in effects { inspection.noteEffect(effect) }
            }
        }
        return inspection
    }

    func sessionBound(_ effect: FunctionEffect, _ target: InsertTarget) -> Refusal {
        switch effect {
        case .sequenceRead:
            Refusal(
                "0A000", "currval and lastval are not supported in an INSERT: another server may have drawn the value",
                hint: "Use RETURNING of the statement that draws it.")
        default:
            Refusal(
                "0A000", "a function in the INSERT into \"\(target.relation.name)\" acts on one server only",
                hint: "Call it in a SELECT of its own.")
        }
    }

    func unknownFunction(_ target: InsertTarget) -> Refusal {
        Refusal(
            "0A000", "it is not known which tables a function in the INSERT into \"\(target.relation.name)\" reads",
            hint: "Declare it: COMMENT ON FUNCTION ... IS 'pgbraid: reads none' or 'pgbraid: reads reference'; or mark it IMMUTABLE if it is.")
    }

    func differingTime(_ target: InsertTarget) -> Refusal {
        Refusal(
            "0A000", "the time of the transaction differs between the shards of this INSERT into \"\(target.relation.name)\"",
            hint: "Give the time as a literal or a parameter, also where a column's default is the time.")
    }
}

extension ExpressionInspection {
    /// What a column's default, or its domain's, evaluates.
    mutating func addDefault(of column: Column) throws(Refusal) {
        if column.generation == "a" || column.generation == "d" { return noteEffect(.sequenceWrite) }
        if column.generation == "s" { return }
        let type = typeFacts(column.typeOID)
        guard let expression = column.defaultExpression ?? type?.defaultExpression else { return }
        let tree = try ParseTree("SELECT " + expression)
        for statement in tree.statements { add(statement.node) }
    }
}

extension Message<PgQuery__SelectStmt> {
    /// VALUES with nothing around it.
    var isPlainValues: Bool {
        pointee.n_values_lists > 0 && pointee.n_sort_clause == 0 && pointee.limit_count == nil && pointee.limit_offset == nil
            && pointee.with_clause == nil && pointee.n_locking_clause == 0
    }
}

/// The text of an INSERT ... VALUES in pieces.
struct InsertText {
    var before: String
    var rows: [String]
    var after: String

    init(_ tokens: StatementTokens, rowCount: Int) throws(Refusal) {
        guard let keyword = tokens.firstOutside(PG_QUERY__TOKEN__VALUES), let last = tokens.tokens.last else { throw Self.unreadable }
        var rows: [String] = []
        var position = keyword + 1
        while true {
            guard tokens.tokens.indices.contains(position), tokens.tokens[position].kind == PG_QUERY__TOKEN__ASCII_40,
                let close = tokens.closing(position)
            else { throw Self.unreadable }
            rows.append(tokens.text(position, close + 1))
            position = close + 1
            guard rows.count < rowCount else { break }
            guard tokens.tokens.indices.contains(position), tokens.tokens[position].kind == PG_QUERY__TOKEN__ASCII_44 else {
                throw Self.unreadable
            }
            position += 1
        }
        let end = tokens.tokens[position - 1].range.upperBound
        before = tokens.text(tokens.tokens[0].range.lowerBound..<tokens.tokens[keyword + 1].range.lowerBound)
        after = tokens.text(end..<last.range.upperBound)
        self.rows = rows
    }

    private static let unreadable = Refusal("XX000", "the rows of VALUES could not be told apart")
}
