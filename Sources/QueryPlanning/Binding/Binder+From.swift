// FROM: tables, views, subqueries, functions and joins become range entries and a join tree; their names become visible
// by the rules of transformFromClauseItem.
import CPGQuery

/// A bound FROM item.
struct FromItem {
    var tree: JoinTree
    /// The names it makes visible.
    var namespace: [NamespaceItem]
    /// All its columns in the order of `*`.
    var columns: [NamespaceColumn]
}

extension Binder {
    func bindFrom(_ list: NodeList, _ binding: LevelBinding, _ scope: Scope) -> JoinTree {
        var members: [JoinTree] = []
        for node in list.nodes where entries.count <= StatementSize.maximumRangeEntryCount {
            let item = bindFromItem(node, binding, scope, lateral: scope.items)
            scope.items += item.namespace
            members.append(item.tree)
        }
        return .inner(members, [])
    }

    /// - Parameter lateral: names to the left, visible to LATERAL items and functions.
    func bindFromItem(_ node: Node, _ binding: LevelBinding, _ scope: Scope, lateral: [NamespaceItem]) -> FromItem {
        if let table = node.rangeVar {
            let item = tableItem(table, binding, scope)
            if case .entry(let entry) = item.tree, viewDepth == 0 { entry.node = node }
            return item
        }
        if let join = node.joinExpr { return bindJoin(join, binding, scope, lateral: lateral) }
        if let subselect = node.rangeSubselect {
            let item = bindSubselect(subselect, binding, scope, lateral)
            if case .entry(let entry) = item.tree, viewDepth == 0 { entry.node = node }
            return item
        }
        if let function = node.rangeFunction { return bindFunctions(function, binding, scope.seeing(lateral)) }
        if let sample = node.rangeTableSample, let table = Node(sample.pointee.relation) {
            let item = bindFromItem(table, binding, scope, lateral: lateral)
            for argument in NodeList(sample.pointee.args, sample.pointee.n_args).nodes { bind(argument, binding, scope, .from) }
            if case .entry(let entry) = item.tree { entry.isSampled = true }
            return item
        }
        return bindOpaque(node, binding, scope.seeing(lateral))
    }

    /// XMLTABLE and whatever else has columns of its own.
    private func bindOpaque(_ node: Node, _ binding: LevelBinding, _ scope: Scope) -> FromItem {
        bind(node, binding, scope, .from)
        let alias = node.rangeTableFunc?.pointee.alias
        let entry = makeEntry(
            level: binding.level, name: aliasName(alias) ?? "xmltable", columns: [], source: .function, hasUnknownColumns: true)
        return entryItem(entry, alias)
    }

    func aliasName(_ alias: Message<PgQuery__Alias>?) -> String? { alias.flatMap { nonEmptyText($0.pointee.aliasname) } }

    func aliasColumns(_ alias: Message<PgQuery__Alias>?) -> [String] {
        alias.map { NodeList($0.pointee.colnames, $0.pointee.n_colnames).strings } ?? []
    }

    /// Makes an entry's names visible, under its alias when it has one.
    private func entryItem(_ entry: RangeEntry, _ alias: Message<PgQuery__Alias>?) -> FromItem {
        entry.columns = renamed(entry.columns, aliasColumns(alias))
        let columns = entry.columns.enumerated().map { index, column in
            NamespaceColumn(
                name: column.name, variable: Variable(entry: entry.id, column: index), type: column.type, qualifier: [entry.name])
        }
        let schema = alias == nil ? entry.schema : nil
        let item = NamespaceItem(name: entry.name, schema: schema, columns: columns, entry: entry)
        return FromItem(tree: .entry(entry), namespace: [item], columns: columns)
    }

    // MARK: Tables

    func tableItem(_ table: Message<PgQuery__RangeVar>, _ binding: LevelBinding, _ scope: Scope) -> FromItem {
        entryItem(bindTable(table, binding, scope), table.pointee.alias)
    }

    private func bindTable(_ table: Message<PgQuery__RangeVar>, _ binding: LevelBinding, _ scope: Scope) -> RangeEntry {
        let schema = nonEmptyText(table.pointee.schemaname)
        let name = text(table.pointee.relname)
        let alias = aliasName(table.pointee.alias) ?? name
        if schema == nil, let common = scope.commonTable(name) { return bindCommonReference(common, alias, binding) }
        if viewDepth == 0, context.isTemporary(schema: schema, name: name) {
            return makeEntry(
                level: binding.level, name: alias, schema: schema, columns: [], source: .temporaryTable, hasUnknownColumns: true)
        }
        guard let relation = context.relation(schema: schema, name: name) else {
            let displayName = (schema.map { $0 + "." } ?? "") + name
            unknownTable = unknownTable ?? firstError
                ?? error("42P01", "relation \"\(displayName)\" does not exist", at: table.pointee.location)
            return makeEntry(level: binding.level, name: alias, columns: [], source: .function, hasUnknownColumns: true)
        }
        return bindRelation(relation, alias, binding)
    }

