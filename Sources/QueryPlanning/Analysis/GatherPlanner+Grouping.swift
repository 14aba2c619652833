// Subqueries of WHERE that compute a value for each row of their level: `x > (SELECT avg(y) FROM t WHERE t.k = level.k)`. Over
// fetched rows PostgreSQL would read all of t for each of these rows, having no index. So t is grouped by k and joined:
// `..., (SELECT k, avg(y) ... GROUP BY k) AS g WHERE (x > g.value AND g.k = level.k)`.
import CPGQuery

extension GatherPlanner {
    /// Joins a subquery's groups to its level.
    /// - Returns: false for subqueries of another kind; nothing is changed then.
    func joinGroups(_ sublink: BoundSublink, _ level: BoundLevel, _ query: BoundQuery) throws(Refusal) -> Bool {
        guard nesting < StatementSize.maximumGatherNesting, let place = GroupedSubquery(sublink, level, query, self) else { return false }
        nesting += 1
        defer { nesting -= 1 }
        groupCount += 1
        let name = "pgbraid_group_\(groupCount)"
        for key in place.keys { editing.replace(tokens.bytes(key.conjunct), with: "TRUE") }
        let columns = place.keys.enumerated().map { "\($1.inner) AS pgbraid_key_\($0 + 1), " }.joined()
        editing.insert(columns, at: tokens[place.target].range.lowerBound)
        editing.insert(" AS pgbraid_value", at: tokens[place.source - 1].range.upperBound)
        editing.insert(" GROUP BY " + place.keys.map(\.inner).joined(separator: ", "), at: tokens.bytes(place.subquery).upperBound)
        try descend(sublink.query)
        let text = editing.text(of: tokens.bytes(place.subquery))
        editing.insert(", (\(text)) AS \(name)", at: tokens[place.filter - 1].range.upperBound)
        editing.replace(tokens.bytes(place.subquery.lowerBound - 1..<place.subquery.upperBound + 1), with: "\(name).pgbraid_value")
        let ties = place.keys.enumerated().map { " AND \(name).pgbraid_key_\($0 + 1) = \($1.outer)" }.joined()
        editing.insert("(", at: tokens.bytes(place.comparison).lowerBound)
        editing.insert(ties + ")", at: tokens.bytes(place.comparison).upperBound)
        return true
    }
}

extension GatherPlanner {
    /// Adds to GROUP BY what depends on the primary keys of fetched tables.
    func groupByDependents(_ level: BoundLevel, _ query: BoundQuery) throws(Refusal) {
        guard let select = query.node?.pointee else { return }
        let columns = DependentColumns(level, planner.binder).used(in: select, context).filter { isFetched(planner.binder.entries[$0.entry]) }
        guard !columns.isEmpty else { return }
        var texts: [String] = []
        for variable in columns {
            let entry = planner.binder.entries[variable.entry]
            let column = entry.columns[variable.column]
            guard let type = column.type, context.hasEquality(type.oid) else {
                throw planner.refusal("column \"\(column.name)\" beside GROUP BY, whose values have no equality")
            }
            texts.append("\(SQLText.quoted(entry.name)).\(SQLText.quoted(column.name)), ")
        }
        guard let place = groupingPlace(select) else { throw SelectRewriting.notUnderstood }
        editing.insert(texts.joined(), at: place)
    }

    private func isFetched(_ entry: RangeEntry) -> Bool {
        guard case .table(let relation) = entry.source else { return false }
        return relation.placement.isPartitioned
    }

    /// Where the first item of GROUP BY begins, in bytes.
    private func groupingPlace(_ select: PgQuery__SelectStmt) -> Int? {
        guard let first = NodeList(select.group_clause, select.n_group_clause)[0], let location = TreeWalk.firstLocation(below: first.message),
            var index = tokens.index(startingAt: location)
        else { return nil }
        while let kind = tokens.kind(index), kind != PG_QUERY__TOKEN__GROUP_P || tokens.isName(index) { index -= 1 }
        guard tokens.kind(index) != nil else { return nil }
        index += 2
        if let kind = tokens.kind(index), kind == PG_QUERY__TOKEN__DISTINCT || kind == PG_QUERY__TOKEN__ALL { index += 1 }
        return tokens[index].range.lowerBound
    }
}
