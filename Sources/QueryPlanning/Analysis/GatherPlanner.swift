// GatherPlanner: statements that no shard can answer its share of. The sharded parts are fetched, and the statement runs on one
// shard with the fetched rows in their place.
//
// A part is as large as possible: a subquery or WITH item that is exact per shard, or that a finisher can make from partial
// results, is fetched as that; what remains are tables, joined where a level joins them by their sharding keys, of which the
// used columns are fetched, less the rows that their own level's conditions leave out. All parts travel in one statement per
// shard (one snapshot each), tagged with the part's number, and become WITH items of the finisher. What is fetched is bounded
// by the merge's limit.
import CPGQuery
import ResultMerging

/// Plans one top-level SELECT, UPDATE or DELETE. Used once.
final class GatherPlanner {
    let planner: StatementPlanner
    let query: BoundQuery
    let tokens: TokenList
    var editing: TextEditing
    /// Subqueries that became joins.
    var groupCount = 0
    private(set) var parts: [GatheredPart] = []
    private var names: [String] = []
    /// Queries around the one being replaced. Each is tried as a whole first, which takes time that goes with its length.
    var nesting = 0
    /// What is replaced stands in a WITH item that nothing reads.
    private var isUnread = false
    var context: AnalysisContext { planner.context }
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
        return try finished("gather \(names.joined(separator: ", "))")
    }

    /// The plan that fetches the parts and runs the edited statement over them.
    func finished(_ reason: String) throws(Refusal) -> ScatterPlanner.Result {
        let layout = GatherLayout(parts, firstParameter: binder.parameterCount + 1)
        let text = try finisherText(layout)
        let readsTables = try planner.checkFinisher(text, reading: parts.flatMap { $0.columns.map(\.type) })
        let finisher = Finisher(
            text: text, firstArrayParameter: binder.parameterCount + 1, columnCounts: parts.map(\.columns.count),
            readsTables: readsTables, isGather: true)
        return .init(
            plan: ScatterPlan(shardText: layout.shardText, merge: MergePlan(visibleColumnCount: finisher.rowWidth), finisher: finisher),
            reason: reason)
    }

    func checkGatherable(_ usage: StatementUsage) throws(Refusal) {
        if binder.locksRows { throw planner.refusal("FOR UPDATE or FOR SHARE of rows that must be fetched") }
        if binder.usesWholeRows { throw planner.refusal("whole rows of tables that must be fetched") }
        if let name = usage.unknownFunction { throw planner.refusal("it is not known which tables function \(name) reads") }
        if usage.hasWritingFunctions || usage.hasCatalogFunctions { throw planner.refusal("functions that depend on one server") }
    }

    // MARK: Finding the parts

    /// Replaces what is sharded in a query.
    func descend(_ query: BoundQuery) throws(Refusal) {
        for table in query.commonTables { try replaceItem(table) }
        switch query.body {
        case .select(let level), .values(let level):
            if level.usesSystemColumns { throw planner.refusal("system columns differ from shard to shard") }
            let conditions = GatherConditions(query, level, planner)
            let joins = GatherJoins(query, level, planner).groups.compactMap { fetchedTables($0) }
            for tables in joins { try replaceJoin(tables, conditions) }
            for entry in level.entries where !joins.contains(where: { $0.contains { $0.entry === entry } }) { try replace(entry, conditions) }
            try groupByDependents(level, query)
            for sublink in level.sublinks {
                guard let node = Node(sublink.node.pointee.subselect) else { throw SelectRewriting.notUnderstood }
                if isReplicated(sublink.query) { continue }
                if try joinGroups(sublink, level, query) { continue }
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

    func isReplicated(_ query: BoundQuery) -> Bool {
        let placed = planner.analysis.analyse(query, Facts())
        if case .replicated = placed.state { return true }
        return !placed.confinement.hasSharded
    }

    /// A subquery: fetched whole where that is exact, else its parts.
    func replaceNested(_ query: BoundQuery, _ node: Node, _ name: String) throws(Refusal) {
        if isReplicated(query) { return }
        guard nesting < StatementSize.maximumGatherNesting else {
            throw planner.refusal("more than \(StatementSize.maximumGatherNesting) queries within each other")
        }
        nesting += 1
        defer { nesting -= 1 }
        if !query.isCorrelated, binder.isSelfContained(node), let range = tokens.range(of: node, context),
            let partial = try? partialQuery(query, range)
        {
            let number = try add(GatheredPart(
                text: partial.shardText, columns: partial.rows.ordered, isNumbered: partial.after.contains(PartialRows.place)), name)
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

    /// A WITH item. Of one that nothing reads no rows are fetched, as PostgreSQL evaluates none; its mistakes are found all the same.
    func replaceItem(_ item: BoundCTE) throws(Refusal) {
        let isWithinUnread = isUnread
        isUnread = isUnread || !item.use.isRead
        defer { isUnread = isWithinUnread }
        try replaceNested(item.query, item.node, item.name)
    }

    func add(_ part: GatheredPart, _ name: String) throws(Refusal) -> Int {
        guard parts.count < StatementSize.maximumGatheredPartCount else {
            throw planner.refusal("more than \(StatementSize.maximumGatheredPartCount) parts to be fetched")
        }
        parts.append(isUnread ? part.withoutRows : part)
        if !names.contains(name) { names.append(name) }
        return parts.count
    }

    // MARK: FROM items

    func replace(_ entry: RangeEntry, _ conditions: GatherConditions) throws(Refusal) {
        switch entry.source {
        case .table(let relation):
            guard relation.placement.isPartitioned else { return }
            try replaceTable(entry, conditions)
        case .query(let inner):
            if entry.isCommonReference || isReplicated(inner) { return }
            if let subselect = entry.node?.rangeSubselect, let node = Node(subselect.pointee.subquery) {
                return try replaceNested(inner, node, entry.name)
            }
            guard case .partitioned = planner.analysis.analyse(inner, Facts()).state else {
                throw planner.refusal("view \"\(entry.name)\" cannot be fetched as it is")
            }
            try replaceTable(entry, conditions)
        case .recursiveReference, .function, .mergedColumns: return
        case .temporaryTable: throw planner.refusal("a temporary table")
        }
    }

    // MARK: The finisher

    /// The statement with its parts replaced, and the parts as WITH items.
    private func finisherText(_ layout: GatherLayout) throws(Refusal) -> String { defining(layout, textOf: 0..<tokens.count) }

    func replace(_ range: Range<Int>, with text: String) { editing.replace(range, with: text) }

    /// The edited text of a range of tokens.
    func edited(_ range: Range<Int>) -> String { range.isEmpty ? "" : editing.text(of: tokens.bytes(range)) }

    /// The beginning of the statement, up to the end of a range of tokens, with the parts as WITH items.
    func defining(_ layout: GatherLayout, textOf range: Range<Int>) -> String {
        let definitions = layout.definitions.joined(separator: ", ")
        let first = tokens[0]
        guard first.kind == PG_QUERY__TOKEN__WITH || first.kind == PG_QUERY__TOKEN__WITH_LA else {
            return "WITH \(definitions) " + edited(range)
        }
        let isRecursive = tokens.kind(1) == PG_QUERY__TOKEN__RECURSIVE
        editing.insert(" \(definitions),", at: tokens[isRecursive ? 1 : 0].range.upperBound)
        return edited(range)
    }
}
