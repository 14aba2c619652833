// Expressions: every ColumnRef gets its meaning, every subquery is bound, every function call is noted with its place.
import CPGQuery

extension Binder {
    /// Binds an expression standing in `clause` of the level.
    // The optimiser of Swift 6.3 ends with an error of its own (ownership of the closure) where it inlines this twice in a function.
    @inline(never)
    func bind(_ node: Node?, _ binding: LevelBinding, _ scope: Scope, _ clause: Clause) {
        guard let node else { return }
        TreeWalk.nodes(under: node) { node in
            if let column = node.columnRef {
                bindColumn(column, binding, scope)
                return .skip
            }
            if let sublink = node.subLink {
                bindSublink(sublink, binding, scope, clause)
                return .skip
            }
            if let call = node.funcCall {
                bindCall(call, binding, scope, clause)
                return .skip
            }
            note(node, binding)
            return .descend
        }
    }

    private func note(_ node: Node, _ binding: LevelBinding) {
        if let parameter = node.paramRef { parameterCount = max(parameterCount, Int(parameter.pointee.number)) }
        if let cast = node.typeCast, Self.isCatalogName(cast.pointee.type_name) { castsToCatalogName = true }
        if node.groupingFunc != nil { binding.level.hasAggregates = true }
        if node.sqlvalueFunction?.pointee.op == PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_CATALOG { namesServer = true }
        if let expression = node.operatorExpression { noteComparedArray(expression.pointee) }
        if node.currentOfExpr != nil { unsupported = unsupported ?? "WHERE CURRENT OF" }
    }

    /// `x = ANY (ARRAY(SELECT ...))`
    private func noteComparedArray(_ expression: PgQuery__AExpr) {
        guard expression.kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY || expression.kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP_ALL else { return }
        var array = Node(expression.rexpr)
        while let cast = array?.typeCast { array = Node(cast.pointee.arg) }
        guard let sublink = array?.subLink, sublink.pointee.sub_link_type == PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK else { return }
        comparedArrays.insert(UnsafeMutableRawPointer(sublink))
    }

    /// regclass, regproc, regtype ...: an OID, which each shard counts for itself.
    private static func isCatalogName(_ type: UnsafeMutablePointer<PgQuery__TypeName>?) -> Bool {
        guard let type, let name = NodeList(type.pointee.names, type.pointee.n_names).strings.last else { return false }
        return name.hasPrefix("reg")
    }

    // MARK: Columns

    private func bindColumn(_ column: Message<PgQuery__ColumnRef>, _ binding: LevelBinding, _ scope: Scope) {
        let reference = resolve(column, scope)
        references[UnsafeMutableRawPointer(column)] = reference
        switch reference {
        case .column(let variable, _):
            use(variable)
            adopt([variable], into: binding.query, level: binding.level.id)
        case .systemColumn:
            binding.level.usesSystemColumns = true
            readsSystemColumns = true
        case .row(let entry): usesWholeRows = usesWholeRows || !isDerivedRow(entry, binding)
        case .unknownColumn, .unresolved: break
        }
    }

    /// Whether a whole row is that of a query in FROM, a WITH item, a function or a reference table of the level itself: it has the
    /// same columns wherever the level is computed.
    private func isDerivedRow(_ entry: RangeEntry?, _ binding: LevelBinding) -> Bool {
        guard let entry, entry.level == binding.level.id else { return false }
        switch entry.source {
        case .query: return entry.isCommonReference || entry.node?.rangeSubselect != nil
        case .function: return true
        case .table(let relation): return relation.placement == .reference
        case .recursiveReference, .temporaryTable, .mergedColumns: return false
        }
    }

    /// Notes that a column is needed; a merged USING column needs both sides'.
    func use(_ variable: Variable) {
        let entry = entries[variable.entry]
        guard entry.use(variable.column), case .mergedColumns(let pairs) = entry.source,
            pairs.indices.contains(variable.column)
        else { return }
        use(pairs[variable.column].left)
        use(pairs[variable.column].right)
    }

    private func resolve(_ column: Message<PgQuery__ColumnRef>, _ scope: Scope) -> Reference {
        let fields = NodeList(column.pointee.fields, column.pointee.n_fields).nodes
        let names = fields.compactMap(\.string)
        let location = column.pointee.location
        if names.count < fields.count {
            let item = names.last.flatMap { scope.item(schema: names.count > 1 ? names[names.count - 2] : nil, name: $0) }
            return .row(item?.entry)
        }
        switch names.count {
        case 1: return resolve(names[0], scope, location)
        case 2: return resolve(schema: nil, table: names[0], column: names[1], scope, location)
        case 3: return resolve(schema: names[0], table: names[1], column: names[2], scope, location)
        case 4: return resolve(schema: names[1], table: names[2], column: names[3], scope, location)
        default: return .unresolved
        }
    }

    static let systemColumns: Set<String> = ["ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"]

    /// An unqualified name: a column of the nearest level that has one, else a whole row.
    private func resolve(_ name: String, _ scope: Scope, _ location: Int32) -> Reference {
        var current: Scope? = scope
        while let level = current {
            let visible = level.items.filter(\.areColumnsVisible)
            let found = visible.flatMap { $0.columns(named: name) }
            if found.count > 1 {
                fail("42702", "column reference \"\(name)\" is ambiguous", at: location)
                return .unresolved
            }
            if let column = found.first { return .column(column.variable, column.type) }
            if Self.systemColumns.contains(name), visible.contains(where: { $0.entry != nil }) { return .systemColumn }
            if visible.contains(where: \.isOpen) { return .unknownColumn }
            current = level.parent
        }
        if let item = scope.item(schema: nil, name: name) { return .row(item.entry) }
        fail("42703", "column \"\(name)\" does not exist", at: location)
        return .unresolved
    }