    private func bindRelation(_ relation: Relation, _ alias: String, _ binding: LevelBinding) -> RangeEntry {
        let columns = relation.columns.map { BoundColumn(name: $0.name, type: SQLType($0)) }
        if relation.placement != .system, relation.kind == "v", let definition = relation.viewDefinition,
            let query = bindView(definition)
        {
            let entry = makeEntry(
                level: binding.level, name: alias, schema: relation.schema, columns: columns, source: .query(query))
            entry.view = relation
            return entry
        }
        return makeEntry(level: binding.level, name: alias, schema: relation.schema, columns: columns, source: .table(relation))
    }

    private func bindCommonReference(_ common: CommonTable, _ alias: String, _ binding: LevelBinding) -> RangeEntry {
        switch common {
        case .query(let query, let use):
            use.note(reader: commonTablesBeingBound.last)
            let entry = makeEntry(
                level: binding.level, name: alias, columns: query.columns.map { BoundColumn(name: $0.name, type: $0.type) },
                source: .query(query))
            entry.isCommonReference = true
            adopt(query.outerReferences, into: binding.query, level: binding.level.id)
            return entry
        case .recursive(let number, let columns):
            return makeEntry(level: binding.level, name: alias, columns: columns, source: .recursiveReference(number))
        case .pending:
            unsupported = unsupported ?? "a WITH item used before its definition"
            return makeEntry(level: binding.level, name: alias, columns: [], source: .function, hasUnknownColumns: true)
        }
    }

    /// A view's query, bound apart from the statement's names.
    private func bindView(_ definition: String) -> BoundQuery? {
        guard viewDepth < 32, entries.count < 5_000, let tree = try? ParseTree(definition), let select = tree.statements.first?.node.selectStmt else {
            return nil
        }
        viewTrees.append(tree)
        viewDepth += 1
        defer { viewDepth -= 1 }
        return bindQuery(select, parent: nil)
    }

    // MARK: Subqueries and functions

    private func bindSubselect(
        _ subselect: Message<PgQuery__RangeSubselect>, _ binding: LevelBinding, _ scope: Scope, _ lateral: [NamespaceItem]
    ) -> FromItem {
        let visible = subselect.pointee.lateral != 0 ? lateral : []
        let alias = subselect.pointee.alias
        let name = aliasName(alias) ?? ""
        guard let select = Node(subselect.pointee.subquery)?.selectStmt else {
            return entryItem(makeEntry(level: binding.level, name: name, columns: [], source: .function, hasUnknownColumns: true), alias)
        }
        let query = bindQuery(select, parent: scope.seeing(visible))
        adopt(query.outerReferences, into: binding.query, level: binding.level.id)
        let entry = makeEntry(
            level: binding.level, name: name, columns: query.columns.map { BoundColumn(name: $0.name, type: $0.type) },
            source: .query(query), hasUnknownColumns: hasUnknownTargets(query))
        return entryItem(entry, alias)
    }

    func hasUnknownTargets(_ query: BoundQuery) -> Bool {
        switch query.body {
        case .select(let level), .values(let level): level.hasUnknownTargets
        case .setOperation(_, _, let left, _): hasUnknownTargets(left)
        case .recursive(_, _, let initial, _): hasUnknownTargets(initial)
        case .modification: true
        }
    }

    private func bindFunctions(
        _ function: Message<PgQuery__RangeFunction>, _ binding: LevelBinding, _ scope: Scope
    ) -> FromItem {
        var columns: [BoundColumn] = []
        var isKnown = true
        var firstName = ""
        let functions = NodeList(function.pointee.functions, function.pointee.n_functions).nodes
        for pair in functions {
            guard let call = pair.listNode.flatMap({ Node($0.pointee.items[0]) }) else { continue }
            bind(call, binding, scope, .from)
            let name = FunctionColumns.name(of: call)
            if firstName.isEmpty { firstName = name }
            let written = definedColumns(function, pair)
            guard let found = written ?? functionColumns(call) else {
                isKnown = false
                continue
            }
            columns += found
        }
        let alias = function.pointee.alias
        let name = aliasName(alias) ?? firstName
        // A function's single scalar column is named by the alias.
        if functions.count == 1, columns.count == 1, isKnown, aliasName(alias) != nil,
            FunctionColumns.isNamedByAlias(firstName), function.pointee.n_coldeflist == 0
        { columns[0].name = name }
        if function.pointee.ordinality != 0 { columns.append(BoundColumn(name: "ordinality", type: .int8)) }
        let entry = makeEntry(
            level: binding.level, name: name, columns: columns, source: .function, hasUnknownColumns: !isKnown)
        return entryItem(entry, alias)
    }

    /// Columns of `f() AS t(a int, b text)`.
    private func definedColumns(_ function: Message<PgQuery__RangeFunction>, _ pair: Node) -> [BoundColumn]? {
        var definitions = NodeList(function.pointee.coldeflist, function.pointee.n_coldeflist).nodes
        if definitions.isEmpty, let list = pair.listNode, list.pointee.n_items > 1 {
            definitions = Node(list.pointee.items[1])?.listNode.map { NodeList($0.pointee.items, $0.pointee.n_items).nodes } ?? []
        }
        guard !definitions.isEmpty else { return nil }
        return definitions.compactMap(\.columnDef).map { definition in
            BoundColumn(name: text(definition.pointee.colname), type: type(named: definition.pointee.type_name))
        }
    }
}
