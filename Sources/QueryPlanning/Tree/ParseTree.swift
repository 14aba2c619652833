// ParseTree: the text of one Query or Parse message, parsed by PostgreSQL's own grammar (libpg_query).
//
// libpg_query answers with a serialised tree, which is unpacked into C structs and walked in place. The tree is freed with
// this object. The caller bounds the text's length and the depth of nesting, and provides a stack for them.
import CPGQuery

/// One statement of the text.
struct RawStatement {
    let node: Node
    /// Byte range in the text, without the semicolon; may begin and end with white space and comments.
    let range: Range<Int>
}

/// An unpacked parse tree, freed with the object.
final class ParseTree {
    private let result: Message<PgQuery__ParseResult>
    let text: String
    let statements: [RawStatement]

    /// Parses the whole text.
    /// - Throws: Refusal with SQLSTATE 42601 and PostgreSQL's own message when the grammar does not accept the text.
    init(_ text: String) throws(Refusal) {
        self.text = text
        let parsed = pg_query_parse_protobuf(text)
        defer { pg_query_free_protobuf_parse_result(parsed) }
        if let error = parsed.error { throw ParseTree.refusal(error.pointee) }
        guard let data = parsed.parse_tree.data,
            let result = data.withMemoryRebound(
                to: UInt8.self, capacity: parsed.parse_tree.len,
                { pg_query__parse_result__unpack(nil, parsed.parse_tree.len, $0) })
        else { throw Refusal("XX000", "the parse tree could not be read") }
        self.result = result
        self.statements = ParseTree.statements(result, text)
    }

    deinit { pg_query__parse_result__free_unpacked(result, nil) }

    private static func statements(_ result: Message<PgQuery__ParseResult>, _ text: String) -> [RawStatement] {
        let length = text.utf8.count
        return (0..<result.pointee.n_stmts).compactMap { index in
            guard let raw = result.pointee.stmts[index], let node = Node(raw.pointee.stmt) else { return nil }
            let start = Int(raw.pointee.stmt_location)
            let end = raw.pointee.stmt_len == 0 ? length : start + Int(raw.pointee.stmt_len)
            return RawStatement(node: node, range: start..<min(end, length))
        }
    }

    private static func refusal(_ error: PgQueryError) -> Refusal {
        Refusal("42601", error.message.map { String(cString: $0) } ?? "syntax error", position: Int(error.cursorpos))
    }
}
