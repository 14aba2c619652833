// TokenList: the tokens of a statement's text with their byte ranges, by PostgreSQL's own scanner. Rewriting cuts the
// client's text between tokens and never prints what it can keep.
import CPGQuery

/// The tokens of one statement.
struct TokenList {
    let tokens: [Token]

    /// - Returns: nil when the scanner fails, which it cannot for a text that was parsed.
    init?(_ context: AnalysisContext) {
        guard let tokens = Token.scan(context.statementText, start: context.range.lowerBound) else { return nil }
        self.tokens = tokens
    }

    subscript(index: Int) -> Token { tokens[index] }
    var count: Int { tokens.count }

    func kind(_ index: Int) -> PgQuery__Token? { tokens.indices.contains(index) ? tokens[index].kind : nil }

    /// The bytes from the first to the last token of a range of tokens.
    func bytes(_ range: Range<Int>) -> Range<Int> {
        range.isEmpty ? 0..<0 : tokens[range.lowerBound].range.lowerBound..<tokens[range.upperBound - 1].range.upperBound
    }

    /// The index of the token that starts at a byte.
    func index(startingAt offset: Int) -> Int? {
        var low = 0
        var high = tokens.count
        while low < high {
            let middle = (low + high) / 2
            if tokens[middle].range.lowerBound < offset { low = middle + 1 } else { high = middle }
        }
        return low < tokens.count && tokens[low].range.lowerBound == offset ? low : nil
    }

    static func opens(_ kind: PgQuery__Token) -> Bool { kind == PG_QUERY__TOKEN__ASCII_40 || kind == PG_QUERY__TOKEN__ASCII_91 }
    static func closes(_ kind: PgQuery__Token) -> Bool { kind == PG_QUERY__TOKEN__ASCII_41 || kind == PG_QUERY__TOKEN__ASCII_93 }

    /// The index of the parenthesis or bracket that closes the one at `index`.
    func closing(_ index: Int) -> Int? {
        guard tokens.indices.contains(index), Self.opens(tokens[index].kind) else { return nil }
        var depth = 0
        for position in index..<tokens.count {
            if Self.opens(tokens[position].kind) { depth += 1 }
            if Self.closes(tokens[position].kind) {
                depth -= 1
                if depth == 0 { return position }
            }
        }
        return nil
    }

    /// A keyword behind AS or a point is a name: `RETURNING a AS where`.
    func isName(_ index: Int) -> Bool { kind(index - 1) == PG_QUERY__TOKEN__AS || kind(index - 1) == PG_QUERY__TOKEN__ASCII_46 }

    /// The index of the first keyword of this kind outside of all parentheses.
    func firstOutside(_ kind: PgQuery__Token) -> Int? {
        var depth = 0
        for index in tokens.indices {
            if Self.opens(tokens[index].kind) { depth += 1 }
            if Self.closes(tokens[index].kind) { depth -= 1 }
            if depth == 0, tokens[index].kind == kind, !isName(index) { return index }
        }
        return nil
    }

    /// The last one before the token at `end`.
    func lastOutside(_ kind: PgQuery__Token, before end: Int) -> Int? {
        var depth = 0
        var found: Int?
        for index in 0..<min(end, tokens.count) {
            if Self.opens(tokens[index].kind) { depth += 1 }
            if Self.closes(tokens[index].kind) { depth -= 1 }
            if depth == 0, tokens[index].kind == kind, !isName(index) { found = index }
        }
        return found
    }

    /// Where the first WHEN [NOT] MATCHED of a MERGE stands.
    var firstMergeAction: Int? {
        tokens.indices.first { index in
            let next = kind(index + 1)
            return kind(index) == PG_QUERY__TOKEN__WHEN
                && (next == PG_QUERY__TOKEN__MATCHED || next == PG_QUERY__TOKEN__NOT && kind(index + 2) == PG_QUERY__TOKEN__MATCHED)
        }
    }

    /// Splits a range of tokens at its top-level commas.
    func items(_ range: Range<Int>) -> [Range<Int>] {
        guard !range.isEmpty else { return [] }
        var items: [Range<Int>] = []
        var depth = 0
        var start = range.lowerBound
        for index in range {
            let kind = tokens[index].kind
            if Self.opens(kind) { depth += 1 } else if Self.closes(kind) { depth -= 1 }
            if depth == 0, kind == PG_QUERY__TOKEN__ASCII_44 {
                items.append(start..<index)
                start = index + 1
            }
        }
        return items + [start..<range.upperBound]
    }
}
