// Binder: resolves the names of a statement, level by level, as PostgreSQL's parse analysis does (transformStmt), and
// records what the placement analysis needs: who reads which table, which conjuncts speak of keys, which subqueries,
// functions and aggregates there are.
//
// A name that cannot be resolved does not stop the binder: where the statement goes to one shard anyway, PostgreSQL
// raises the error; everywhere else `firstError` is the answer.
import CPGQuery

/// Resolves one statement's names. Used once.
final class Binder {
    let context: AnalysisContext
    /// All range entries, by id.
    var entries: [RangeEntry] = []
    /// Meaning of each ColumnRef, by message.
    var references: [UnsafeMutableRawPointer: Reference] = [:]
    /// Queries in expressions, by message of their SubLink.
    var sublinks: [UnsafeMutableRawPointer: BoundSublink] = [:]
    /// Data-modifying WITH items at any depth.
    var modifications: [BoundModification] = []
    var calls: [BoundCall] = []
    /// Types of expressions by message, while one within which they stand is looked at: it asks for each more than once.
    var inferredTypes: [UnsafeMutableRawPointer: SQLType?] = [:]
    var inferenceDepth = 0
    var parameterCount = 0
    /// PostgreSQL's error for the first name that could not be resolved.
    var firstError: Refusal?
    /// Something the analysis cannot follow; only one shard will do.
    var unsupported: String?
    /// PostgreSQL's error for a statement that names a table nobody knows: for the first of them, or for what failed before it.
    var unknownTable: Refusal?
    /// The WITH items within which names are resolved now, the innermost last.
    var commonTablesBeingBound: [CommonTableUse] = []
    /// Names of all WITH items.
    var commonTableNames: Set<String> = []
    /// A value is cast to the name of something in the catalogs.
    var castsToCatalogName = false
    var usesWholeRows = false
    /// ctid, tableoid ... at any depth.
    var readsSystemColumns = false
    /// Queries with LIMIT or OFFSET, and queries in ARRAY(...), at any depth.
    var limitedQueries: [BoundQuery] = []
    var arrayQueries: [BoundQuery] = []
    /// SubLinks of ARRAY(...) behind ANY or ALL, which ask for no order.
    var comparedArrays: Set<UnsafeMutableRawPointer> = []
    var hasDistinctOn = false
    /// Something tells the name of the database or the server.
    var namesServer = false
    /// A row-locking clause anywhere.
    var locksRows = false

    /// Aggregate calls at any depth.
    var aggregateCount = 0
    /// Items of GROUP BY, DISTINCT and ORDER BY lists at any depth.
    var resolvedItemCount = 0

    /// The query of the EXISTS being bound: what its targets are does not matter.
    var existenceQuery: Message<PgQuery__SelectStmt>?

    private var levelCount = 0
    private var recursionCount = 0
    /// Trees of view definitions, kept alive while their nodes are in use.
    var viewTrees: [ParseTree] = []
    /// Inside a view's definition locations mean another text.
    var viewDepth = 0

    init(_ context: AnalysisContext) { self.context = context }

    func makeLevel() -> BoundLevel {
        levelCount += 1
        return BoundLevel(id: levelCount)
    }

    func makeRecursionNumber() -> Int {
        recursionCount += 1
        return recursionCount
    }

    func makeEntry(
        level: BoundLevel, name: String, schema: String? = nil, columns: [BoundColumn], source: RangeSource, hasUnknownColumns: Bool = false
    ) -> RangeEntry {
        let entry = RangeEntry(
            id: entries.count, level: level.id, name: name, schema: schema, columns: columns, source: source,
            hasUnknownColumns: hasUnknownColumns)
        entries.append(entry)
        level.entries.append(entry)
        return entry
    }

    func type(of variable: Variable) -> SQLType? {
        let columns = entries[variable.entry].columns
        return columns.indices.contains(variable.column) ? columns[variable.column].type : nil
    }

    /// Remembers the first error; `location` is a byte offset in the statement's text.
    func fail(_ sqlState: String, _ message: String, at location: Int32) {
        firstError = firstError ?? error(sqlState, message, at: location)
    }

    /// - Parameter location: a byte offset in the statement's text.
    func error(_ sqlState: String, _ message: String, at location: Int32) -> Refusal {
        let position = viewDepth == 0 && location >= 0 ? context.characterPosition(ofByte: Int(location)) : 0
        return Refusal(sqlState, message, position: position)
    }

    /// - Throws: 54001 for more FROM items than may be planned; only the first were bound.
    func checkSize() throws(Refusal) {
        guard entries.count > StatementSize.maximumRangeEntryCount else { return }
        throw Refusal(
            "54001", "statement is too complex",
            hint: "It may have \(StatementSize.maximumRangeEntryCount) tables, subqueries and functions in FROM clauses.")
    }

    // MARK: Queries

    /// Binds a query at any depth.
    func bindQuery(_ statement: Message<PgQuery__SelectStmt>, parent: Scope?) -> BoundQuery {
        let level = makeLevel()
        let scope = Scope(level: level.id, parent: parent)
        let commonTables = bindWith(statement.pointee.with_clause, scope)
        let query = bindBody(statement, level, scope)
        query.commonTables = commonTables
        if query.hasLimit { limitedQueries.append(query) }
        for table in commonTables { adopt(table.query.outerReferences, into: query, level: level.id) }
        return query
    }

