// InsertSelect: INSERT ... SELECT into a sharded table.
//
// A row stays on the shard that yields it when the key is a constant whose shard can answer the query, or the key column of the
// one sharded table the query reads row by row, placed alike. Otherwise the rows are fetched, and inserted as values.
import CPGQuery
import ShardMap

extension StatementClassifier {
    func insertSelect(
        _ node: Node, _ source: Message<PgQuery__SelectStmt>, _ target: InsertTarget, _ key: ShardedKey
    ) throws(Refusal) -> StatementPlan {
        guard let query = Node(target.statement.select_stmt) else { throw Refusal("XX000", "INSERT has no source") }
        let inspection = try inspectInsert(node, target, rows: [])
        if let effect = inspection.sessionEffect { throw sessionBound(effect, target) }
        if hasUnknownDefault(inspection, ExpressionInspection(node, context)) { throw unknownFunction(target) }
        // What ON CONFLICT and RETURNING read beside the row would be the rows of one shard.
        guard !hasSubqueryBesideSource(target) else { throw notSplit(target, key) }
        guard let output = SelectOutput(source, context), let position = target.columns.firstIndex(of: key.column),
            position < output.items.count, !target.overridden.contains(key.column)
        else { throw notSplit(target, key) }
        switch output.items[position] {
        case .expression(let value):
            let plan = try planSource(query, target)
            guard case .passThrough(let route) = plan.action else { throw notSplit(target, key) }
            return try insertOnOneShard(node, try storedKey(value, key, isExact: true), route, key, target, inspection)
        case .column(let relation, let index):
            // A WITH item of the table's name would be meant.
            guard target.statement.with_clause == nil, source.pointee.with_clause == nil else { throw notSplit(target, key) }
            guard case .sharded(index, let placement) = relation.placement, placement.isColocated(with: key.placement),
                isStoredUnchanged(relation.columns[index], key.definition)
            else { throw notSplit(target, key) }
            return try insertOnEachShard(node, query, output, target, key, inspection)
        }
    }

    func planSource(_ query: Node, _ target: InsertTarget) throws(Refusal) -> StatementPlan {
        try inner(StatementTokens(context).inserted(hasColumnList: target.hasColumnList)).planQuery(query)
    }

    /// All rows have one key; the query's route must agree with it.
    private func insertOnOneShard(
        _ node: Node, _ operand: KeyOperand, _ route: Route, _ key: ShardedKey, _ target: InsertTarget, _ inspection: ExpressionInspection
    ) throws(Refusal) -> StatementPlan {
        switch route {
        case .any: return passThrough(node, [operand], key, inspection, reason: "key of all rows")
        case .keys(let conditions):
            // What varchar(n) stores may be shorter than what the query compares with.
            let agreeing = key.maximumCharacters == nil && conditions.contains { condition in
                condition.placement.isColocated(with: key.placement) && !condition.isArrayParameter && condition.operands.count == 1
                    && constant(condition.operands[0], in: node, key) == operand
            }
            if agreeing { return passThrough(node, [operand], key, inspection, reason: "key of all rows and of the query") }
        case .catalog, .all, .keyGroups, .home, .participant, .writer, .shard: break
        }
        throw notSplit(target, key)
    }

    /// A key of the query with its literal read; itself if it is none.
    private func constant(_ operand: KeyOperand, in node: Node, _ key: ShardedKey) -> KeyOperand? {
        guard case .literal(let offset) = operand else { return operand }
        var found: Node?
        TreeWalk.nodes(under: node) { child in
            if child.literal?.location == offset { found = child }
            return found == nil ? .descend : .stop
        }
        return found.flatMap { try? storedKey($0, key, isExact: true) }
    }

