// StatementTokens: the tokens of one statement by PostgreSQL's own scanner, for splicing text. Off the hot path: used once
// for a plan that is kept.
import CPGQuery

struct StatementTokens {
    let tokens: [Token]
    private let bytes: [UInt8]
    private let start: Int

    /// - Throws: if the scanner does not take the text, which it did when it was parsed.
    init(_ context: AnalysisContext) throws(Refusal) { try self.init(context.statementText, start: context.range.lowerBound) }

    /// - Parameter start: where the statement begins in the whole text.
    init(_ text: String, start: Int = 0) throws(Refusal) {
        guard let tokens = Token.scan(text, start: start) else { throw Refusal("XX000", "the statement's tokens could not be read") }
        self.start = start
        self.tokens = tokens
        bytes = Array(text.utf8)
    }

    /// The text of a byte range.
    func text(_ range: Range<Int>) -> String {
        String(decoding: bytes[range.lowerBound - start..<range.upperBound - start], as: UTF8.self)
    }

    func text(_ token: Token) -> String { text(token.range) }

    /// A keyword behind AS or a point is a name: `RETURNING a AS values`. What begins a query is none, and stands behind AS in
    /// CREATE TABLE and PREPARE.
    private func isName(_ position: Int) -> Bool {
        guard position > 0, tokens[position].kind != PG_QUERY__TOKEN__ASCII_40 else { return false }
        let before = tokens[position - 1].kind
        return before == PG_QUERY__TOKEN__AS || before == PG_QUERY__TOKEN__ASCII_46
    }

    /// Index of the first token from `index` of this kind outside of all parentheses.
    func firstOutside(_ kind: PgQuery__Token, from index: Int = 0) -> Int? {
        var depth = 0
        for position in index..<max(index, tokens.count) {
            if depth == 0, tokens[position].kind == kind, !isName(position) { return position }
            depth += step(position)
        }
        return nil
    }

    /// Index of the parenthesis that closes the one at `open`.
    func closing(_ open: Int) -> Int? {
        var depth = 0
        for position in open..<tokens.count {
            depth += step(position)
            if depth == 0 { return position }
        }
        return nil
    }

    /// The texts between the commas inside the parentheses that open at `open`.
    func items(open: Int) -> [String]? {
        guard tokens.indices.contains(open), tokens[open].kind == PG_QUERY__TOKEN__ASCII_40, let close = closing(open) else {
            return nil
        }
        var items: [String] = []
        var first = open + 1
        var depth = 0
        for position in open + 1..<close {
            if depth == 0, tokens[position].kind == PG_QUERY__TOKEN__ASCII_44 {
                items.append(text(first, position))
                first = position + 1
            } else {
                depth += step(position)
            }
        }
        return first < close ? items + [text(first, close)] : items
    }

    /// The text of the tokens from `first` up to but without `last`.
    func text(_ first: Int, _ last: Int) -> String {
        text(tokens[first].range.lowerBound..<tokens[last - 1].range.upperBound)
    }

    private func step(_ position: Int) -> Int {
        switch tokens[position].kind {
        case PG_QUERY__TOKEN__ASCII_40, PG_QUERY__TOKEN__ASCII_91: 1
        case PG_QUERY__TOKEN__ASCII_41, PG_QUERY__TOKEN__ASCII_93: -1
        default: 0
        }
    }
}