    private func bindBody(_ statement: Message<PgQuery__SelectStmt>, _ level: BoundLevel, _ scope: Scope) -> BoundQuery {
        if statement.pointee.op != PG_QUERY__SET_OPERATION__SETOP_NONE { return bindSetOperation(statement, level, scope) }
        if statement.pointee.n_values_lists > 0 { return bindValues(statement, level, scope) }
        return bindSelect(statement, level, scope)
    }

    /// Adds references to levels further out than `level`.
    func adopt(_ references: [Variable], into query: BoundQuery, level: Int) {
        for variable in references where entries[variable.entry].level != level && !query.outerReferences.contains(variable) {
            query.outerReferences.append(variable)
        }
    }

    private func bindSelect(_ statement: Message<PgQuery__SelectStmt>, _ level: BoundLevel, _ scope: Scope) -> BoundQuery {
        let query = BoundQuery(body: .select(level), columns: [], node: statement)
        let select = statement.pointee
        let isPlain = select.n_sort_clause == 0 && select.n_group_clause == 0 && select.n_distinct_clause == 0
        let binding = LevelBinding(level: level, query: query, readsStars: !(isPlain && statement == existenceQuery))
        level.from = bindFrom(NodeList(select.from_clause, select.n_from_clause), binding, scope)
        bind(Node(select.where_clause), binding, scope, .filter)
        level.filter = predicates(Node(select.where_clause))
        bindTargets(NodeList(select.target_list, select.n_target_list), binding, scope, .target)
        bindGrouping(select, binding, scope)
        bindWindows(select, binding, scope)
        bindOrdering(select, binding, scope)
        noteWindows(select, level)
        bindLocking(NodeList(select.locking_clause, select.n_locking_clause), level)
        query.columns = level.targets.map { column(of: $0) }
        return query
    }

    /// The column a target offers to the query around it.
    func column(of target: BoundTarget) -> BoundColumn {
        // A column that USING has merged may have another type than the table's.
        let type = target.expression.flatMap { inferType($0) } ?? target.type ?? target.variable.flatMap { self.type(of: $0) }
        let constant = target.expression.flatMap { constantTerm($0) }.map { ConstantSet(terms: [$0]) }
        return BoundColumn(name: target.name, type: type, source: target.variable, constants: constant)
    }

    private func bindValues(_ statement: Message<PgQuery__SelectStmt>, _ level: BoundLevel, _ scope: Scope) -> BoundQuery {
        let query = BoundQuery(body: .values(level), columns: [], node: statement)
        let binding = LevelBinding(level: level, query: query)
        let rows = NodeList(statement.pointee.values_lists, statement.pointee.n_values_lists).nodes.map { row in
            row.listNode.map { NodeList($0.pointee.items, $0.pointee.n_items).nodes } ?? []
        }
        for row in rows { for value in row { bind(value, binding, scope, .target) } }
        bindOrdering(statement.pointee, binding, scope)
        let width = rows.first?.count ?? 0
        query.columns = (0..<width).map { position in
            let values = rows.compactMap { $0.indices.contains(position) ? $0[position] : nil }
            let terms = values.compactMap { constantTerm($0) }
            return BoundColumn(
                name: "column\(position + 1)", type: commonType(values.map { inferType($0) }),
                constants: terms.count == rows.count ? ConstantSet(terms: terms) : nil)
        }
        return query
    }

    private func bindSetOperation(_ statement: Message<PgQuery__SelectStmt>, _ level: BoundLevel, _ scope: Scope) -> BoundQuery {
        guard let leftNode = statement.pointee.larg, let rightNode = statement.pointee.rarg else {
            return BoundQuery(body: .select(level), columns: [], node: statement)
        }
        let left = bindQuery(leftNode, parent: scope)
        let right = bindQuery(rightNode, parent: scope)
        let columns = left.columns.enumerated().map { index, column in
            let other = right.columns.indices.contains(index) ? right.columns[index].type : nil
            return BoundColumn(name: column.name, type: commonType([column.type, other]))
        }
        let kind: SetOperator =
            switch statement.pointee.op {
            case PG_QUERY__SET_OPERATION__SETOP_UNION: .union
            case PG_QUERY__SET_OPERATION__SETOP_INTERSECT: .intersect
            default: .except
            }
        let query = BoundQuery(
            body: .setOperation(kind, isAll: statement.pointee.all != 0, left, right), columns: columns, node: statement)
        adopt(left.outerReferences + right.outerReferences, into: query, level: level.id)
        let binding = LevelBinding(level: level, query: query)
        bind(Node(statement.pointee.limit_count), binding, scope, .limit)
        bind(Node(statement.pointee.limit_offset), binding, scope, .limit)
        query.limitLevel = level
        return query
    }
}

/// The level being bound and the query it belongs to.
struct LevelBinding {
    let level: BoundLevel
    let query: BoundQuery
    /// The columns that `*` stands for are needed.
    var readsStars = true
}
