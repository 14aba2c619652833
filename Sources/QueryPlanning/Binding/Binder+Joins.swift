// JOIN: conditions, USING and NATURAL columns, and which names stay visible.
import CPGQuery

extension Binder {
    func bindJoin(
        _ join: Message<PgQuery__JoinExpr>, _ binding: LevelBinding, _ scope: Scope, lateral: [NamespaceItem]
    ) -> FromItem {
        guard let leftNode = Node(join.pointee.larg), let rightNode = Node(join.pointee.rarg) else {
            return FromItem(tree: .inner([], []), namespace: [], columns: [])
        }
        let left = bindFromItem(leftNode, binding, scope, lateral: lateral)
        let right = bindFromItem(rightNode, binding, scope, lateral: lateral + left.namespace)
        let names = usingNames(join, left, right)
        var item = merge(names, join, left, right, binding)
        if let condition = Node(join.pointee.quals) {
            bind(condition, binding, scope.seeing(lateral + left.namespace + right.namespace), .on)
            item.conjuncts += predicates(condition)
        }
        item.columns = aliased(item.columns, join.pointee.alias)
        return FromItem(
            tree: tree(join, left.tree, right.tree, item), namespace: namespace(join, left, right, item), columns: item.columns)
    }

    private func aliased(_ columns: [NamespaceColumn], _ alias: Message<PgQuery__Alias>?) -> [NamespaceColumn] {
        guard let name = aliasName(alias) else { return columns }
        let names = aliasColumns(alias)
        return columns.enumerated().map { index, column in
            var column = column
            if names.indices.contains(index) { column.name = names[index] }
            column.qualifier = [name]
            return column
        }
    }

    /// What USING makes of the two sides' columns.
    private struct Merging {
        var columns: [NamespaceColumn] = []
        var mergedCount = 0
        var conjuncts: [Predicate] = []
        var mergedEntry: RangeEntry?
    }

    private func usingNames(_ join: Message<PgQuery__JoinExpr>, _ left: FromItem, _ right: FromItem) -> [String] {
        if join.pointee.is_natural != 0 {
            // All names take part in finding the common ones.
            for column in left.columns + right.columns { use(column.variable) }
            return left.columns.map(\.name).filter { name in right.columns.contains { $0.name == name } }
        }
        return NodeList(join.pointee.using_clause, join.pointee.n_using_clause).strings
    }

    private func merge(
        _ names: [String], _ join: Message<PgQuery__JoinExpr>, _ left: FromItem, _ right: FromItem, _ binding: LevelBinding
    ) -> Merging {
        var result = Merging()
        var pairs: [(NamespaceColumn, NamespaceColumn)] = []
        for name in names {
            guard let first = left.columns.first(where: { $0.name == name }),
                let second = right.columns.first(where: { $0.name == name })
            else {
                if !isOpen(left), !isOpen(right) {
                    let side = left.columns.contains { $0.name == name } ? "right" : "left"
                    fail("42703", "column \"\(name)\" specified in USING clause does not exist in \(side) table", at: -1)
                }
                unsupported = unsupported ?? "USING over unknown columns"
                continue
            }
            pairs.append((first, second))
            use(first.variable)
            use(second.variable)
            result.conjuncts += equality(first.variable, second.variable)
        }
        if join.pointee.jointype == PG_QUERY__JOIN_TYPE__JOIN_FULL, !pairs.isEmpty {
            result.mergedEntry = mergedEntry(pairs, binding)
        }
        result.columns = pairs.enumerated().map { mergedColumn($1, at: $0, join, result.mergedEntry) }
        result.mergedCount = pairs.count
        let isMerged = { (column: NamespaceColumn) in names.contains(column.name) }
        result.columns += left.columns.filter { !isMerged($0) } + right.columns.filter { !isMerged($0) }
        return result
    }

    private func isOpen(_ item: FromItem) -> Bool { item.namespace.contains(where: \.isOpen) }

    private func mergedEntry(_ pairs: [(NamespaceColumn, NamespaceColumn)], _ binding: LevelBinding) -> RangeEntry {
        makeEntry(
            level: binding.level, name: "",
            columns: pairs.map { BoundColumn(name: $0.0.name, type: commonType([$0.0.type, $0.1.type])) },
            source: .mergedColumns(pairs.map { ($0.0.variable, $0.1.variable) }))
    }

    private func mergedColumn(
        _ pair: (NamespaceColumn, NamespaceColumn), at index: Int, _ join: Message<PgQuery__JoinExpr>, _ merged: RangeEntry?
    ) -> NamespaceColumn {
        let type = commonType([pair.0.type, pair.1.type])
        if let merged {
            return NamespaceColumn(
                name: pair.0.name, variable: Variable(entry: merged.id, column: index), type: type, qualifier: [])
        }
        let source = join.pointee.jointype == PG_QUERY__JOIN_TYPE__JOIN_RIGHT ? pair.1 : pair.0
        // It is that side's column itself, with its own collation, unless it is cast.
        let own = source.type?.oid == type?.oid ? source.type : type
        return NamespaceColumn(name: source.name, variable: source.variable, type: own, qualifier: [])
    }

    private func tree(
        _ join: Message<PgQuery__JoinExpr>, _ left: JoinTree, _ right: JoinTree, _ item: Merging
    ) -> JoinTree {
        switch join.pointee.jointype {
        case PG_QUERY__JOIN_TYPE__JOIN_LEFT: return .outer(.left, left, right, on: item.conjuncts, merged: nil)
        case PG_QUERY__JOIN_TYPE__JOIN_RIGHT: return .outer(.right, left, right, on: item.conjuncts, merged: nil)
        case PG_QUERY__JOIN_TYPE__JOIN_FULL:
            return .outer(.full, left, right, on: item.conjuncts, merged: item.mergedEntry)
        default: return .inner([left, right], item.conjuncts)
        }
    }

    /// An alias hides the tables below it; without one they stay visible by name, their columns through the join.
    private func namespace(
        _ join: Message<PgQuery__JoinExpr>, _ left: FromItem, _ right: FromItem, _ item: Merging
    ) -> [NamespaceItem] {
        var result: [NamespaceItem] = []
        if let usingName = aliasName(join.pointee.join_using_alias) {
            let merged = item.columns.prefix(item.mergedCount)
            result.append(NamespaceItem(name: usingName, columns: Array(merged), areColumnsVisible: false))
        }
        if let name = aliasName(join.pointee.alias) {
            return result + [NamespaceItem(name: name, columns: item.columns, hasUnknownColumns: isOpen(left) || isOpen(right))]
        }
        let hidden = (left.namespace + right.namespace).map { item in
            var item = item
            item.areColumnsVisible = false
            return item
        }
        let isOpen = isOpen(left) || isOpen(right)
        let join = NamespaceItem(name: "", columns: item.columns, isNameVisible: false, hasUnknownColumns: isOpen)
        return result + hidden + [join]
    }
}
