// InsertReference: INSERT into a reference table. Every shard runs it, and every shard must store the same rows.
import CPGQuery

extension StatementClassifier {
    func insertReference(_ node: Node, _ target: InsertTarget) throws(Refusal) -> StatementPlan {
        var rows: [NodeList] = []
        if let source = target.source {
            if source.isPlainValues { rows = try valueRows(source, target) } else { try checkReferenceSource(source, node, target) }
        }
        var inspection = try inspectInsert(node, target, rows: rows, withReturning: false)
        if writesDateWord(node, target) { inspection.noteEffect(.transactionTime) }
        try checkReturning(target)
        try checkConflictCascades(target)
        try checkConflictDefaults(target)
        do throws(Refusal) {
            try checkSteady(inspection, node, target)
            try checkOrder(inspection, node, target)
        } catch {
            if target.source?.isPlainValues == false || target.relation.hasTriggers { throw error }
            if returnsTime(target) { throw error }
            return try drawing(orThrow: error, node, target, rows) { inspection, _ in !inspection.isSteady }
        }
        return StatementPlan(
            action: .modify(.all, text: nil, tag: .first), effect: .writes, commandName: "INSERT",
            parameterCount: ParameterNumbers.highest(in: node),
            lockedTable: mayMeetOtherConflicts(target, rowCount: rows.count) ? target.relation.quotedName : nil,
            reason: "reference table: the same rows on all shards")
    }

    /// 'now' stands where each shard may read it as its own time.
    private func writesDateWord(_ node: Node, _ target: InsertTarget) -> Bool {
        let literals = TimeLiterals(node, context)
        if let source = Node(target.statement.select_stmt), literals.stand(in: source) { return true }
        return target.statement.on_conflict_clause.map { literals.stand(below: $0) } ?? false
    }

    /// A row that is not stored for a conflict is locked by nobody, and free to go before the next shard is asked. There it is stored, and
    /// another of the statement's rows may be in conflict with it by another constraint.
    private func mayMeetOtherConflicts(_ target: InsertTarget, rowCount: Int) -> Bool {
        guard context.environment.shardCount > 1, rowCount != 1, let clause = target.statement.on_conflict_clause?.pointee,
            clause.action == PG_QUERY__ON_CONFLICT_ACTION__ONCONFLICT_NOTHING
        else { return false }
        let keys = target.relation.constraints.filter { $0.kind != .foreignKey }
        return keys.contains { $0.kind == .exclusion } || (clause.infer == nil && keys.count > 1)
    }

    /// The drawn time may be that of another transaction than RETURNING's.
    private func returnsTime(_ target: InsertTarget) -> Bool {
        var inspection = ExpressionInspection(context)
        for item in NodeList(target.statement.returning_list, target.statement.n_returning_list).nodes { inspection.add(item) }
        return inspection.effects.contains(.transactionTime)
    }

    /// RETURNING is evaluated on all shards and answered by the lowest: it may differ, but must not do anything.
    private func checkReturning(_ target: InsertTarget) throws(Refusal) {
        var inspection = ExpressionInspection(context)
        for item in NodeList(target.statement.returning_list, target.statement.n_returning_list).nodes { inspection.add(item) }
        let harmless: Set<FunctionEffect> = [.none, .transactionTime, .freshValue, .catalogRead, .shardLocal]
        if let effect = inspection.effects.first(where: { !harmless.contains($0) }) { throw differing(target, Self.reason(effect)) }
        for item in NodeList(target.statement.returning_list, target.statement.n_returning_list).nodes {
            for table in TableReference.all(in: item) where table.relation(in: context)?.placement != .reference {
                throw differing(target, "RETURNING reads \"\(table.displayName)\", of which each shard has a part")
            }
        }
    }

    /// What ON CONFLICT DO UPDATE sets, no sharding key of another table may follow.
    private func checkConflictCascades(_ target: InsertTarget) throws(Refusal) {
        guard let clause = target.statement.on_conflict_clause?.pointee, clause.n_target_list > 0 else { return }
        let names = NodeList(clause.target_list, clause.n_target_list).nodes.compactMap(\.resTarget).map { text($0.pointee.name) }
        try context.checkKeyCascades(from: target.relation, setting: Set(names))
    }

    /// DEFAULT in ON CONFLICT DO UPDATE; of (a, b) = ROW (...) it is not known what each column gets.
    private func checkConflictDefaults(_ target: InsertTarget) throws(Refusal) {
        guard let clause = target.statement.on_conflict_clause?.pointee else { return }
        for item in NodeList(clause.target_list, clause.n_target_list).nodes.compactMap(\.resTarget) {
            let value = Node(item.pointee.val)
            guard value?.setToDefault != nil || value?.multiAssignRef != nil || item.pointee.n_indirection > 0 else { continue }
            let name = text(item.pointee.name)
            for column in target.relation.columns where column.name == name {
                guard try !context.hasSteadyDefault(column) else { continue }
                throw differing(target, "the default of \"\(name)\" may differ from shard to shard")
            }
        }
    }