    private func resolve(
        schema: String?, table: String, column: String, _ scope: Scope, _ location: Int32
    ) -> Reference {
        guard let item = scope.item(schema: schema, name: table) else {
            fail("42P01", "missing FROM-clause entry for table \"\(table)\"", at: location)
            return .unresolved
        }
        let found = item.columns(named: column)
        if found.count > 1 {
            fail("42702", "column reference \"\(column)\" is ambiguous", at: location)
            return .unresolved
        }
        if let column = found.first { return .column(column.variable, column.type) }
        if item.isOpen { return .unknownColumn }
        if Self.systemColumns.contains(column), item.entry != nil { return .systemColumn }
        fail("42703", "column \(table).\(column) does not exist", at: location)
        return .unresolved
    }

    /// What a node means when it is nothing but a column.
    func variable(_ node: Node?) -> Variable? {
        guard let column = node?.columnRef, case .column(let variable, _)? = references[UnsafeMutableRawPointer(column)] else {
            return nil
        }
        return variable
    }

    // MARK: Subqueries

    private func bindSublink(
        _ sublink: Message<PgQuery__SubLink>, _ binding: LevelBinding, _ scope: Scope, _ clause: Clause
    ) {
        bind(Node(sublink.pointee.testexpr), binding, scope, clause)
        guard let select = Node(sublink.pointee.subselect)?.selectStmt else {
            unsupported = unsupported ?? "a subquery of this kind"
            return
        }
        if sublink.pointee.sub_link_type == PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK { existenceQuery = select }
        let query = bindQuery(select, parent: scope)
        let isArray = sublink.pointee.sub_link_type == PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK
        if isArray, !comparedArrays.contains(UnsafeMutableRawPointer(sublink)) { arrayQueries.append(query) }
        adopt(query.outerReferences, into: binding.query, level: binding.level.id)
        let bound = BoundSublink(node: sublink, query: query, clause: clause, comparedColumns: comparedColumns(sublink))
        sublinks[UnsafeMutableRawPointer(sublink)] = bound
        binding.level.sublinks.append(bound)
    }

    /// Plain columns on the left of IN, `= ANY` and `<> ALL`, with the subquery's columns they are compared with.
    private func comparedColumns(_ sublink: Message<PgQuery__SubLink>) -> [(variable: Variable, position: Int)] {
        let operatorName = NodeList(sublink.pointee.oper_name, sublink.pointee.n_oper_name).strings.last ?? "="
        switch sublink.pointee.sub_link_type {
        case PG_QUERY__SUB_LINK_TYPE__ANY_SUBLINK where operatorName == "=": break
        case PG_QUERY__SUB_LINK_TYPE__ALL_SUBLINK where operatorName == "<>": break
        default: return []
        }
        guard let left = Node(sublink.pointee.testexpr) else { return [] }
        let columns = left.rowExpr.map { NodeList($0.pointee.args, $0.pointee.n_args).nodes } ?? [left]
        return columns.enumerated().compactMap { index, node in variable(node).map { ($0, index) } }
    }

    // MARK: Calls

    private func bindCall(_ call: Message<PgQuery__FuncCall>, _ binding: LevelBinding, _ scope: Scope, _ clause: Clause) {
        let bound = BoundCall(node: call, clause: clause)
        binding.level.calls.append(bound)
        calls.append(bound)
        if ExpressionInspection.serverNames.contains(FunctionNames.name(of: call) ?? "") { namesServer = true }
        let arguments = NodeList(call.pointee.args, call.pointee.n_args).nodes
        let isWindow = call.pointee.over != nil
        let isAggregate = !isWindow && context.isAggregate(call)
        if isWindow { binding.level.hasWindows = true }
        if isAggregate {
            binding.level.hasAggregates = true
            aggregateCount += 1
        }
        let inner: Clause = isAggregate ? .aggregateArgument : clause
        let before = binding.query.outerReferences.count
        for argument in arguments { bind(argument, binding, scope, inner) }
        for order in NodeList(call.pointee.agg_order, call.pointee.n_agg_order).nodes { bind(order, binding, scope, inner) }
        bind(Node(call.pointee.agg_filter), binding, scope, inner)
        if isAggregate, binding.query.outerReferences.count > before { unsupported = unsupported ?? "an aggregate over columns of an outer query" }
        if let window = call.pointee.over { bindWindowDefinition(window, binding, scope) }
    }

    func bindWindowDefinition(_ window: Message<PgQuery__WindowDef>, _ binding: LevelBinding, _ scope: Scope) {
        for node in NodeList(window.pointee.partition_clause, window.pointee.n_partition_clause).nodes {
            bind(node, binding, scope, .window)
        }
        for node in NodeList(window.pointee.order_clause, window.pointee.n_order_clause).nodes {
            bind(node, binding, scope, .window)
        }
        bind(Node(window.pointee.start_offset), binding, scope, .window)
        bind(Node(window.pointee.end_offset), binding, scope, .window)
    }
}
