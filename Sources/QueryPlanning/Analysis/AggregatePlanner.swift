// AggregatePlanner: grouped queries whose groups lie on several shards. Each shard aggregates its part by the same keys; the
// finisher, one query on one shard, runs the original target list, HAVING, ORDER BY and LIMIT over the partial rows.
//
// Where partial results cannot be combined (percentiles, aggregates with ORDER BY, windows), the shards send the rows'
// columns instead, and the finisher does everything after WHERE.
import CPGQuery
import ResultMerging

/// Plans one grouped SELECT. A class: printing expressions adds partial columns.
final class AggregatePlanner {
    let scatter: ScatterPlanner
    let level: BoundLevel
    let rewriting: SelectRewriting
    let limits: RowLimits
    let printer: ExpressionPrinter
    /// What the shards send.
    let input: Input
    var rows = PartialRows()
    /// GROUP BY expressions with the finisher's columns.
    private var keys: [(item: ResolvedItem, column: String)] = []
    /// Columns that PostgreSQL accepts ungrouped because a grouped primary key determines them, and what stands for them.
    private var determined: [(variable: Variable, text: String, isGrouped: Bool)] = []
    private let dependents: DependentColumns
    /// What is printed is evaluated for each row before grouping: an aggregate's arguments, or GROUP BY.
    private var isBeforeGrouping = false
    /// The columns of the rows that the shards send.
    private var rowColumns: [(variable: Variable, type: SQLType, column: String)] = []

    enum Input { case partialAggregates, rows }

    var context: AnalysisContext { scatter.context }
    var binder: Binder { scatter.binder }

    init(
        _ scatter: ScatterPlanner, _ level: BoundLevel, _ rewriting: SelectRewriting, _ limits: RowLimits,
        input: Input = .partialAggregates
    ) {
        self.input = input
        self.scatter = scatter
        self.level = level
        self.rewriting = rewriting
        self.limits = limits
        printer = ExpressionPrinter(rewriting: rewriting)
        dependents = DependentColumns(level, scatter.binder)
    }

    func plan() throws(Refusal) -> ScatterPlanner.Result {
        try check()
        if input == .partialAggregates, let merged = try mergePlan() { return merged }
        return try partialQuery(names: nil).plan(scatter.planner)
    }

    /// - Parameter names: output names, where the query stands inside another one.
    func partialQuery(names: [String]?) throws(Refusal) -> PartialQuery {
        try check()
        if input == .partialAggregates { try addKeys() }
        let finisher = try finisherText(names)
        // Rows must be counted even where nothing of them is shown.
        if input == .rows {
            rows.addRowMark("1", .int4, context)
        } else {
            rows.addRowMark("pg_catalog.count(*)", .int8, context)
        }
        return PartialQuery(
            shardText: try shardText(), rows: rows, before: finisher.before, after: finisher.after,
            reason: input == .rows ? "finisher over the rows" : "partial aggregates and finisher")
    }

    private func check() throws(Refusal) {
        if rewriting.select.pointee.n_locking_clause > 0 {
            throw Refusal("0A000", "FOR UPDATE is not allowed with aggregate functions or GROUP BY")
        }
        if level.hasUnknownTargets { throw scatter.planner.refusal("* in an aggregate query") }
        for sublink in level.sublinks {
            switch sublink.clause {
            case .from, .on, .filter, .assignment: continue
            // The shards evaluate it, unless the finisher has their rows.
            case .aggregateArgument where input != .rows: continue
            case .aggregateArgument, .target, .grouping, .having, .ordering, .limit, .window, .returning:
                guard binder.isSelfContained(sublink) else { throw scatter.planner.refusal("a subquery beside aggregates that reads a WITH item") }
                let isReplicated: Bool
                if case .replicated = scatter.analysis.analyse(sublink.query, Facts()).state { isReplicated = true } else { isReplicated = false }
                if !isReplicated || sublink.query.isCorrelated { throw scatter.planner.refusal("a subquery beside aggregates") }
            }
        }
    }

