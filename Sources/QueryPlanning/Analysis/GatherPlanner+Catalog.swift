// Queries of the system catalogs and of sequences: the catalog shard answers them with its catalogs as one server would have
// them (`LogicalCatalog`), and with what the shards say together of how far a sequence is.
//
// How far: the shards give different numbers, each from its own part. Of those that were given the farthest is the last one,
// so that a sequence which goes on behind it gives none again. Where no shard has given any, the next one is the first of
// all shards' next ones.
import CPGQuery
import ResultMerging

extension StatementPlanner {
    /// The plan of a SELECT that reads sequences or catalogs which are to look otherwise; nil where the statement may run as
    /// it is, or for forms that are left alone: they show what the catalog shard has.
    func planLogicalCatalog(_ query: BoundQuery, _ usage: StatementUsage) throws(Refusal) -> StatementPlan? {
        guard usage.unusable == nil, !usage.hasSharded, !usage.hasTemporary, usage.functionEffect == .reads, usage.pins.isEmpty,
            !usage.hasSessionFunctions, !usage.hasSequenceReads, !usage.changesSettings, usage.textFunction == nil,
            !binder.locksRows, binder.modifications.isEmpty, binder.unknownTable == nil, binder.firstError == nil,
            usage.hasSystem || usage.sequence != nil && context.environment.shardCount > 1, !binder.hasUnknownTargets(query)
        else { return nil }
        // `TABLE name` is left alone.
        guard let planner = try? GatherPlanner(self, query), let result = try planner.planCatalog() else { return nil }
        let route: Route = result.plan.finisher == nil ? .catalog : .all
        return plan(.scatter(route, result.plan), "SELECT", usage, effect: .reads, reason: result.reason)
    }
}

extension GatherPlanner {
    /// nil: there is nothing to replace.
    func planCatalog() throws(Refusal) -> ScatterPlanner.Result? {
        let binder = planner.binder
        let showsSystemColumns = binder.readsSystemColumns
        let mayHide = !binder.usesWholeRows && !(showsSystemColumns && hasStar) && !dependsOnKeys
        var count = 0
        for entry in binder.entries {
            guard case .table(let relation) = entry.source, entry.node != nil else { continue }
            if relation.kind == "S" {
                try replaceSequence(entry, relation)
            } else if let catalog = LogicalCatalog(relation, showsSystemColumns: showsSystemColumns), mayHide || !catalog.isOnlyHiding,
                let table = fetchedTable(entry)
            {
                replaceCatalog(table, try text(of: catalog, relation, table))
            } else {
                continue
            }
            count += 1
        }
        guard count > 0 else { return nil }
        if !parts.isEmpty { return try finished("catalog shard, and how far the shards' sequences are") }
        let text = edited(0..<tokens.count)
        guard try resolves(text) else { return nil }
        return .init(
            plan: ScatterPlan(shardText: text, merge: MergePlan(visibleColumnCount: query.columns.count)),
            reason: "catalog shard: system catalogs as one server has them")
    }

    /// Its columns may be named in ways that what replaces it does not know (`pg_catalog.pg_class.oid`).
    private func resolves(_ text: String) throws(Refusal) -> Bool {
        let bound = Binder(context.replacingText(text))
        guard let tree = try? ParseTree(text), tree.statements.count == 1, let select = tree.statements[0].node.selectStmt else {
            throw SelectRewriting.notUnderstood
        }
        let query = bound.bindQuery(select, parent: nil)
        return bound.firstError == nil && query.columns.count == self.query.columns.count
    }

    /// GROUP BY of a primary key lets the table's other columns be shown, of a subquery it does not.
    private var dependsOnKeys: Bool { tokens.tokens.contains { $0.kind == PG_QUERY__TOKEN__GROUP_P } }

    private var hasStar: Bool {
        guard let node = query.node else { return true }
        return !TreeWalk.nodes(below: node) { $0.star == nil ? .descend : .stop }
    }

