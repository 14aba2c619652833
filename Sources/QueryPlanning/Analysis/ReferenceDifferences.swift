// ReferenceDifferences: why an UPDATE, DELETE or MERGE of a reference table may do something else on each shard.
//
// The copies hold the same rows, but each shard reads them in an order of its own, and has a clock, sequences and random numbers. And a commit
// reaches one shard before another: what a statement reads of other tables, or of other rows, may be of before it here, and of after it there.
import CPGQuery

extension StatementPlanner {
    /// The reason; nil: all shards do the same.
    func differences(_ modification: BoundModification, _ relation: Relation, _ usage: StatementUsage) throws(Refusal) -> String? {
        if let column = try differingDefault(modification, relation) { return "the default of column \"\(column)\" may differ" }
        if case .other(let reason) = analysis.analyseInput(modification.level, Facts()).state { return reason }
        if usage.hasSharded || usage.hasVolatileFunctions { return "the values may differ from shard to shard" }
        if readsOtherRows(modification) { return Self.commitUnderWay }
        return orderDependence(modification)
    }

    static let commitUnderWay = "what it reads may be older on one shard than on another, while a transaction commits"

    /// What depends on the order in which a shard reads rows.
    private func orderDependence(_ modification: BoundModification) -> String? {
        matchDependence(modification) ?? queryDependence
    }

    /// What depends on that order in the statement's queries and subqueries, those of views included.
    var queryDependence: String? {
        for call in binder.calls {
            if call.node.pointee.over != nil { return "window functions may number rows in another order on each shard" }
            guard context.isAggregate(call.node) else { continue }
            let name = NodeList(call.node.pointee.funcname, call.node.pointee.n_funcname).strings.last ?? ""
            if !Self.orderlessAggregates.contains(name) { return "function \(name) may see rows in another order on each shard" }
        }
        if !binder.arrayQueries.allSatisfy(hasOneOrder) { return "an array may hold rows in another order on each shard" }
        if !binder.limitedQueries.allSatisfy({ hasOneOrder($0) || isOfExistence($0) }) { return "LIMIT may take other rows on each shard" }
        return binder.hasDistinctOn ? "DISTINCT ON may take other rows on each shard" : nil
    }

    /// Of EXISTS only whether there are rows matters.
    private func isOfExistence(_ query: BoundQuery) -> Bool {
        analysis.keepsExistence(query) && binder.sublinks.values.contains {
            $0.query === query && $0.node.pointee.sub_link_type == PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK
        }
    }

    private func hasOneOrder(_ query: BoundQuery) -> Bool {
        guard case .select(let level) = query.body else { return false }
        return analysis.hasOneOrder(level)
    }

    /// How a shard joins is its own choice.
    func matchDependence(_ modification: BoundModification) -> String? {
        modification.kind == .update && modification.level.entries.count > 1
            ? "of several rows that match one of the table each shard may take another" : nil
    }

    /// Aggregates whose result is the same in whatever order the rows come. Sums of floats are not.
    private static let orderlessAggregates: Set<String> = ["count", "min", "max", "bool_and", "bool_or", "every", "bit_and", "bit_or", "bit_xor"]

    /// Rows besides those that are changed.
    func readsOtherRows(_ modification: BoundModification) -> Bool {
        binder.calls.contains { context.facts(of: $0.node)?.mayReadTables ?? true } || binder.entries.contains { entry in
            if case .table = entry.source { entry !== modification.target } else { false }
        }
    }
}