    // MARK: Keys

    private func addKeys() throws(Refusal) {
        for item in level.grouping.flatMap(\.expressions) {
            guard let expression = item.expression else { throw scatter.planner.refusal("* in an aggregate query") }
            if keys.contains(where: { isSame($0.item, expression) }) { continue }
            keys.append((item, try addKey(expression)))
        }
    }

    /// Adds an expression that the shards group by.
    func addKey(_ expression: Node) throws(Refusal) -> String {
        guard let type = binder.inferType(expression), type.oid != TypeOID.unknown else {
            throw unknownType("a GROUP BY or DISTINCT expression")
        }
        return try add(try printer.print(expression), type, isKey: true)
    }

    func add(_ expression: String, _ type: SQLType, isKey: Bool = false) throws(Refusal) -> String {
        guard let column = rows.add(expression, type, isKey: isKey, context) else { throw unknownType(expression) }
        return column
    }

    func unknownType(_ what: String) -> Refusal {
        var refusal = scatter.planner.refusal("the type or collation of \(what) is not known")
        refusal.hint = "Write a cast around it."
        return refusal
    }

    func isSame(_ item: ResolvedItem, _ node: Node) -> Bool { item.expression.map { binder.isSame($0, node) } ?? false }

    // MARK: Replacing

    /// What takes a node's place in the finisher.
    func substitute(_ node: Node) throws(Refusal) -> String? {
        if node.literal != nil || node.paramRef != nil { return nil }
        if input == .rows { return try substituteRow(node) }
        if let key = keys.first(where: { isSame($0.item, node) }) { return key.column }
        if let call = node.funcCall {
            if context.isAggregate(call) { return try combine(call) }
            if call.pointee.over != nil { return nil }
            if scatter.isVolatile(node), containsColumn(node) { throw scatter.planner.refusal("a volatile function beside aggregates") }
            return nil
        }
        if let column = node.columnRef { return try determinedColumn(column, node) }
        return nil
    }

    /// What takes a node's place in a finisher over the rows.
    private func substituteRow(_ node: Node) throws(Refusal) -> String? {
        if !isBeforeGrouping, let call = node.funcCall, call.pointee.over == nil, context.isAggregate(call) {
            return try beforeGrouping { () throws(Refusal) in try self.finished(node) }
        }
        guard let column = node.columnRef else { return nil }
        guard case .column(let variable, let type)? = binder.references[UnsafeMutableRawPointer(column)],
            let known = type ?? binder.type(of: variable)
        else { throw scatter.planner.refusal("a whole row or unknown column") }
        return try rowColumn(variable, known, try printer.print(node))
    }

    private func beforeGrouping(_ print: () throws(Refusal) -> String) throws(Refusal) -> String {
        let was = isBeforeGrouping
        isBeforeGrouping = true
        defer { isBeforeGrouping = was }
        return try print()
    }

    /// How the finisher writes a column of the rows that the shards send.
    private func rowColumn(_ variable: Variable, _ type: SQLType, _ text: String) throws(Refusal) -> String {
        let column = try addRowColumn(variable, type, text)
        guard !isBeforeGrouping, dependents.contains(variable) else { return column }
        if let known = determined.first(where: { $0.variable == variable }) { return known.text }
        return try determine(variable, type, column)
    }

    /// A column that USING has merged has two names, and is one for GROUP BY.
    private func addRowColumn(_ variable: Variable, _ type: SQLType, _ text: String) throws(Refusal) -> String {
        if let known = rowColumns.first(where: { $0.variable == variable && $0.type == type }) { return known.column }
        let column = try add(text, type)
        rowColumns.append((variable, type, column))
        return column
    }

    private func containsColumn(_ node: Node) -> Bool {
        !TreeWalk.nodes(under: node) { $0.columnRef == nil ? .descend : .stop }
    }

