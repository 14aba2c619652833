// GatherPlanner: SELECTs that no shard can answer its share of. The sharded parts are fetched, and the statement runs on one
// shard with the fetched rows in their place.
//
// A part is as large as possible: a subquery or WITH item that is exact per shard, or that a finisher can make from partial
// results, is fetched as that; what remains are tables, of which the used columns are fetched, less what the WHERE of their
// own level leaves out. All parts travel in one statement per shard (one snapshot each), tagged with the part's number, and
// become WITH items of the finisher. What is fetched is bounded by the merge's limit.
import CPGQuery
import ResultMerging

/// Plans one top-level SELECT. Used once.
final class GatherPlanner {
    let planner: StatementPlanner
    private let query: BoundQuery
    private let tokens: TokenList
    private var editing: TextEditing
    private(set) var parts: [GatheredPart] = []
    private var names: [String] = []
    /// Queries around the one being replaced. Each is tried as a whole first, which takes time that goes with its length.
    private var nesting = 0
    private var context: AnalysisContext { planner.context }
    private var binder: Binder { planner.binder }

    /// - Throws: 0A000 for what must not be gathered.
    init(_ planner: StatementPlanner, _ query: BoundQuery) throws(Refusal) {
        guard let tokens = TokenList(planner.context), let first = tokens.tokens.first,
            first.kind != PG_QUERY__TOKEN__TABLE
        else { throw SelectRewriting.notUnderstood }
        self.planner = planner
        self.query = query
        self.tokens = tokens
        editing = TextEditing(planner.context)
    }

    func plan(_ usage: StatementUsage) throws(Refusal) -> ScatterPlanner.Result {
        try checkGatherable(usage)
        try descend(query)
        guard !parts.isEmpty else { throw planner.refusal("nothing could be fetched") }
        let layout = GatherLayout(parts, firstParameter: binder.parameterCount + 1)
        let text = try finisherText(layout)
        let readsTables = try planner.checkFinisher(text, reading: parts.flatMap { $0.columns.map(\.type) })
        let finisher = Finisher(
            text: text, firstArrayParameter: binder.parameterCount + 1, partialColumnCount: layout.columnCount,
            readsTables: readsTables)
        return .init(
            plan: ScatterPlan(shardText: layout.shardText, merge: MergePlan(visibleColumnCount: layout.columnCount), finisher: finisher),
            reason: "gather \(names.joined(separator: ", "))")
    }

    private func checkGatherable(_ usage: StatementUsage) throws(Refusal) {
        if binder.locksRows { throw planner.refusal("FOR UPDATE or FOR SHARE of rows that must be fetched") }
        if binder.usesWholeRows { throw planner.refusal("whole rows of tables that must be fetched") }
        if let name = usage.unknownFunction { throw planner.refusal("it is not known which tables function \(name) reads") }
        if usage.hasWritingFunctions || usage.hasCatalogFunctions { throw planner.refusal("functions that depend on one server") }
    }

    // MARK: Finding the parts

    /// Replaces what is sharded in a query.
    private func descend(_ query: BoundQuery) throws(Refusal) {
        for table in query.commonTables { try replaceNested(table.query, table.node, table.name) }
        switch query.body {
        case .select(let level), .values(let level):
            if level.usesSystemColumns { throw planner.refusal("system columns differ from shard to shard") }
            for entry in level.entries { try replace(entry, level, query) }
            for sublink in level.sublinks {
                guard let node = Node(sublink.node.pointee.subselect) else { throw SelectRewriting.notUnderstood }
                try replaceNested(sublink.query, node, "subquery")
            }
        case .setOperation(_, _, let left, let right):
            try descend(left)
            try descend(right)
        case .recursive(_, _, let initial, let step):
            try descend(initial)
            try descend(step)
        case .modification: throw planner.refusal("data-modifying WITH items must be confined to one shard")
        }
    }

    private func isReplicated(_ query: BoundQuery) -> Bool {
        let placed = planner.analysis.analyse(query, Facts())
        if case .replicated = placed.state { return true }
        return !placed.confinement.hasSharded
    }

