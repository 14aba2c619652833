// StatementTokens: the tokens of one statement by PostgreSQL's own scanner, for splicing text. Off the hot path: used once
// for a plan that is kept.
import CPGQuery

struct StatementTokens {
    struct Token {
        /// Byte range in the whole text.
        var range: Range<Int>
        var kind: PgQuery__Token
    }

    let tokens: [Token]
    private let bytes: [UInt8]
    private let start: Int

    /// - Throws: if the scanner does not take the text, which it did when it was parsed.
    init(_ context: AnalysisContext) throws(Refusal) { try self.init(context.statementText, start: context.range.lowerBound) }

    /// - Parameter start: where the statement begins in the whole text.
    init(_ text: String, start: Int = 0) throws(Refusal) {
        let result = pg_query_scan(text)
        defer { pg_query_free_scan_result(result) }
        guard result.error == nil, let data = result.pbuf.data,
            let scan = data.withMemoryRebound(
                to: UInt8.self, capacity: result.pbuf.len, { pg_query__scan_result__unpack(nil, result.pbuf.len, $0) })
        else { throw Refusal("XX000", "the statement's tokens could not be read") }
        defer { pg_query__scan_result__free_unpacked(scan, nil) }
        self.start = start
        bytes = Array(text.utf8)
        tokens = Self.tokens(scan, offset: start)
    }

    private static func tokens(_ scan: Message<PgQuery__ScanResult>, offset: Int) -> [Token] {
        (0..<scan.pointee.n_tokens).compactMap { index in
            guard let token = scan.pointee.tokens[index]?.pointee,
                token.token != PG_QUERY__TOKEN__SQL_COMMENT, token.token != PG_QUERY__TOKEN__C_COMMENT
            else { return nil }
            return Token(range: Int(token.start) + offset..<Int(token.end) + offset, kind: token.token)
        }
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