    private func insertOnEachShard(
        _ node: Node, _ query: Node, _ output: SelectOutput, _ target: InsertTarget, _ key: ShardedKey,
        _ inspection: ExpressionInspection
    ) throws(Refusal) -> StatementPlan {
        let plan = try planSource(query, target)
        if case .passThrough(let route) = plan.action, route != .any {
            // They make a key NULL that WHERE has confined.
            if TreeWalk.nodes(under: query, { $0.groupingSet == nil ? .descend : .stop }) == false { throw notSplit(target, key) }
            return StatementPlan(
                action: .passThrough(route), effect: .writes, taintsLink: plan.taintsLink || inspection.taintsLink,
                commandName: "INSERT", parameterCount: ParameterNumbers.highest(in: node), reason: "key of the query")
        }
        guard output.isRowByRow, !inspection.hasSubquery, !inspection.hasAggregate else { throw notSplit(target, key) }
        if inspection.effects.contains(.unknown) { throw unknownFunction(target) }
        if inspection.effects.contains(.transactionTime) { throw differingTime(target) }
        return StatementPlan(
            action: .modify(.all, text: nil, tag: .sum), effect: .writes, commandName: "INSERT",
            parameterCount: ParameterNumbers.highest(in: node), insertsWhatItReads: true, reason: "each shard its own rows")
    }

    /// Assignment keeps the value: not into a shorter varchar.
    private func isStoredUnchanged(_ source: Column, _ target: Column) -> Bool {
        target.typeOID != 1043 || target.typeModifier < 0 || source.typeOID == 1043 && source.typeModifier == target.typeModifier
    }

    private func notSplit(_ target: InsertTarget, _ key: ShardedKey) -> Refusal {
        Refusal(
            "0A000", "INSERT ... SELECT into sharded table \"\(target.relation.name)\" would move rows between shards",
            hint: "Select the sharding key \"\(key.name)\" from a table that is sharded alike, or read the rows first and insert them with COPY.",
            position: context.position(target.reference.location))
    }
}

/// The output columns of a SELECT, as far as they are plain to see.
struct SelectOutput {
    enum Item {
        /// A column of a table in FROM.
        case column(Relation, Int)
        case expression(Node)
    }

    var items: [Item] = []
    /// Each row of the result is made from one row of the one table read.
    var isRowByRow = false

    /// nil where the columns cannot be told without full analysis.
    init?(_ select: Message<PgQuery__SelectStmt>, _ context: AnalysisContext) {
        let statement = select.pointee
        guard statement.op == PG_QUERY__SET_OPERATION__SETOP_NONE, statement.n_values_lists == 0 else { return nil }
        let from = NodeList(statement.from_clause, statement.n_from_clause)
        let only = from.count == 1 ? from[0]?.rangeVar : nil
        let relation = only.flatMap { TableReference($0).relation(in: context) }
        let alias = only.map { nonEmptyText($0.pointee.alias?.pointee.aliasname) ?? text($0.pointee.relname) }
        let isRenamed = (only?.pointee.alias?.pointee.n_colnames ?? 0) > 0
        for target in NodeList(statement.target_list, statement.n_target_list).nodes {
            guard let value = target.resTarget.flatMap({ Node($0.pointee.val) }) else { return nil }
            guard let column = value.columnRef else {
                items.append(.expression(value))
                continue
            }
            guard let relation, !isRenamed, relation.kind == "r" || relation.kind == "p" else { return nil }
            let fields = NodeList(column.pointee.fields, column.pointee.n_fields)
            guard fields.count == 1 || fields.count == 2 && fields[0]?.string == alias else { return nil }
            guard let name = fields[fields.count - 1]?.string else {
                items += relation.columns.indices.map { .column(relation, $0) }
                continue
            }
            guard let index = relation.columns.firstIndex(where: { $0.name == name }) else { return nil }
            items.append(.column(relation, index))
        }
        isRowByRow = relation != nil && statement.n_group_clause == 0 && statement.n_distinct_clause == 0 && statement.having_clause == nil
            && statement.limit_count == nil && statement.limit_offset == nil && statement.with_clause == nil
            && statement.n_window_clause == 0 && statement.n_locking_clause == 0
    }
}
