// SelectRewriting: the client's SELECT with hidden columns and other limits, cut and spliced by token position, and the
// proof that nothing else changed: the new text is parsed and compared with the old tree.
import CPGQuery

/// An expression that the shards compute for the proxy.
struct HiddenColumn {
    let text: String
    /// What it must be when parsed; nil for a column of an expanded `*`.
    let expression: Node?
}

/// A top-level query and its text.
struct SelectRewriting {
    let context: AnalysisContext
    let tokens: TokenList
    let clauses: SelectClauses
    let select: Message<PgQuery__SelectStmt>

    /// - Throws: 0A000 for forms whose clauses cannot be found.
    init(_ context: AnalysisContext, _ select: Message<PgQuery__SelectStmt>) throws(Refusal) {
        guard let tokens = TokenList(context), let clauses = SelectClauses(tokens) else { throw Self.notUnderstood }
        self.context = context
        self.tokens = tokens
        self.clauses = clauses
        self.select = select
        guard isConsistent else { throw Self.notUnderstood }
    }

    static let notUnderstood = Refusal(
        "0A000", "cannot run this statement over several shards: its text cannot be rewritten",
        hint: "Write the query without parentheses around it.")

    /// The clauses found are those of the tree.
    private var isConsistent: Bool {
        let select = select.pointee
        let isSetOperation = select.op != PG_QUERY__SET_OPERATION__SETOP_NONE
        guard clauses.isSetOperation == isSetOperation else { return false }
        guard tokens.items(clauses.ordering).count == select.n_sort_clause else { return false }
        guard clauses.limits.isEmpty == (select.limit_count == nil && select.limit_offset == nil) else { return false }
        guard clauses.locking.isEmpty == (select.n_locking_clause == 0) else { return false }
        if isSetOperation { return true }
        return tokens.items(clauses.targets).count == select.n_target_list
            && clauses.distinct.isEmpty == (select.n_distinct_clause == 0)
            && clauses.having.isEmpty == (select.having_clause == nil)
            && clauses.grouping.isEmpty == (select.n_group_clause == 0)
    }

    func text(_ range: Range<Int>) -> String { range.isEmpty ? "" : context.slice(tokens.bytes(range)) }

    // MARK: Parts of items

    /// A target's expression as it is written, without its name.
    func targetExpression(_ item: Int) -> String {
        let range = tokens.items(clauses.targets)[item]
        let target = NodeList(select.pointee.target_list, select.pointee.n_target_list)[item]?.resTarget
        guard target.flatMap({ nonEmptyText($0.pointee.name) }) != nil else { return text(range) }
        let isAfterAs = range.count > 1 && tokens[range.upperBound - 2].kind == PG_QUERY__TOKEN__AS
        return text(range.lowerBound..<range.upperBound - (isAfterAs ? 2 : 1))
    }

    /// An ORDER BY item's expression and what follows it (direction, NULLS).
    func orderItem(_ item: Int) -> (expression: String, suffix: String) {
        let range = tokens.items(clauses.ordering)[item]
        let end = suffixStart(range)
        return (text(range.lowerBound..<end), text(end..<range.upperBound))
    }

    private func suffixStart(_ range: Range<Int>) -> Int {
        var end = range.upperBound
        let isNulls = end - range.lowerBound > 2
            && (tokens[end - 2].kind == PG_QUERY__TOKEN__NULLS_P || tokens[end - 2].kind == PG_QUERY__TOKEN__NULLS_LA)
            && (tokens[end - 1].kind == PG_QUERY__TOKEN__FIRST_P || tokens[end - 1].kind == PG_QUERY__TOKEN__LAST_P)
        if isNulls { end -= 2 }
        let last = tokens[end - 1].kind
        if end - range.lowerBound > 1, last == PG_QUERY__TOKEN__ASC || last == PG_QUERY__TOKEN__DESC { return end - 1 }
        var depth = 0
        for index in range.lowerBound..<end {
            if TokenList.opens(tokens[index].kind) { depth += 1 } else if TokenList.closes(tokens[index].kind) { depth -= 1 }
            if depth == 0, index > range.lowerBound, tokens[index].kind == PG_QUERY__TOKEN__USING { return index }
        }
        return end
    }

    // MARK: The shards' text