    private func replaceCatalog(_ table: FetchedTable, _ text: String) {
        replace(table.name, with: table.hasAlias ? text : "\(text) AS \(table.alias)")
    }

    // MARK: Sequences

    /// Of pg_sequences the last values are those of all shards.
    private func text(of catalog: LogicalCatalog, _ relation: Relation, _ table: FetchedTable) throws(Refusal) -> String {
        let names = ["schemaname", "sequencename", "last_value"]
        let columns = names.compactMap { name in relation.columns.first { $0.name == name } }
        guard relation.name == "pg_sequences", columns.count == names.count, context.environment.shardCount > 1,
            table.used.contains(where: { table.columnNames[$0] == "last_value" })
        else { return catalog.text }
        let rows = try rows(columns)
        let name = "\(relation.schema).\(relation.name)"
        let text = "SELECT \(names.joined(separator: ", ")) FROM \(name) WHERE last_value IS NOT NULL"
        let number = try add(GatheredPart(text: text, columns: rows.partial.ordered), table.entry.name)
        let same = "\(rows.shown[0]) OPERATOR(pg_catalog.=) v.schemaname AND \(rows.shown[1]) OPERATOR(pg_catalog.=) v.sequencename"
        func last(_ aggregate: String) -> String {
            "(SELECT pg_catalog.\(aggregate)(\(rows.shown[2])) FROM \(GatherLayout.name(number)) AS \(PartialRows.name) WHERE \(same))"
        }
        return LogicalCatalog.sequencesView(
            lastValue: "CASE WHEN v.increment_by OPERATOR(pg_catalog.>) 0 THEN \(last("max")) ELSE \(last("min")) END")
    }

    /// A sequence as a table of one row.
    private func replaceSequence(_ entry: RangeEntry, _ relation: Relation) throws(Refusal) {
        guard let table = fetchedTable(entry), !planner.binder.usesWholeRows, !planner.binder.readsSystemColumns else {
            throw planner.refusal("a sequence's whole row or system columns, or a sequence in a form other than its name")
        }
        let columns = ["last_value", "log_cnt", "is_called"].compactMap { name in relation.columns.first { $0.name == name } }
        guard columns.count == relation.columns.count else { throw SelectRewriting.notUnderstood }
        let rows = try rows(columns)
        let name = SQLText.quoted(relation.schema) + "." + SQLText.quoted(relation.name)
        let names = columns.map(\.name)
        let text = "SELECT \(names.joined(separator: ", ")) FROM \(name)"
        let number = try add(GatheredPart(text: text, columns: rows.partial.ordered), entry.name)
        let shown = zip(rows.shown, names).map { "\($0) AS \($1)" }.joined(separator: ", ")
        let ascends = """
            (SELECT q.seqincrement OPERATOR(pg_catalog.>) 0 FROM pg_catalog.pg_sequence AS q \
            WHERE q.seqrelid OPERATOR(pg_catalog.=) \(SQLText.literal(name))::pg_catalog.regclass)
            """
        replaceCatalog(
            table,
            """
            (SELECT \(shown) FROM \(GatherLayout.name(number)) AS \(PartialRows.name) ORDER BY \(rows.shown[2]) DESC, \
            CASE WHEN \(rows.shown[2]) OPERATOR(pg_catalog.=) \(ascends) THEN OPERATOR(pg_catalog.-) \(rows.shown[0])::pg_catalog.numeric \
            ELSE \(rows.shown[0])::pg_catalog.numeric END LIMIT 1)
            """)
    }

    /// Columns to be fetched, and how the finisher writes them.
    private func rows(_ columns: [Column]) throws(Refusal) -> (partial: PartialRows, shown: [String]) {
        var partial = PartialRows()
        var shown: [String] = []
        for column in columns {
            guard let text = partial.add(SQLText.quoted(column.name), SQLType(column), isKey: false, context) else {
                throw SelectRewriting.notUnderstood
            }
            shown.append(text)
        }
        return (partial, shown)
    }
}
