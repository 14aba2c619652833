// Directives: what a client tells the proxy about one statement, in a comment in front of it: /* pgbraid: shard=2 */ SELECT ..., or
// /* pgbraid: idempotency_key=pay_17 */ BEGIN

/// The directives of a text.
struct Directives: Equatable {
    /// The shard that the statement is for.
    var shard: Int?
    /// The key of the request that the statement is, or begins.
    var idempotencyKey: String?

    var isEmpty: Bool { shard == nil && idempotencyKey == nil }

    static let severalStatements = Refusal(
        "0A000", "a comment with an order to the proxy is for one statement", hint: "Send the statements in messages of their own.")
    private static let forms = "/* pgbraid: shard=NUMBER */ or /* pgbraid: idempotency_key=KEY */."

    /// Reads the comments before the first token.
    /// - Throws: 42601 for a directive that is not known, has no such value, or stands elsewhere: nobody shall think that it was heeded.
    init(_ text: String) throws(Refusal) {
        var text = text
        let found = text.withUTF8 { Self.scan(UnsafeRawBufferPointer($0)) }
        if let place = found.misplaced {
            throw Refusal("42601", "a comment with an order to the proxy must stand in front of the statement", hint: "/* pgbraid: shard=NUMBER */ SELECT ...", position: place + 1)
        }
        for body in found.bodies {
            for word in body.split(separator: ",") { try read(word.split(separator: "=", maxSplits: 1).map(Self.trimmed)) }
        }
    }

    private static func trimmed(_ word: Substring) -> String {
        word.split { " \t\n\r\u{B}\u{C}".contains($0) }.joined(separator: " ")
    }

    private mutating func read(_ words: [String]) throws(Refusal) {
        if words.count == 2, words[0] == IdempotencyKey.directiveName, idempotencyKey == nil, !words[1].contains(" ") {
            try IdempotencyKey.check(words[1])
            idempotencyKey = words[1]
            return
        }
        guard words.count == 2, words[0] == "shard", let number = Int(words[1]), number >= 0, shard == nil else {
            throw Refusal(
                "42601", "a comment with an order to the proxy is not understood: \"\(words.joined(separator: "="))\"", hint: Self.forms, position: 1)
        }
        shard = number
    }

    /// The bodies of the directives in front, behind their mark, and where in the text another one stands.
    private static func scan(_ bytes: UnsafeRawBufferPointer) -> (bodies: [String], misplaced: Int?) {
        var lexer = Lexer(bytes)
        var bodies: [String] = []
        let kind = lexer.next()
        if lexer.hasDirective {
            var offset = 0
            while offset < lexer.start {
                if lexer.text.isSpace(at: offset) { offset += 1; continue }
                let end = lexer.text.commentEnd(from: offset)
                guard end > offset else { break }
                if lexer.text.beginsDirective(at: offset) {
                    let body = String(decoding: bytes[offset..<max(offset, end - 2)], as: UTF8.self)
                    bodies.append(body.firstRange(of: "pgbraid:").map { String(body[$0.upperBound...]) } ?? "")
                }
                offset = end
            }
        }
        guard kind != .end, kind != .invalid else { return (bodies, nil) }
        lexer.hasDirective = false
        var before = lexer.position
        while true {
            let kind = lexer.next()
            if lexer.hasDirective { return (bodies, before) }
            if kind == .end || kind == .invalid { return (bodies, nil) }
            before = lexer.position
        }
    }
}
