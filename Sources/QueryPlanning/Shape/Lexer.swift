// Lexer: PostgreSQL's tokens, found in one pass over bytes that stay where they are. It allocates nothing and reads
// nothing outside the text, whatever the text holds.
//
// It draws the same token borders as PostgreSQL 15's scanner with standard_conforming_strings on (manual, section 4.1;
// src/backend/parser/scan.l). What that scanner refuses is `invalid` here: the parser will find the words for it.
//
// Words and single punctuation are found here; the ends of all other tokens by LexerText, whose functions change nothing,
// so that the lexer's own state stays in registers.

/// Kinds of tokens.
enum TokenKind: UInt8 {
    case end
    /// An identifier or keyword without quotes.
    case word
    /// "..." or U&"..."
    case quotedIdentifier
    /// Digits only.
    case integer
    /// A number with a point or an exponent.
    case decimal
    /// '...'
    case string
    /// E'...'
    case escapeString
    /// B'...', X'...', N'...', U&'...', $$...$$
    case otherString
    /// $1
    case parameter
    case operation
    /// ( ) , ; [ ] . .. : :: :=
    case punctuation
    /// Something PostgreSQL's scanner refuses.
    case invalid
}

/// A reading position in SQL text; `next` moves it over one token.
struct Lexer {
    let text: LexerText
    /// Where the token that `next` found begins.
    var start = 0
    /// Where it ends, and where `next` goes on.
    var position = 0
    /// A comment begins with `pgbraid:`, an order to the proxy.
    var hasDirective = false

    /// - Parameter bytes: must stay in place while the lexer is in use.
    @inline(__always)
    init(_ bytes: UnsafeRawBufferPointer) { text = LexerText(bytes) }

    /// The first byte of the token.
    @inline(__always)
    var firstByte: UInt8 { text.base[start] }

    /// The token's length in bytes.
    @inline(__always)
    var length: Int { position &- start }

    /// Finds the next token, past white space and comments.
    @inline(__always)
    mutating func next() -> TokenKind {
        var offset = position
        while offset < text.count {
            let characterClass = CharacterClass.of(text.base[offset])
            if characterClass == CharacterClass.space {
                offset &+= 1
                continue
            }
            if characterClass == CharacterClass.operatorCharacter, text.beginsComment(at: offset) {
                hasDirective = hasDirective || text.beginsDirective(at: offset)
                let end = text.commentEnd(from: offset)
                if end < 0 { return found(.invalid, from: offset, to: text.count) }
                offset = end
                continue
            }
            if characterClass <= CharacterClass.capital {
                let end = text.wordEnd(from: offset &+ 1)
                if end &- offset > 1 || !text.isPrefixMark(at: end) { return found(.word, from: offset, to: end) }
            }
            let token = text.token(at: offset, characterClass)
            return found(token.kind, from: offset, to: token.end)
        }
        return found(.end, from: text.count, to: text.count)
    }

    @inline(__always)
    private mutating func found(_ kind: TokenKind, from start: Int, to end: Int) -> TokenKind {
        self.start = start
        position = end
        return kind
    }
}
