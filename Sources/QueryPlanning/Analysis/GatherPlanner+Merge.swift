// MERGE that inserts rows: each source row must be looked at on one shard only, that of its key, or every shard would insert it.
// So the source's rows are fetched and dealt to the shards of the keys by which they are compared and inserted.
import CPGQuery
import ShardMap

extension GatherPlanner {
    /// - Throws: 0A000 where the rows cannot be dealt.
    func planDealtMerge(_ modification: BoundModification, _ usage: StatementUsage) throws(Refusal) -> FetchedModificationPlan {
        try checkGatherable(usage)
        try checkTarget(modification)
        guard case .outer(.left, .entry(let source), .entry, let on, _) = modification.level.from,
            case .table(let relation) = modification.target.source, case .sharded(let column, let placement) = relation.placement
        else { throw planner.refusal("MERGE inserts rows, and its source is a join") }
        let target = Variable(entry: modification.target.id, column: column)
        guard let key = comparedColumn(on, target, source) else {
            throw planner.refusal("MERGE inserts rows, and ON does not compare the sharding key with a column of the source")
        }
        let stored = ShardedKey(column: column, placement: placement, relation: relation)
        try planner.checkInsertedRows(modification, stored) { $0 == key }
        let type = try keyType(source.columns[key.column].type, stored)
        try checkOthers(modification)
        let (position, isOnEveryShard) = try fetchSource(source, key.column, modification)
        let layout = GatherLayout(parts, firstParameter: planner.binder.parameterCount + 1)
        var plan = try statement(layout, modification)
        plan.dealing = .init(column: position, type: type, method: placement.method)
        plan.isFetchedFromOne = isOnEveryShard
        try planner.checkDealtMerge(plan, reading: parts.flatMap { $0.columns.map(\.type) })
        return plan
    }

    private func comparedColumn(_ on: [Predicate], _ target: Variable, _ source: RangeEntry) -> Variable? {
        for case .equal(let left, let right) in on {
            if left == target, right.entry == source.id { return right }
            if right == target, left.entry == source.id { return left }
        }
        return nil
    }

    private func keyType(_ type: SQLType?, _ key: ShardedKey) throws(Refusal) -> KeyType {
        guard let type, let keyType = KeyType(typeOID: type.oid), keyType.family == key.placement.keyType.family, key.maximumCharacters == nil,
            keyType.family != .text || planner.context.environment.usesServerEncoding
        else { throw planner.refusal("MERGE inserts rows, and the source's key is of another type") }
        return keyType
    }

    /// Subqueries and WITH items stay where they are.
    private func checkOthers(_ modification: BoundModification) throws(Refusal) {
        let others = modification.level.sublinks.map(\.query) + query.commonTables.map(\.query)
        guard others.allSatisfy(isReplicated) else { throw planner.refusal("MERGE inserts rows, and has subqueries on sharded tables") }
    }

    /// Fetches the source; the position of the key among the fetched columns, and whether every shard has the same rows.
    private func fetchSource(_ source: RangeEntry, _ key: Int, _ modification: BoundModification) throws(Refusal) -> (Int, Bool) {
        switch source.source {
        case .table(let relation):
            let isReference = relation.placement == .reference
            try replaceTable(source, GatherConditions(query, modification.level, planner))
            guard let position = fetchedTable(source)?.used.firstIndex(of: key) else { throw SelectRewriting.notUnderstood }
            return (position, isReference)
        case .query(let inner):
            let state = planner.analysis.analyse(inner, Facts()).state
            if case .other(let reason) = state { throw planner.refusal(reason) }
            try fetchQuery(inner, source)
            if case .replicated = state { return (key, true) }
            return (key, false)
        default: throw planner.refusal("MERGE inserts rows of a source of this kind")
        }
    }

    private func fetchQuery(_ inner: BoundQuery, _ source: RangeEntry) throws(Refusal) {
        guard !source.isCommonReference, let subselect = source.node?.rangeSubselect, let node = Node(subselect.pointee.subquery),
            let range = tokens.range(of: node, planner.context)
        else { throw planner.refusal("MERGE inserts rows of a source of this kind") }
        var rows = PartialRows()
        var outputs: [String] = []
        for (index, column) in inner.columns.enumerated() {
            guard let type = column.type, let name = rows.add("column \(index)", type, isKey: false, planner.context) else {
                throw planner.refusal("the type of a column of the source is not known")
            }
            outputs.append("\(name) AS \(SQLText.quoted(column.name))")
        }
        let text = try sourceText(planner.context.slice(tokens.bytes(range)), node)
        let number = try add(GatheredPart(text: text, columns: rows.ordered), source.name)
        replace(tokens.bytes(range), with: "SELECT \(outputs.joined(separator: ", ")) FROM \(GatherLayout.name(number)) AS \(PartialRows.name)")
    }

    /// The source by itself, with the WITH items in front of MERGE that it reads.
    private func sourceText(_ text: String, _ node: Node) throws(Refusal) -> String {
        if planner.binder.isSelfContained(node) { return text }
        guard let merge = tokens.firstOutside(PG_QUERY__TOKEN__MERGE) else { throw SelectRewriting.notUnderstood }
        return planner.context.slice(tokens.bytes(0..<merge)) + " SELECT * FROM (\(text)) AS \(PartialRows.name)"
    }
}

extension StatementPlanner {
    /// With the source's rows dealt, the statement must be exact as if only rows that match mattered.
    func checkDealtMerge(_ plan: FetchedModificationPlan, reading types: [SQLType]) throws(Refusal) {
        try checkFetchedModification(plan, reading: types) { modification in
            guard case .outer(_, let source, let target, let on, _) = modification.level.from else { return }
            modification.level.from = .inner([source, target], on)
        }
    }
}