    /// The query with more columns and another limit.
    /// - Parameters:
    ///   - hidden: expressions added behind the target list, with the nodes they must be.
    ///   - limits: the client's; replaced by what each shard is asked for.
    ///   - isPartial: the rows are partial: ORDER BY and LIMIT are left out.
    /// - Throws: 0A000 when the new text does not mean what it should.
    func shardText(hidden: [HiddenColumn], limits: RowLimits, isPartial: Bool = false) throws(Refusal) -> String {
        var editing = TextEditing(context)
        if !hidden.isEmpty {
            let list = hidden.enumerated().map { "\($1.text) AS pgbraid_\($0 + 1)" }.joined(separator: ", ")
            if clauses.targets.isEmpty {
                editing.insert(" " + list, at: tokens[clauses.targets.lowerBound - 1].range.upperBound)
            } else {
                editing.insert(", " + list, at: tokens.bytes(clauses.targets).upperBound)
            }
        }
        if isPartial {
            for range in clauses.limits + [clauses.orderClause] where !range.isEmpty { editing.replace(tokens.bytes(range), with: "") }
        } else {
            replaceLimits(limits, &editing)
        }
        let text = editing.text(of: tokens.bytes(clauses.whole))
        try verify(text, hidden, isPartial: isPartial)
        return text
    }

    /// Takes the limit clauses out and puts the shards' limit in the place of the first.
    func replaceLimits(_ limits: RowLimits, _ editing: inout TextEditing) {
        for (index, range) in clauses.limits.enumerated() {
            editing.replace(tokens.bytes(range), with: index == 0 ? limits.shardClause ?? "" : "")
        }
    }

    /// Parses a rewritten text and compares it with the client's.
    private func verify(_ text: String, _ hidden: [HiddenColumn], isPartial: Bool) throws(Refusal) {
        guard let tree = try? ParseTree(text), tree.statements.count == 1, let new = tree.statements[0].node.selectStmt,
            isSame(new, hiddenCount: hidden.count, isPartial: isPartial)
        else { throw Self.notUnderstood }
        let added = NodeList(new.pointee.target_list, new.pointee.n_target_list).suffix(hidden.count)
        for (node, column) in zip(added, hidden) {
            guard let expected = column.expression else { continue }
            guard Self.isSame(node?.resTarget.flatMap { Node($0.pointee.val) }, expected) else { throw Self.notUnderstood }
        }
    }

    private func isSame(_ new: Message<PgQuery__SelectStmt>, hiddenCount: Int, isPartial: Bool) -> Bool {
        let new = new.pointee
        let old = select.pointee
        guard new.n_target_list == old.n_target_list + hiddenCount, new.op == old.op, new.all == old.all else { return false }
        let targets = NodeList(new.target_list, old.n_target_list)
        return Self.isSame(targets, NodeList(old.target_list, old.n_target_list))
            && Self.isSame(NodeList(new.distinct_clause, new.n_distinct_clause), NodeList(old.distinct_clause, old.n_distinct_clause))
            && Self.isSame(NodeList(new.from_clause, new.n_from_clause), NodeList(old.from_clause, old.n_from_clause))
            && Self.isSame(NodeList(new.group_clause, new.n_group_clause), NodeList(old.group_clause, old.n_group_clause))
            && Self.isSame(NodeList(new.window_clause, new.n_window_clause), NodeList(old.window_clause, old.n_window_clause))
            && (isPartial || Self.isSame(NodeList(new.sort_clause, new.n_sort_clause), NodeList(old.sort_clause, old.n_sort_clause)))
            && Self.isSame(NodeList(new.locking_clause, new.n_locking_clause), NodeList(old.locking_clause, old.n_locking_clause))
            && Self.isSame(Node(new.where_clause), Node(old.where_clause))
            && Self.isSame(Node(new.having_clause), Node(old.having_clause))
            && Self.isSame(new.with_clause, old.with_clause) && Self.isSame(new.larg, old.larg) && Self.isSame(new.rarg, old.rarg)
    }

    static func isSame(_ one: NodeList, _ other: NodeList) -> Bool {
        one.count == other.count && zip(one, other).allSatisfy { isSame($0, $1) }
    }

    static func isSame(_ one: Node?, _ other: Node?) -> Bool {
        guard let one, let other else { return one == nil && other == nil }
        return TreeComparison.isEqual(one, other)
    }

    static func isSame<T>(_ one: Message<T>?, _ other: Message<T>?) -> Bool {
        guard let one, let other else { return one == nil && other == nil }
        return TreeComparison.isEqual(one, other)
    }
}

extension SelectRewriting {
    /// The text of a subquery with its parentheses, found by the first parenthesis behind the SubLink's location that holds
    /// a query of the same tree.
    func parenthesised(_ select: Node, _ sublink: Message<PgQuery__SubLink>) -> String? {
        guard let start = tokens.index(startingAt: Int(sublink.pointee.location)) else { return nil }
        for index in start..<min(start + 64, tokens.count) where tokens[index].kind == PG_QUERY__TOKEN__ASCII_40 {
            guard let closing = tokens.closing(index) else { return nil }
            let text = text(index..<closing + 1)
            if let tree = try? ParseTree(text), let found = tree.statements.first?.node, TreeComparison.isEqual(found, select) {
                return text
            }
        }
        return nil
    }
}
