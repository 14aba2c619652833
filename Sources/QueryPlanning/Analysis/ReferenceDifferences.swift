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
        if usage.hasSharded || usage.hasVolatileFunctions || binder.namesServer { return "the values may differ from shard to shard" }
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

    /// WHERE gives the whole primary key by constants or parameters: whatever has been committed where, it is this row or none. The row is
    /// locked on the lowest shard first, where all who write it must be done, and the others wait for their commits: they find it as it is there.
    func namesOneRow(_ modification: BoundModification) -> Bool {
        guard modification.kind == .update || modification.kind == .delete, case .table(let relation) = modification.target.source,
            relation.kind == "p" || (relation.kind == "r" && !relation.hasChildren), !relation.primaryKey.isEmpty
        else { return false }
        let facts = Facts(modification.level.filter)
        return relation.primaryKey.allSatisfy { index in
            facts.constants(of: Variable(entry: modification.target.id, column: index)).contains { set in
                set.terms.count == 1 && !set.isArray && equalsOneValue(set.terms[0], typeOID: relation.columns[index].typeOID)
            }
        }
    }

    /// Whether no two values of a column of this type equal the constant: a column compared with some types becomes one of them first, as
    /// numeric and bigint become float8.
    private func equalsOneValue(_ term: ConstantTerm, typeOID: UInt32) -> Bool {
        var type = term.castTypeOID ?? 0
        if type == 0, case .parameter(let number) = term.value, context.parameterTypes.indices.contains(number - 1) {
            type = context.parameterTypes[number - 1]
        }
        if type == typeOID { return true }
        switch type {
        case TypeOID.float4, TypeOID.float8: return [TypeOID.float4, TypeOID.float8, TypeOID.int2, TypeOID.int4].contains(typeOID)
        case TypeOID.timestamptz, TypeOID.bpchar: return false
        default: return type < TypeOID.firstUserDefined
        }
    }

    /// How a shard joins is its own choice.
    func matchDependence(_ modification: BoundModification) -> String? {
        modification.kind == .update && modification.level.entries.count > 1
            ? "of several rows that match one of the table each shard may take another" : nil
    }

    /// Aggregates whose result is the same in whatever order the rows come. Sums of floats are not.
    static let orderlessAggregates: Set<String> = ["count", "min", "max", "bool_and", "bool_or", "every", "bit_and", "bit_or", "bit_xor"]

    /// Rows besides those that are changed.
    func readsOtherRows(_ modification: BoundModification) -> Bool {
        binder.calls.contains { context.facts(of: $0.node)?.mayReadTables ?? true } || binder.entries.contains { entry in
            if case .table = entry.source { entry !== modification.target } else { false }
        }
    }
}
