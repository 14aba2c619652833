// Token: one token of a statement's text, by PostgreSQL's own scanner.
import CPGQuery

/// One token of the text.
struct Token {
    /// Byte range in the whole text.
    let range: Range<Int>
    let kind: PgQuery__Token

    /// The tokens of a text without its comments.
    /// - Parameter start: where the text begins in the whole one.
    /// - Returns: nil when the scanner fails, which it cannot for a text that was parsed.
    static func scan(_ text: String, start: Int) -> [Token]? {
        let result = pg_query_scan(text)
        defer { pg_query_free_scan_result(result) }
        guard result.error == nil, let data = result.pbuf.data,
            let scan = data.withMemoryRebound(
                to: UInt8.self, capacity: result.pbuf.len, { pg_query__scan_result__unpack(nil, result.pbuf.len, $0) })
        else { return nil }
        defer { pg_query__scan_result__free_unpacked(scan, nil) }
        let found = (0..<scan.pointee.n_tokens).compactMap { scan.pointee.tokens[$0]?.pointee }
        var tokens: [Token] = []
        for (index, token) in found.enumerated() where !isComment(token.token) {
            let begin = Int(token.start)
            var end = Int(token.end)
            if hasNoEnd(token.token) {
                end = self.end(of: begin, before: index + 1 < found.count ? Int(found[index + 1].start) : text.utf8.count, text)
            }
            tokens.append(Token(range: start + begin..<start + end, kind: token.token))
        }
        return tokens
    }

    private static func isComment(_ kind: PgQuery__Token) -> Bool {
        kind == PG_QUERY__TOKEN__SQL_COMMENT || kind == PG_QUERY__TOKEN__C_COMMENT
    }

    /// The scanner does not tell where U&'...' and U&"..." end.
    private static func hasNoEnd(_ kind: PgQuery__Token) -> Bool { kind == PG_QUERY__TOKEN__USCONST || kind == PG_QUERY__TOKEN__UIDENT }

    /// The end of a token that only white space separates from what follows it.
    private static func end(of begin: Int, before next: Int, _ text: String) -> Int {
        let bytes = text.utf8.dropFirst(begin).prefix(next - begin)
        return begin + (bytes.lastIndex { !($0 == 0x20 || (0x09...0x0D).contains($0)) }.map { bytes.distance(from: bytes.startIndex, to: $0) + 1 } ?? 0)
    }
}
