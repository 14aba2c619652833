// Target list, GROUP BY, WINDOW, ORDER BY and locking clauses.
import CPGQuery

extension Binder {
    // MARK: Targets

    func bindTargets(_ list: NodeList, _ binding: LevelBinding, _ scope: Scope, _ clause: Clause) {
        for (index, node) in list.nodes.enumerated() {
            guard binding.level.targets.count <= StatementSize.maximumTargetCount else {
                // An error on whatever server it reaches, so that what stands behind does not matter.
                return fail("54011", "target lists can have at most \(StatementSize.maximumTargetCount) entries", at: -1)
            }
            guard let target = node.resTarget, let value = Node(target.pointee.val) else { continue }
            if let column = value.columnRef, isStar(column) {
                expandStar(column, item: index, binding, scope)
                continue
            }
            if isRowStar(value) { binding.level.hasUnknownTargets = true }
            bind(value, binding, scope, clause)
            let name = nonEmptyText(target.pointee.name) ?? ColumnNames.name(of: value)
            binding.level.targets.append(
                BoundTarget(name: name, expression: value, variable: variable(value), item: index))
        }
    }

    private func isStar(_ column: Message<PgQuery__ColumnRef>) -> Bool {
        NodeList(column.pointee.fields, column.pointee.n_fields).last??.star != nil
    }

    /// `(composite).*`
    private func isRowStar(_ value: Node) -> Bool {
        guard let indirection = value.indirection else { return false }
        return NodeList(indirection.pointee.indirection, indirection.pointee.n_indirection).last??.star != nil
    }

    private func expandStar(_ column: Message<PgQuery__ColumnRef>, item index: Int, _ binding: LevelBinding, _ scope: Scope) {
        let names = NodeList(column.pointee.fields, column.pointee.n_fields).strings
        var items = scope.items.filter(\.areColumnsVisible)
        if let table = names.last {
            let schema = names.count > 1 ? names[names.count - 2] : nil
            guard let item = scope.item(schema: schema, name: table) else {
                fail("42P01", "missing FROM-clause entry for table \"\(table)\"", at: column.pointee.location)
                return
            }
            items = [item]
        }
        if items.contains(where: \.isOpen) { binding.level.hasUnknownTargets = true }
        for column in items.flatMap(\.columns) {
            if binding.readsStars { use(column.variable) }
            adopt([column.variable], into: binding.query, level: binding.level.id)
            binding.level.targets.append(
                BoundTarget(
                    name: column.name, expression: nil, variable: column.variable, type: column.type,
                    starReference: column.qualifier + [column.name], item: index))
        }
    }

    // MARK: GROUP BY, DISTINCT, ORDER BY

    func bindGrouping(_ select: PgQuery__SelectStmt, _ binding: LevelBinding, _ scope: Scope) {
        let level = binding.level
        level.grouping = NodeList(select.group_clause, select.n_group_clause).nodes.map { groupingItem($0, binding, scope) }
        level.hasHaving = select.having_clause != nil
        bind(Node(select.having_clause), binding, scope, .having)
        guard select.n_distinct_clause > 0 else { return }
        level.isDistinct = true
        for node in NodeList(select.distinct_clause, select.n_distinct_clause).nodes {
            hasDistinctOn = true
            level.distinctOn.append(resolvedItem(node, binding, scope, .ordering, named: "DISTINCT ON", prefersColumn: false))
        }
    }

    private func groupingItem(_ node: Node, _ binding: LevelBinding, _ scope: Scope) -> GroupingItem {
        if let set = node.groupingSet {
            let items = NodeList(set.pointee.content, set.pointee.n_content).nodes.map { groupingItem($0, binding, scope) }
            switch set.pointee.kind {
            case PG_QUERY__GROUPING_SET_KIND__GROUPING_SET_SETS: return .sets(items)
            case PG_QUERY__GROUPING_SET_KIND__GROUPING_SET_SIMPLE: return .list(items)
            case PG_QUERY__GROUPING_SET_KIND__GROUPING_SET_ROLLUP: return .rollup(items)
            case PG_QUERY__GROUPING_SET_KIND__GROUPING_SET_CUBE: return .cube(items)
            default: return .empty
            }
        }
        if let row = node.rowExpr, row.pointee.row_format == PG_QUERY__COERCION_FORM__COERCE_IMPLICIT_CAST {
            return .list(NodeList(row.pointee.args, row.pointee.n_args).nodes.map { groupingItem($0, binding, scope) })
        }
        return .expression(resolvedItem(node, binding, scope, .grouping, named: "GROUP BY", prefersColumn: true))
    }

    /// An item that may be an ordinal or an output name (findTargetlistEntrySQL92).
    /// - Parameter clauseName: as PostgreSQL's errors name it.
    /// - Parameter prefersColumn: GROUP BY takes a name for an input column first, the others for an output column.
    func resolvedItem(
        _ node: Node, _ binding: LevelBinding, _ scope: Scope, _ clause: Clause, named clauseName: String, prefersColumn: Bool
    ) -> ResolvedItem {
        resolvedItemCount += 1
        guard resolvedItemCount <= StatementSize.maximumTargetCount else {
            unsupported = unsupported ?? "more than \(StatementSize.maximumTargetCount) items to sort or group by"
            bind(node, binding, scope, clause)
            return ResolvedItem(expression: node)
        }
        let targets = binding.level.targets
        if case (.integer(let ordinal), let location)? = node.literal {
            if binding.level.hasUnknownTargets {
                unsupported = unsupported ?? "an ordinal among unknown columns"
            } else if targets.indices.contains(Int(ordinal) - 1) {
                return item(target: Int(ordinal) - 1, targets)
            } else {
                fail("42P10", "\(clauseName) position \(ordinal) is not in select list", at: Int32(location))
            }
            return ResolvedItem(expression: node)
        }
        if let name = bareName(node), !(prefersColumn && isLocalColumn(name, scope)) {
            if let target = target(named: name, targets) { return item(target: target, targets) }
            if binding.level.hasUnknownTargets { unsupported = unsupported ?? "a sort or group name among unknown columns" }
        }
        bind(node, binding, scope, clause)
        return ResolvedItem(expression: node, variable: variable(node), target: sameTarget(node, targets))
    }

