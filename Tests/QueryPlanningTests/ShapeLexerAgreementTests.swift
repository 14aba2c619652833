// The lexer against PostgreSQL's own scanner (libpg_query's pg_query_scan), on texts that nobody thought of.
import CPGQuery
import Primitives
import Testing

@testable import QueryPlanning

@Suite struct ShapeLexerAgreementTests {
    static let pieces = [
        "select", "E", "e'", "'", "''", "\"", "\"a\"", "U&", "u&'", "x'1f'", "b'01'", "n'", "$", "$1", "$$", "$a$", "1",
        "1.5", ".5", "1.", "1e",
        "e5", "+", "-", "--", "/*", "*/", "/", "*", "=", "<", ">", "!", "@", "#", "~", "|", "&", "^", "%", "?", "`",
        ":", "::", ":=", ".", "..", ",",
        ";", "(", ")", "[", "]", " ", "\n", "\t", "\r", "é", "_", "\\", "{", "a", "B", "0", "\u{0B}", "\u{0C}",
        "\u{7F}", "'a'", "=-", "<>", "$1a",
    ]

    /// Token borders by libpg_query, comments left out; nil where the scanner refuses the text.
    private func reference(_ text: String) -> [Range<Int>]? {
        let scan = pg_query_scan(text)
        defer { pg_query_free_scan_result(scan) }
        guard scan.error == nil else { return nil }
        guard let data = scan.pbuf.data else { return [] }
        let unpacked = data.withMemoryRebound(to: UInt8.self, capacity: scan.pbuf.len) {
            pg_query__scan_result__unpack(nil, scan.pbuf.len, $0)
        }
        guard let result = unpacked else { return scan.pbuf.len == 0 ? [] : nil }
        defer { pg_query__scan_result__free_unpacked(result, nil) }
        return (0..<result.pointee.n_tokens).compactMap { index in
            guard let token = result.pointee.tokens[index]?.pointee else { return nil }
            if token.token == PG_QUERY__TOKEN__SQL_COMMENT || token.token == PG_QUERY__TOKEN__C_COMMENT { return nil }
            return Int(token.start)..<Int(token.end)
        }
    }

    /// Token borders by the lexer; nil where it refuses the text. The N of N'...' is a token of its own for PostgreSQL.
    private func own(_ text: [UInt8]) -> [Range<Int>]? {
        text.withUnsafeBytes { bytes in
            var lexer = Lexer(bytes)
            var result: [Range<Int>] = []
            while true {
                let kind = lexer.next()
                if kind == .end { return result }
                if kind == .invalid { return nil }
                if kind == .otherString, lexer.firstByte | 0x20 == UInt8(ascii: "n") {
                    result.append(lexer.start..<lexer.start + 1)
                    lexer.start += 1
                }
                result.append(lexer.start..<lexer.position)
            }
        }
    }

    @Test func bordersAreThoseOfPostgreSQLsScanner() {
        let random = SeededRandomSource(seed: 42)
        var agreed = 0
        for round in 0..<60_000 {
            var text = ""
            for _ in 0...(random.next() % (round % 2 == 0 ? 6 : 16)) {
                text += Self.pieces[Int(random.next() % UInt64(Self.pieces.count))]
            }
            // pg_query_scan gives wrong ends for U&"" and U&''.
            let lowered = text.lowercased()
            guard !lowered.contains("u&'"), !lowered.contains("u&\""), let expected = reference(text) else { continue }
            let bytes = Array(text.utf8)
            guard let found = own(bytes) else {
                // Single characters that begin no token go on to the parser there, which refuses them.
                #expect(text.contains { "\u{0B}\u{7F}\\{$".contains($0) }, "\(text.debugDescription)")
                continue
            }
            #expect(found == expected, "\(text.debugDescription)")
            agreed += 1
        }
        #expect(agreed > 20_000)
    }

    @Test func whatPostgreSQLsScannerRefusesHasNoShapeOrOnlyBadEscapes() {
        let random = SeededRandomSource(seed: 43)
        var refused = 0
        for _ in 0..<30_000 {
            var text = ""
            for _ in 0...(random.next() % 10) { text += Self.pieces[Int(random.next() % UInt64(Self.pieces.count))] }
            guard reference(text) == nil else { continue }
            refused += 1
            #expect(
                own(Array(text.utf8)) == nil || text.contains("&") || text.contains("\\") || text.contains("\""),
                "\(text.debugDescription)")
        }
        #expect(refused > 5_000)
    }
}