    /// A column that is not grouped by: PostgreSQL accepts it when the primary key of its table is grouped by.
    private func determinedColumn(_ column: Message<PgQuery__ColumnRef>, _ node: Node) throws(Refusal) -> String {
        guard let variable = binder.variable(node) else { throw scatter.planner.refusal("a whole row or unknown column beside aggregates") }
        guard dependents.contains(variable) else {
            let entry = binder.entries[variable.entry]
            let name = "\(entry.name).\(entry.columns[variable.column].name)"
            throw Refusal(
                "42803", "column \"\(name)\" must appear in the GROUP BY clause or be used in an aggregate function",
                position: context.characterPosition(ofByte: Int(column.pointee.location)))
        }
        guard let type = binder.inferType(node) else { throw unknownType("a column beside GROUP BY") }
        return try determinedColumn(variable, type, try printer.print(node))
    }

    private func determinedColumn(_ variable: Variable, _ type: SQLType, _ text: String) throws(Refusal) -> String {
        if let known = determined.first(where: { $0.variable == variable }) { return known.text }
        return try determine(variable, type, try add(text, type, isKey: context.hasEquality(type.oid)))
    }

    /// Notes what stands for a column that a grouped primary key determines.
    private func determine(_ variable: Variable, _ type: SQLType, _ column: String) throws(Refusal) -> String {
        var text = column
        if !context.hasEquality(type.oid) {
            if context.elementOID(of: context.baseOID(type.oid)) != nil { throw scatter.planner.refusal("an array of values without equality beside GROUP BY") }
            text = "((pg_catalog.array_agg(\(column)))[1])"
        }
        determined.append((variable, text, context.hasEquality(type.oid)))
        return text
    }

    func finished(_ node: Node) throws(Refusal) -> String {
        try printer.printReplacing(node) { node throws(Refusal) in try self.substitute(node) }
    }

    // MARK: Texts

    /// The finisher around its FROM item.
    private func finisherText(_ names: [String]?) throws(Refusal) -> (before: String, after: String) {
        var before = "SELECT "
        if level.isDistinct {
            var items: [String] = []
            for item in level.distinctOn { items.append(try finishedItem(item)) }
            before += items.isEmpty ? "DISTINCT " : "DISTINCT ON (\(items.joined(separator: ", "))) "
        }
        var targets: [String] = []
        for (index, target) in level.targets.enumerated() {
            let text = try finishedTarget(target)
            targets.append(names.map { "\(text) AS \(SQLText.quoted($0[index]))" } ?? text)
        }
        before += targets.joined(separator: ", ") + " FROM "
        let having = try Node(rewriting.select.pointee.having_clause).map { (node) throws(Refusal) in " HAVING " + (try finished(node)) } ?? ""
        let windows = try windowClause()
        let order = try orderClause()
        // Last: targets may have added columns that a primary key determines.
        let groups = try groupClause()
        let limits = rewriting.clauses.limits.map { " " + rewriting.text($0) }.joined()
        return (before, groups + having + windows + order + limits)
    }

    private func finishedTarget(_ target: BoundTarget) throws(Refusal) -> String {
        if let expression = target.expression { return try finished(expression) }
        guard let variable = target.variable, let type = target.type ?? binder.type(of: variable) else {
            throw scatter.planner.refusal("* over columns that are not known")
        }
        let text = target.starReference.map(SQLText.quoted).joined(separator: ".")
        if input == .rows { return try rowColumn(variable, type, text) }
        if let key = keys.first(where: { $0.item.variable == variable }) { return key.column }
        guard dependents.contains(variable) else { throw scatter.planner.refusal("* beside aggregates") }
        return try determinedColumn(variable, type, text)
    }

    private func finishedItem(_ item: ResolvedItem) throws(Refusal) -> String {
        if let target = item.target { return try finishedTarget(level.targets[target]) }
        guard let expression = item.expression else { throw scatter.planner.refusal("an item that is no expression") }
        return try finished(expression)
    }