    private func item(target index: Int, _ targets: [BoundTarget]) -> ResolvedItem {
        ResolvedItem(expression: targets[index].expression, variable: targets[index].variable, target: index)
    }

    /// A name without qualification.
    private func bareName(_ node: Node) -> String? {
        guard let column = node.columnRef, column.pointee.n_fields == 1 else { return nil }
        return NodeList(column.pointee.fields, 1).strings.first
    }

    private func isLocalColumn(_ name: String, _ scope: Scope) -> Bool {
        scope.items.contains { $0.areColumnsVisible && ($0.isOpen || !$0.columns(named: name).isEmpty) }
    }

    /// The target with this output name; several only when they are all the same.
    private func target(named name: String, _ targets: [BoundTarget]) -> Int? {
        let found = targets.indices.filter { targets[$0].name == name }
        guard let first = found.first else { return nil }
        let isSame = found.allSatisfy { index in
            if let variable = targets[first].variable { return targets[index].variable == variable }
            guard let one = targets[first].expression, let other = targets[index].expression else { return false }
            return TreeComparison.isEqual(one, other)
        }
        if !isSame { fail("42702", "ORDER BY \"\(name)\" is ambiguous", at: -1) }
        return first
    }

    private func sameTarget(_ node: Node, _ targets: [BoundTarget]) -> Int? {
        let meant = variable(node)
        return targets.firstIndex { target in
            if let meant { return target.variable == meant && column(of: target).type == inferType(node) }
            return target.expression.map { isSame($0, node) } ?? false
        }
    }

    /// Whether two expressions are written alike and mean the same columns.
    func isSame(_ one: Node, _ other: Node) -> Bool {
        TreeComparison.isEqual(one, other) { left, right in
            guard let column = self.variable(left), let meant = self.variable(right) else { return nil }
            // USING may have made another type of it.
            return column == meant && self.inferType(left) == self.inferType(right)
        }
    }

    func bindOrdering(_ select: PgQuery__SelectStmt, _ binding: LevelBinding, _ scope: Scope) {
        for sort in NodeList(select.sort_clause, select.n_sort_clause).nodes.compactMap(\.sortBy) {
            guard let node = Node(sort.pointee.node) else { continue }
            var item = resolvedItem(node, binding, scope, .ordering, named: "ORDER BY", prefersColumn: false)
            item.hasOperator = sort.pointee.n_use_op > 0
            binding.level.ordering.append(item)
        }
        bind(Node(select.limit_count), binding, scope, .limit)
        bind(Node(select.limit_offset), binding, scope, .limit)
    }

    // MARK: Windows

    func bindWindows(_ select: PgQuery__SelectStmt, _ binding: LevelBinding, _ scope: Scope) {
        for window in NodeList(select.window_clause, select.n_window_clause).nodes.compactMap(\.windowDef) {
            bindWindowDefinition(window, binding, scope)
        }
    }

    /// Notes the window of each window function call, wherever it stands.
    func noteWindows(_ select: PgQuery__SelectStmt, _ level: BoundLevel) {
        let named = NodeList(select.window_clause, select.n_window_clause).nodes.compactMap(\.windowDef)
        for call in level.calls {
            guard let definition = call.node.pointee.over else { continue }
            var window = BoundWindow(call: call.node)
            complete(&window, by: definition, named, depth: 0)
            level.windows.append(window)
        }
    }

    private func complete(
        _ window: inout BoundWindow, by definition: Message<PgQuery__WindowDef>, _ named: [Message<PgQuery__WindowDef>], depth: Int
    ) {
        if window.partition.isEmpty { window.partition = NodeList(definition.pointee.partition_clause, definition.pointee.n_partition_clause).nodes }
        if window.ordering.isEmpty {
            window.ordering = NodeList(definition.pointee.order_clause, definition.pointee.n_order_clause).nodes.compactMap(\.sortBy)
                .filter { $0.pointee.n_use_op == 0 }.compactMap { Node($0.pointee.node) }
        }
        // FRAMEOPTION_ROWS in src/include/nodes/parsenodes.h.
        window.countsRows = window.countsRows || definition.pointee.frame_options & 0x4 != 0
        let base = nonEmptyText(definition.pointee.refname) ?? nonEmptyText(definition.pointee.name)
        guard let base, depth < 64, let referenced = named.first(where: { text($0.pointee.name) == base && $0 != definition }) else { return }
        complete(&window, by: referenced, named, depth: depth + 1)
    }

    // MARK: Locking

    func bindLocking(_ clauses: NodeList, _ level: BoundLevel) {
        for clause in clauses.nodes.compactMap(\.lockingClause) {
            locksRows = true
            let names = NodeList(clause.pointee.locked_rels, clause.pointee.n_locked_rels).nodes.compactMap(\.rangeVar)
                .map { text($0.pointee.relname) }
            for entry in level.entries where names.isEmpty || names.contains(entry.name) { lock(entry) }
        }
    }

    /// FOR UPDATE reaches into subqueries and views.
    private func lock(_ entry: RangeEntry) {
        entry.isRowLocked = true
        guard case .query(let query) = entry.source, case .select(let level) = query.body else { return }
        for inner in level.entries { lock(inner) }
    }
}
