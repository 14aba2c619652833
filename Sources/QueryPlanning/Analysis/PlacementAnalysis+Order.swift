// Whether what every shard computes by itself is the same on all of them. Copies of a table have its rows in orders of their own; fetched rows
// and those of functions come in one order everywhere.
import CPGQuery

extension PlacementAnalysis {
    /// Its rows come in the same order wherever the tables hold the same rows.
    func hasOneOrder(_ level: BoundLevel) -> Bool { isOneRow(level) || hasTotalOrder(level) }

    /// The same of the query in ARRAY (...). Of a correlated one each row of the outer query asks on one shard only.
    func hasOneOrder(ofArray sublink: BoundSublink) -> Bool {
        if sublink.query.isCorrelated || binder.comparedArrays.contains(UnsafeMutableRawPointer(sublink.node)) { return true }
        switch sublink.query.body {
        case .values: return true
        case .select(let level) where hasOneOrder(level): return true
        default: return !readsTables(sublink.query)
        }
    }

    /// The state of a part that depends on the order of the rows it reads.
    func certain(_ state: RelationState, _ level: BoundLevel, _ query: BoundQuery, _ reason: String) -> RelationState {
        guard case .replicated = state, !query.isCorrelated, readsTables(level) else { return state }
        return .other(reason)
    }

    // MARK: Tables

    private func readsTables(_ query: BoundQuery) -> Bool {
        if let known = tableReaders[ObjectIdentifier(query)] { return known }
        let reads: Bool
        switch query.body {
        case .select(let level), .values(let level): reads = readsTables(level)
        case .setOperation(_, _, let left, let right): reads = readsTables(left) || readsTables(right)
        case .recursive(_, _, let initial, let step): reads = readsTables(initial) || readsTables(step)
        case .modification: reads = true
        }
        tableReaders[ObjectIdentifier(query)] = reads
        return reads
    }

    /// Whether the order of its rows may be that of a table's; what a subquery in WHERE reads, decides how PostgreSQL joins.
    private func readsTables(_ level: BoundLevel) -> Bool {
        let isRead = level.entries.contains { entry in
            switch entry.source {
            case .table, .temporaryTable: true
            case .query(let query): readsTables(query)
            case .recursiveReference, .function, .mergedColumns: false
            }
        }
        return isRead || level.calls.contains { $0.clause == .from && context.facts(of: $0.node)?.mayReadTables ?? true }
            || level.sublinks.contains { [.from, .on, .filter].contains($0.clause) && readsTables($0.query) }
    }

    // MARK: Order

    private func isOneRow(_ level: BoundLevel) -> Bool { level.hasAggregates && level.grouping.isEmpty }

    /// Fetched rows that are ordered by their place in the end.
    private func endsWithPlace(_ level: BoundLevel) -> Bool {
        guard level.entries.count == 1, !level.isGrouped, !level.isDistinct, level.entries[0].name == PartialRows.name,
            let last = level.ordering.last?.variable, last.entry == level.entries[0].id, level.entries[0].columns.indices.contains(last.column)
        else { return false }
        return level.entries[0].columns[last.column].name == PartialRows.placeName
    }

    private func hasTotalOrder(_ level: BoundLevel) -> Bool {
        endsWithPlace(level) || ordersOutput(level) || !level.isDistinct && ordersTotally(level)
    }

    /// ORDER BY tells all rows apart that the level reads.
    func ordersTotally(_ level: BoundLevel) -> Bool {
        !level.isGrouped && areToldApart(level, by: level.ordering.filter { !$0.hasOperator }.compactMap(\.variable))
    }

    private func areToldApart(_ level: BoundLevel, by variables: [Variable]) -> Bool {
        guard level.entries.count == 1, case .table(let relation) = level.entries[0].source, relation.kind == "p" || !relation.hasChildren,
            !relation.primaryKey.isEmpty
        else { return false }
        return relation.primaryKey.allSatisfy { variables.contains(Variable(entry: level.entries[0].id, column: $0)) }
    }