    /// A subquery: fetched whole where that is exact, else its parts.
    private func replaceNested(_ query: BoundQuery, _ node: Node, _ name: String) throws(Refusal) {
        if isReplicated(query) { return }
        guard nesting < StatementSize.maximumGatherNesting else {
            throw planner.refusal("more than \(StatementSize.maximumGatherNesting) queries within each other")
        }
        nesting += 1
        defer { nesting -= 1 }
        if !query.isCorrelated, isSelfContained(node), let range = tokens.range(of: node, context),
            let partial = try? partialQuery(query, range)
        {
            let number = try add(GatheredPart(text: partial.shardText, columns: partial.rows.ordered), name)
            let text = partial.before + "\(GatherLayout.name(number)) AS \(PartialRows.name)" + partial.after
            editing.replace(tokens.bytes(range), with: text)
            return
        }
        try descend(query)
    }

    private func partialQuery(_ query: BoundQuery, _ range: Range<Int>) throws(Refusal) -> PartialQuery {
        let inner = StatementPlanner(planner, context.narrowed(to: tokens.bytes(range)))
        return try ScatterPlanner(inner, query).partialQuery(names: query.columns.map(\.name))
    }

    /// Whether a query uses no WITH item of a query around it.
    private func isSelfContained(_ node: Node) -> Bool {
        var defined: Set<String> = []
        var mentioned: Set<String> = []
        TreeWalk.nodes(under: node) { node in
            if let item = node.commonTableExpr { defined.insert(text(item.pointee.ctename)) }
            if let table = node.rangeVar, nonEmptyText(table.pointee.schemaname) == nil { mentioned.insert(text(table.pointee.relname)) }
            return .descend
        }
        return mentioned.subtracting(defined).isDisjoint(with: binder.commonTableNames)
    }

    private func add(_ part: GatheredPart, _ name: String) throws(Refusal) -> Int {
        guard parts.count < StatementSize.maximumGatheredPartCount else {
            throw planner.refusal("more than \(StatementSize.maximumGatheredPartCount) parts to be fetched")
        }
        parts.append(part)
        if !names.contains(name) { names.append(name) }
        return parts.count
    }

    // MARK: FROM items

    private func replace(_ entry: RangeEntry, _ level: BoundLevel, _ query: BoundQuery) throws(Refusal) {
        switch entry.source {
        case .table(let relation):
            guard case .sharded = relation.placement else { return }
            try replaceTable(entry, relation.columns.map(\.name), level, query)
        case .query(let inner):
            if entry.isCommonReference || isReplicated(inner) { return }
            if let subselect = entry.node?.rangeSubselect, let node = Node(subselect.pointee.subquery) {
                return try replaceNested(inner, node, entry.name)
            }
            guard case .partitioned = planner.analysis.analyse(inner, Facts()).state else {
                throw planner.refusal("view \"\(entry.name)\" cannot be fetched as it is")
            }
            try replaceTable(entry, entry.columns.map(\.name), level, query)
        case .recursiveReference, .function, .mergedColumns: return
        case .temporaryTable: throw planner.refusal("a temporary table")
        }
    }

