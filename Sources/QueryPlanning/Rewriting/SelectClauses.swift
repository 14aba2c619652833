// SelectClauses: where the clauses of a top-level SELECT stand among its tokens.
//
// The clause keywords are reserved: outside parentheses they can only start their clause, except as a name after AS or a
// point, FROM in IS DISTINCT FROM and GROUP in WITHIN GROUP. Whoever cuts the text parses the result again and compares.
import CPGQuery

/// Ranges of token indexes; empty ranges for absent clauses.
struct SelectClauses {
    /// The whole query, WITH included, outer parentheses not.
    var whole = 0..<0
    /// The first token of the query proper: SELECT, or the parenthesis of a set operation's first arm.
    var start = 0
    /// DISTINCT with its ON list.
    var distinct = 0..<0
    /// The target list's items with their commas.
    var targets = 0..<0
    /// FROM and WHERE.
    var source = 0..<0
    /// The items after GROUP BY.
    var grouping = 0..<0
    /// The expression after HAVING.
    var having = 0..<0
    /// WINDOW with its definitions.
    var windows = 0..<0
    /// The items after ORDER BY.
    var ordering = 0..<0
    /// ORDER BY itself, keywords included.
    var orderClause = 0..<0
    /// LIMIT, OFFSET and FETCH clauses, keywords included.
    var limits: [Range<Int>] = []
    /// FOR UPDATE and its like.
    var locking = 0..<0
    /// It is a UNION, INTERSECT or EXCEPT.
    var isSetOperation = false

    /// - Returns: nil for forms that are not understood (a parenthesised query with clauses behind it).
    init?(_ list: TokenList) {
        guard let whole = Self.withoutParentheses(list) else { return nil }
        self.whole = whole
        guard let start = Self.queryStart(list, whole) else { return nil }
        self.start = start
        guard readClauses(list) else { return nil }
    }

    private static func withoutParentheses(_ list: TokenList) -> Range<Int>? {
        var range = 0..<list.count
        while let first = range.first, list[first].kind == PG_QUERY__TOKEN__ASCII_40, list.closing(first) == range.upperBound - 1 {
            range = first + 1..<range.upperBound - 1
        }
        return range.isEmpty ? nil : range
    }

    /// Skips WITH: the first SELECT outside parentheses.
    private static func queryStart(_ list: TokenList, _ whole: Range<Int>) -> Int? {
        let first = list[whole.lowerBound].kind
        guard first == PG_QUERY__TOKEN__WITH || first == PG_QUERY__TOKEN__WITH_LA else { return whole.lowerBound }
        var index = whole.lowerBound
        while index < whole.upperBound {
            if list[index].kind == PG_QUERY__TOKEN__SELECT { return index }
            if list[index].kind == PG_QUERY__TOKEN__ASCII_40 {
                guard let close = list.closing(index) else { return nil }
                index = close
            }
            index += 1
        }
        return nil
    }

    private enum Clause { case targets, source, grouping, having, windows, ordering, limit, locking, arm }

    private mutating func readClauses(_ list: TokenList) -> Bool {
        let isSelect = list[start].kind == PG_QUERY__TOKEN__SELECT
        guard isSelect || list[start].kind == PG_QUERY__TOKEN__ASCII_40 else { return false }
        var current: Clause = isSelect ? .targets : .arm
        var begin = isSelect ? afterDistinct(list) : start
        var index = begin
        while index < whole.upperBound {
            if let next = clause(list, index), index > start {
                close(current, begin, index)
                isSetOperation = isSetOperation || next == .arm
                current = next
                begin = index
            }
            if TokenList.opens(list[index].kind) {
                guard let closing = list.closing(index) else { return false }
                index = closing
            }
            index += 1
        }
        close(current, begin, whole.upperBound)
        return isSelect || isSetOperation
    }

    /// Past SELECT [ALL | DISTINCT [ON (...)]].
    private mutating func afterDistinct(_ list: TokenList) -> Int {
        let index = start + 1
        if list.kind(index) == PG_QUERY__TOKEN__ALL { return index + 1 }
        guard list.kind(index) == PG_QUERY__TOKEN__DISTINCT else { return index }
        var end = index + 1
        if list.kind(end) == PG_QUERY__TOKEN__ON, let closing = list.closing(end + 1) { end = closing + 1 }
        distinct = index..<end
        return end
    }

    /// The clause a token starts.
    private func clause(_ list: TokenList, _ index: Int) -> Clause? {
        let previous = list.kind(index - 1)
        if list.isName(index) { return nil }
        switch list[index].kind {
        case PG_QUERY__TOKEN__FROM:
            let isComparison = previous == PG_QUERY__TOKEN__DISTINCT
                && (list.kind(index - 2) == PG_QUERY__TOKEN__IS || list.kind(index - 2) == PG_QUERY__TOKEN__NOT)
            return isComparison ? nil : .source
        case PG_QUERY__TOKEN__WHERE: return .source
        case PG_QUERY__TOKEN__GROUP_P: return previous == PG_QUERY__TOKEN__WITHIN ? nil : .grouping
        case PG_QUERY__TOKEN__HAVING: return .having
        case PG_QUERY__TOKEN__WINDOW: return .windows
        case PG_QUERY__TOKEN__ORDER: return .ordering
        case PG_QUERY__TOKEN__LIMIT, PG_QUERY__TOKEN__OFFSET, PG_QUERY__TOKEN__FETCH: return .limit
        case PG_QUERY__TOKEN__FOR: return .locking
        case PG_QUERY__TOKEN__UNION, PG_QUERY__TOKEN__INTERSECT, PG_QUERY__TOKEN__EXCEPT: return .arm
        default: return nil
        }
    }

    private mutating func close(_ clause: Clause, _ begin: Int, _ end: Int) {
        switch clause {
        case .targets: targets = begin..<end
        case .source: source = source.isEmpty ? begin..<end : source.lowerBound..<end
        case .grouping: grouping = min(begin + 2, end)..<end
        case .having: having = min(begin + 1, end)..<end
        case .windows: windows = begin..<end
        case .ordering:
            ordering = min(begin + 2, end)..<end
            orderClause = begin..<end
        case .limit: limits.append(begin..<end)
        case .locking: locking = locking.isEmpty ? begin..<end : locking.lowerBound..<end
        case .arm: break
        }
    }
}