    /// Rows that ORDER BY does not tell apart are the same in all that is shown of them. It is not the same which of them is locked.
    private func ordersOutput(_ level: BoundLevel) -> Bool {
        guard !level.ordering.isEmpty, level.distinctOn.isEmpty, !level.hasUnknownTargets, !level.entries.contains(where: \.isRowLocked) else {
            return false
        }
        return level.targets.indices.allSatisfy { index in
            let target = level.targets[index]
            if let expression = target.expression, isConstant(expression) { return true }
            guard let type = binder.column(of: target).type, context.hasByteEquality(type) else { return false }
            return level.ordering.contains { item in
                if item.hasOperator { return false }
                let isSame = item.variable != nil && item.variable == target.variable && item.expression.flatMap { binder.inferType($0) } == type
                return item.target == index || isSame
            }
        }
    }

    // MARK: Aggregates and windows

    /// The rows of each group may come in any order, or come in one.
    func hasOneResult(_ level: BoundLevel) -> Bool {
        if level.calls.allSatisfy({ isOrderless($0.node, level) }) { return true }
        guard level.grouping.isEmpty, level.sublinks.isEmpty, level.entries.count == 1, case .query(let query) = level.entries[0].source,
            case .select(let inner) = query.body
        else { return false }
        return hasTotalOrder(inner)
    }

    /// An aggregate whose result is the same in whatever order the rows come; or none.
    private func isOrderless(_ call: Message<PgQuery__FuncCall>, _ level: BoundLevel) -> Bool {
        guard context.isAggregate(call) else { return true }
        if isOrderlessFunction(call) { return true }
        let arguments = NodeList(call.pointee.args, call.pointee.n_args).nodes.filter { !isConstant($0) }
        let sorts = NodeList(call.pointee.agg_order, call.pointee.n_agg_order).nodes.compactMap(\.sortBy).filter { $0.pointee.n_use_op == 0 }
        let order = sorts.compactMap { Node($0.pointee.node) }
        if call.pointee.agg_within_group != 0 { return order.allSatisfy(hasByteEquality) || isContinuous(call, order) }
        if areToldApart(level, by: order.compactMap { binder.variable($0) }) { return true }
        // DISTINCT puts its values in order.
        let isDistinct = call.pointee.agg_distinct != 0
        return arguments.allSatisfy { argument in hasByteEquality(argument) && (isDistinct || order.contains { binder.isSame(argument, $0) }) }
    }

    /// percentile_cont computes with numbers, whose spellings it does not show.
    private func isContinuous(_ call: Message<PgQuery__FuncCall>, _ order: [Node]) -> Bool {
        FunctionNames.name(of: call) == "percentile_cont" && order.allSatisfy { binder.inferType($0).flatMap { NumberRank.rank($0.oid) } != nil }
    }

    /// Of numbers with decimals, sums do not depend on their order.
    private func isOrderlessFunction(_ call: Message<PgQuery__FuncCall>) -> Bool {
        guard let name = FunctionNames.name(of: call), context.facts(of: call)?.isBuiltIn == true else { return false }
        if StatementPlanner.orderlessAggregates.contains(name) { return true }
        guard Self.sums.contains(name), let argument = NodeList(call.pointee.args, call.pointee.n_args).first ?? nil else { return false }
        return [TypeOID.int2, TypeOID.int4, TypeOID.int8, TypeOID.numeric, TypeOID.interval].contains(binder.inferType(argument)?.oid ?? 0)
    }

    private static let sums: Set<String> = ["sum", "avg", "variance", "var_pop", "var_samp", "stddev", "stddev_pop", "stddev_samp"]
    private static let ranks: Set<String> = ["rank", "dense_rank", "percent_rank", "cume_dist"]

    /// A window function that is the same for rows which ORDER BY does not tell apart; or there are no such rows.
    func isOrderless(_ window: BoundWindow, _ level: BoundLevel) -> Bool {
        if let name = FunctionNames.name(of: window.call), Self.ranks.contains(name), context.facts(of: window.call)?.isBuiltIn == true { return true }
        if !window.countsRows, isOrderlessFunction(window.call) { return true }
        return !level.isGrouped && areToldApart(level, by: (window.partition + window.ordering).compactMap { binder.variable($0) })
    }

    private func hasByteEquality(_ node: Node) -> Bool { binder.inferType(node).map(context.hasByteEquality) ?? false }

    private func isConstant(_ node: Node) -> Bool {
        if let cast = node.typeCast { return Node(cast.pointee.arg).map { isConstant($0) } ?? false }
        return node.literal != nil || node.paramRef != nil
    }
}