    /// A table or view: the used columns of the rows that the level's own WHERE leaves.
    private func replaceTable(
        _ entry: RangeEntry, _ columnNames: [String], _ level: BoundLevel, _ query: BoundQuery
    ) throws(Refusal) {
        guard let table = entry.node?.rangeVar, table.pointee.inh != 0, !entry.isSampled, let range = nameRange(table) else {
            throw planner.refusal("table \"\(entry.name)\" cannot be fetched in this form")
        }
        let renames = (table.pointee.alias?.pointee.n_colnames ?? 0) > 0
        var used = renames ? Array(columnNames.indices) : entry.usedColumns.sorted()
        if used.isEmpty { used = [0] }
        var rows = PartialRows()
        for column in used {
            guard columnNames.indices.contains(column), let type = entry.columns[column].type,
                rows.add("t.\(SQLText.quoted(columnNames[column]))", type, isKey: false, context) != nil
            else { throw planner.refusal("the type of a column of \"\(entry.name)\" is not known") }
        }
        let alias = SQLText.quoted(entry.name)
        let list = used.map { "\(alias).\(SQLText.quoted(columnNames[$0]))" }.joined(separator: ", ")
        var text = "SELECT \(list) FROM \(context.slice(range)) AS \(alias)"
        let conditions = renames ? [] : ownConditions(of: entry, level, query)
        if !conditions.isEmpty { text += " WHERE " + conditions.joined(separator: " AND ") }
        let number = try add(GatheredPart(text: text, columns: rows.ordered), entry.name)
        let shown = zip(rows.ordered, used).map { "\(PartialRows.name).\($0.name) AS \(SQLText.quoted(columnNames[$1]))" }
        var replacement = "(SELECT \(shown.joined(separator: ", ")) FROM \(GatherLayout.name(number)) AS \(PartialRows.name))"
        if table.pointee.alias == nil { replacement += " AS " + alias }
        editing.replace(range, with: replacement)
    }

    /// The bytes of a table's name; nil for forms with more than the name (`t*`, ONLY).
    private func nameRange(_ table: Message<PgQuery__RangeVar>) -> Range<Int>? {
        guard let start = tokens.index(startingAt: Int(table.pointee.location)) else { return nil }
        var end = start + 1
        while tokens.kind(end) == PG_QUERY__TOKEN__ASCII_46 { end += 2 }
        guard tokens.kind(end) != PG_QUERY__TOKEN__ASCII_42, tokens.kind(start - 1) != PG_QUERY__TOKEN__TABLE else { return nil }
        return tokens.bytes(start..<end)
    }

    /// Conjuncts of WHERE about this table alone; none where NULLs of an outer join may stand in for its rows.
    private func ownConditions(of entry: RangeEntry, _ level: BoundLevel, _ query: BoundQuery) -> [String] {
        guard let filter = query.node.flatMap({ Node($0.pointee.where_clause) }), isNeverNulled(entry, level.from) else { return [] }
        let printer = ExpressionPrinter(rewriting: nil)
        return conjuncts(filter).filter { isAbout($0, entry) }.compactMap { try? printer.print($0) }
    }

    private func conjuncts(_ node: Node) -> [Node] {
        guard let bool = node.boolExpr, bool.pointee.boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR else { return [node] }
        return NodeList(bool.pointee.args, bool.pointee.n_args).nodes.flatMap(conjuncts)
    }

    private func isNeverNulled(_ entry: RangeEntry, _ tree: JoinTree) -> Bool {
        switch tree {
        case .entry(let other): other === entry
        case .inner(let members, _): members.contains { isNeverNulled(entry, $0) }
        case .outer(.left, let left, _, _, _): isNeverNulled(entry, left)
        case .outer(.right, _, let right, _, _): isNeverNulled(entry, right)
        case .outer(.full, _, _, _, _): false
        }
    }

    private func isAbout(_ node: Node, _ entry: RangeEntry) -> Bool {
        TreeWalk.nodes(under: node) { node in
            if node.subLink != nil { return .stop }
            if let call = node.funcCall, context.knowledge(of: call) != .stable { return .stop }
            if node.columnRef != nil, binder.variable(node)?.entry != entry.id { return .stop }
            return .descend
        }
    }

    // MARK: The finisher

    /// The statement with its parts replaced, and the parts as WITH items.
    private func finisherText(_ layout: GatherLayout) throws(Refusal) -> String {
        let definitions = layout.definitions.joined(separator: ", ")
        let first = tokens[0]
        guard first.kind == PG_QUERY__TOKEN__WITH || first.kind == PG_QUERY__TOKEN__WITH_LA else {
            return "WITH \(definitions) " + editing.text(of: tokens.bytes(0..<tokens.count))
        }
        let isRecursive = tokens.kind(1) == PG_QUERY__TOKEN__RECURSIVE
        editing.insert(" \(definitions),", at: tokens[isRecursive ? 1 : 0].range.upperBound)
        return editing.text(of: tokens.bytes(0..<tokens.count))
    }
}