    private func groupClause() throws(Refusal) -> String {
        guard !level.grouping.isEmpty else { return "" }
        var items: [String] = []
        for item in level.grouping { items.append(try beforeGrouping { () throws(Refusal) in try self.text(of: item) }) }
        items += determined.filter(\.isGrouped).map(\.text)
        return " GROUP BY " + (rewriting.select.pointee.group_distinct != 0 ? "DISTINCT " : "") + items.joined(separator: ", ")
    }

    private func text(of item: GroupingItem) throws(Refusal) -> String {
        switch item {
        case .expression(let item):
            // A constant by itself would be read as a position.
            if let target = item.target, level.targets[target].expression?.literal != nil { return "\(target + 1)" }
            return try finishedItem(item)
        case .list(let items): return "(" + (try text(of: items)) + ")"
        case .sets(let items): return "GROUPING SETS (" + (try text(of: items)) + ")"
        case .rollup(let items): return "ROLLUP (" + (try text(of: items)) + ")"
        case .cube(let items): return "CUBE (" + (try text(of: items)) + ")"
        case .empty: return "()"
        }
    }

    private func text(of items: [GroupingItem]) throws(Refusal) -> String {
        var parts: [String] = []
        for item in items { parts.append(try text(of: item)) }
        return parts.joined(separator: ", ")
    }

    private func windowClause() throws(Refusal) -> String {
        let windows = NodeList(rewriting.select.pointee.window_clause, rewriting.select.pointee.n_window_clause).nodes.compactMap(\.windowDef)
        var parts: [String] = []
        for window in windows {
            let body = try printer.printWindowBody(window) { node throws(Refusal) in try self.substitute(node) }
            parts.append(SQLText.quoted(text(window.pointee.name)) + " AS " + body)
        }
        return parts.isEmpty ? "" : " WINDOW " + parts.joined(separator: ", ")
    }

    private func text(_ name: UnsafeMutablePointer<CChar>?) -> String { nonEmptyText(name) ?? "" }

    private func orderClause() throws(Refusal) -> String {
        var parts: [String] = []
        for (index, item) in level.ordering.enumerated() {
            let (_, suffix) = rewriting.orderItem(index)
            let expression: String
            if let target = item.target { expression = "\(target + 1)" } else { expression = try finishedItem(item) }
            parts.append(suffix.isEmpty ? expression : expression + " " + suffix)
        }
        return parts.isEmpty ? "" : " ORDER BY " + parts.joined(separator: ", ")
    }

    /// The partial query: the client's WITH, FROM and WHERE, with other targets and groups.
    private func shardText() throws(Refusal) -> String {
        let clauses = rewriting.clauses
        let columns = rows.ordered
        var text = rewriting.text(clauses.whole.lowerBound..<clauses.start)
        if !text.isEmpty { text += " " }
        text += "SELECT " + columns.map { "\($0.expression) AS \($0.name)" }.joined(separator: ", ")
        if !clauses.source.isEmpty { text += " " + rewriting.text(clauses.source) }
        if rows.keyCount > 0 { text += " GROUP BY " + (1...rows.keyCount).map(String.init).joined(separator: ", ") }
        guard let tree = try? ParseTree(text), let select = tree.statements.first?.node.selectStmt,
            isSource(select.pointee, of: rewriting.select.pointee)
        else { throw SelectRewriting.notUnderstood }
        return text
    }

    private func isSource(_ new: PgQuery__SelectStmt, of old: PgQuery__SelectStmt) -> Bool {
        SelectRewriting.isSame(NodeList(new.from_clause, new.n_from_clause), NodeList(old.from_clause, old.n_from_clause))
            && SelectRewriting.isSame(Node(new.where_clause), Node(old.where_clause))
            && SelectRewriting.isSame(new.with_clause, old.with_clause) && Int(new.n_target_list) == rows.columns.count
    }
}
