// WITH: each item is bound once, before the query that uses it; recursive items see their own working table.
import CPGQuery

extension Binder {
    /// Binds the items and makes their names visible in `scope`.
    func bindWith(_ clause: Message<PgQuery__WithClause>?, _ scope: Scope) -> [BoundCTE] {
        guard let clause else { return [] }
        let items = NodeList(clause.pointee.ctes, clause.pointee.n_ctes).nodes.compactMap(\.commonTableExpr)
        let isRecursive = clause.pointee.recursive != 0
        if isRecursive { for item in items { scope.commonTables[text(item.pointee.ctename)] = .pending } }
        return items.compactMap { bindCommonTable($0, isRecursive: isRecursive, scope) }
    }

    private func bindCommonTable(
        _ item: Message<PgQuery__CommonTableExpr>, isRecursive: Bool, _ scope: Scope
    ) -> BoundCTE? {
        guard let body = Node(item.pointee.ctequery) else { return nil }
        let name = text(item.pointee.ctename)
        commonTableNames.insert(name)
        let names = NodeList(item.pointee.aliascolnames, item.pointee.n_aliascolnames).strings
        let use = CommonTableUse(writes: body.selectStmt == nil)
        commonTablesBeingBound.append(use)
        defer { commonTablesBeingBound.removeLast() }
        let query: BoundQuery
        if let select = body.selectStmt {
            query = isRecursive && mentions(name, select)
                ? bindRecursive(select, name: name, names: names, scope) : bindQuery(select, parent: scope)
        } else {
            query = bindModifyingQuery(body, scope)
        }
        query.columns = renamed(query.columns, names)
        if item.pointee.search_clause != nil || item.pointee.cycle_clause != nil {
            unsupported = unsupported ?? "SEARCH and CYCLE clauses"
            query.columns += searchColumns(item)
        }
        scope.commonTables[name] = .query(query, use)
        return BoundCTE(name: name, node: body, query: query, use: use, isModifying: body.selectStmt == nil)
    }

    private func searchColumns(_ item: Message<PgQuery__CommonTableExpr>) -> [BoundColumn] {
        var names: [String] = []
        if let search = item.pointee.search_clause { names.append(text(search.pointee.search_seq_column)) }
        if let cycle = item.pointee.cycle_clause {
            names += [text(cycle.pointee.cycle_mark_column), text(cycle.pointee.cycle_path_column)]
        }
        return names.map { BoundColumn(name: $0, type: nil) }
    }

    func renamed(_ columns: [BoundColumn], _ names: [String]) -> [BoundColumn] {
        var columns = columns
        for (index, name) in names.enumerated() where columns.indices.contains(index) { columns[index].name = name }
        return columns
    }

    private func mentions(_ name: String, _ select: Message<PgQuery__SelectStmt>) -> Bool {
        !TreeWalk.nodes(below: select) { node in
            guard let table = node.rangeVar, nonEmptyText(table.pointee.schemaname) == nil else { return .descend }
            return text(table.pointee.relname) == name ? .stop : .descend
        }
    }

    /// `initial UNION [ALL] step`, where only the step sees the working table.
    private func bindRecursive(
        _ select: Message<PgQuery__SelectStmt>, name: String, names: [String], _ scope: Scope
    ) -> BoundQuery {
        guard select.pointee.op == PG_QUERY__SET_OPERATION__SETOP_UNION, let initialNode = select.pointee.larg,
            let stepNode = select.pointee.rarg
        else {
            unsupported = unsupported ?? "a recursive query that is not a UNION"
            return bindQuery(select, parent: scope)
        }
        let level = makeLevel()
        let inner = Scope(level: level.id, parent: scope)
        let outer = bindWith(select.pointee.with_clause, inner)
        let initial = bindQuery(initialNode, parent: inner)
        let number = makeRecursionNumber()
        let columns = renamed(initial.columns.map { BoundColumn(name: $0.name, type: $0.type) }, names)
        inner.commonTables[name] = .recursive(number: number, columns: columns)
        let step = bindQuery(stepNode, parent: inner)
        let query = BoundQuery(
            body: .recursive(number: number, isAll: select.pointee.all != 0, initial: initial, step: step), columns: columns,
            node: select)
        query.commonTables = outer
        adopt(initial.outerReferences + step.outerReferences, into: query, level: level.id)
        return query
    }
}

extension Binder {
    /// Whether a query uses no WITH item of a query around it.
    func isSelfContained(_ node: Node) -> Bool {
        var defined: Set<String> = []
        var mentioned: Set<String> = []
        TreeWalk.nodes(under: node) { node in
            if let item = node.commonTableExpr { defined.insert(text(item.pointee.ctename)) }
            if let table = node.rangeVar, nonEmptyText(table.pointee.schemaname) == nil { mentioned.insert(text(table.pointee.relname)) }
            return .descend
        }
        return mentioned.subtracting(defined).isDisjoint(with: commonTableNames)
    }

    /// The same of a subquery that is to stand elsewhere.
    func isSelfContained(_ sublink: BoundSublink) -> Bool { Node(sublink.node.pointee.subselect).map { isSelfContained($0) } ?? false }
}