    /// A query over reference tables whose rows do not depend on their order.
    private func checkReferenceSource(
        _ source: Message<PgQuery__SelectStmt>, _ node: Node, _ target: InsertTarget
    ) throws(Refusal) {
        guard let query = Node(target.statement.select_stmt), case .passThrough(.any) = try planQuery(query).action else {
            throw Refusal(
                "0A000", "INSERT ... SELECT into reference table \"\(target.relation.name)\" may read reference tables only",
                hint: "Read the rows first, then insert them.", position: context.position(target.reference.location))
        }
        var isOrdered = false
        TreeWalk.nodes(under: query) { child in
            if let select = child.selectStmt?.pointee {
                isOrdered = isOrdered || select.limit_count != nil || select.limit_offset != nil || select.n_locking_clause > 0
                    || NodeList(select.distinct_clause, select.n_distinct_clause).contains { $0 != nil }
            }
            return isOrdered ? .stop : .descend
        }
        if isOrdered || ExpressionInspection(query, context).hasAggregate {
            throw differing(target, "the result of the query may depend on the order in which a shard reads rows")
        }
    }

    private func checkSteady(_ inspection: ExpressionInspection, _ node: Node, _ target: InsertTarget) throws(Refusal) {
        if target.relation.hasTriggers {
            throw differing(target, "its triggers may do different things on each shard")
        }
        if let effect = inspection.effects.first(where: { $0 != .none }) { throw differing(target, Self.reason(effect)) }
        if inspection.namesServer { throw differing(target, "the database may have another name on each shard") }
        if inspection.volatility == .volatile { throw differing(target, "a function gives another value at each call") }
        guard inspection.hasSubquery else { return }
        for table in otherTables(node, target) where table.relation(in: context)?.placement != .reference {
            throw differing(target, "\"\(table.displayName)\" is not the same on every shard")
        }
    }

    /// Each shard reads rows in an order of its own, which subqueries in values and in ON CONFLICT may tell, and of rows that are in conflict
    /// with each other the first is stored. Rows of tables it may read before a commit that another reads after.
    private func checkOrder(_ inspection: ExpressionInspection, _ node: Node, _ target: InsertTarget) throws(Refusal) {
        guard context.environment.shardCount > 1 else { return }
        let isOfValues = target.source?.isPlainValues ?? true
        if !isOfValues, target.statement.on_conflict_clause?.pointee.action == PG_QUERY__ON_CONFLICT_ACTION__ONCONFLICT_NOTHING {
            throw differing(target, "of rows that are in conflict with each other each shard may store another")
        }
        let tables = TableReference.all(in: node).filter { $0.relation(in: context) != nil }
        // One is the target's own.
        if tables.count > 1 || inspection.mayReadTables { throw differing(target, StatementPlanner.commitUnderWay) }
        guard inspection.hasSubquery || !isOfValues else { return }
        let planner = StatementPlanner(context)
        guard planner.binder.bindModification(node, parent: nil) != nil else { return }
        if let reason = planner.queryDependence { throw differing(target, reason) }
    }

    private static func reason(_ effect: FunctionEffect) -> String {
        switch effect {
        case .transactionTime: "the time of the transaction is another on each shard"
        case .sequenceWrite, .sequenceRead: "each shard draws its own numbers from a sequence"
        case .freshValue: "a function gives another value at each call"
        case .unknown: "a function is not known to give the same value everywhere"
        default: "a function gives what only one server knows"
        }
    }

    private func differing(_ target: InsertTarget, _ reason: String) -> Refusal {
        Refusal(
            "0A000", "INSERT into reference table \"\(target.relation.name)\" may store different rows on each shard",
            detail: reason.prefix(1).uppercased() + reason.dropFirst() + ".",
            hint: "Give every value as a literal or a parameter, also for columns with such a default.",
            position: context.position(target.reference.location))
    }
}

extension BoundModification {
    /// The target's quoted name, if LOCK TABLE takes it.
    var lockableTarget: String? {
        guard case .table(let relation) = target.source, ["r", "p", "v"].contains(relation.kind) else { return nil }
        return relation.quotedName
    }
}

extension Relation {
    /// With its schema.
    var quotedName: String { "\(SQLText.quoted(schema)).\(SQLText.quoted(name))" }

    /// Triggers of its own, which may do what the statement does not say.
    var hasTriggers: Bool { hasRowTriggers || hasStatementTriggers }
}
