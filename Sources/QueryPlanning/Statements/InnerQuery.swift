// InnerQuery: where in a statement's text the query inside of it stands, so that it can be planned, and its text rewritten, as
// a statement of its own.
import CPGQuery

extension AnalysisContext {
    /// The same surroundings for a part of the statement.
    func narrowed(to range: Range<Int>, isExplained: Bool? = nil) -> AnalysisContext {
        AnalysisContext(
            environment: environment, text: text, range: range, parameterTypes: parameterTypes, acrossShards: acrossShards,
            isExplained: isExplained ?? self.isExplained)
    }
}

extension StatementTokens {
    /// What EXPLAIN explains.
    func explained(optionCount: Int) -> Range<Int>? {
        var index = 1
        if optionCount > 0, tokens.indices.contains(1), tokens[1].kind == PG_QUERY__TOKEN__ASCII_40 {
            guard let close = closing(1) else { return nil }
            index = close + 1
        } else {
            let words = [PG_QUERY__TOKEN__ANALYZE, PG_QUERY__TOKEN__ANALYSE, PG_QUERY__TOKEN__VERBOSE]
            while tokens.indices.contains(index), words.contains(tokens[index].kind) { index += 1 }
        }
        return range(index, tokens.count)
    }

    /// The query of DECLARE.
    var declared: Range<Int>? { firstOutside(PG_QUERY__TOKEN__FOR).flatMap { range($0 + 1, tokens.count) } }

    /// The query of COPY (query) TO.
    var copied: Range<Int>? {
        guard let open = firstOutside(PG_QUERY__TOKEN__ASCII_40), let close = closing(open) else { return nil }
        return range(open + 1, close)
    }

    /// The query of INSERT ... SELECT.
    func inserted(hasColumnList: Bool) -> Range<Int>? {
        var first = 2
        if hasColumnList {
            guard let open = firstOutside(PG_QUERY__TOKEN__ASCII_40), let close = closing(open) else { return nil }
            first = close + 1
        }
        let openings = [PG_QUERY__TOKEN__SELECT, PG_QUERY__TOKEN__WITH, PG_QUERY__TOKEN__VALUES, PG_QUERY__TOKEN__TABLE, PG_QUERY__TOKEN__ASCII_40]
        guard let start = openings.compactMap({ firstOutside($0, from: first) }).min() else { return nil }
        var end = firstOutside(PG_QUERY__TOKEN__RETURNING, from: start) ?? tokens.count
        var position = start
        while let on = firstOutside(PG_QUERY__TOKEN__ON, from: position), on < end {
            if tokens.indices.contains(on + 1), tokens[on + 1].kind == PG_QUERY__TOKEN__CONFLICT { end = on }
            position = on + 1
        }
        return range(start, end)
    }

    private func range(_ first: Int, _ end: Int) -> Range<Int>? {
        guard first < end, end <= tokens.count else { return nil }
        return tokens[first].range.lowerBound..<tokens[end - 1].range.upperBound
    }
}

extension StatementClassifier {
    /// The classifier of the statement inside that stands at `range`; itself if that was not found.
    func inner(_ range: Range<Int>?, isExplained: Bool? = nil) -> StatementClassifier {
        range.map { StatementClassifier(context: context.narrowed(to: $0, isExplained: isExplained)) } ?? self
    }
}
