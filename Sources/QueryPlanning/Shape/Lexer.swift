// Lexer: PostgreSQL's tokens, found in one pass over bytes that stay where they are. It allocates nothing and reads
// nothing outside the text, whatever the text holds.
//
// It draws the same token borders as PostgreSQL 15's scanner with standard_conforming_strings on (manual, section 4.1;
// src/backend/parser/scan.l). What that scanner refuses is `invalid` here: the parser will find the words for it.

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
    let base: UnsafePointer<UInt8>
    let count: Int
    /// Where the token that `next` found begins.
    var start = 0
    /// Where it ends, and where `next` goes on.
    var position = 0
    /// A comment begins with `pgbraid:`, an order to the proxy.
    var hasDirective = false

    /// - Parameter text: must stay in place while the lexer is in use.
    @inline(__always)
    init(_ text: UnsafeRawBufferPointer) {
        if let address = text.baseAddress {
            base = address.assumingMemoryBound(to: UInt8.self)
            count = text.count
        } else {
            base = UnsafePointer(StaticString("").utf8Start)
            count = 0
        }
    }

    /// The byte at `offset`; zero outside the text.
    @inline(__always)
    func byte(at offset: Int) -> UInt8 { offset < count ? base[offset] : 0 }

    /// Finds the next token, past white space and comments.
    @inline(__always)
    mutating func next() -> TokenKind {
        while position < count {
            start = position
            switch CharacterClass.of(base[position]) {
            case CharacterClass.space: position += 1
            case CharacterClass.letter, CharacterClass.capital: return word()
            case CharacterClass.digit: return number()
            case CharacterClass.punctuation: return punctuation()
            case CharacterClass.quote: return quoted(UInt8(ascii: "'"), as: .string)
            case CharacterClass.operatorCharacter:
                guard beginsComment(at: position) else { return operation() }
                guard skipComment() else { return .invalid }
            case CharacterClass.doubleQuote: return quoted(UInt8(ascii: "\""), as: .quotedIdentifier)
            case CharacterClass.dollar: return dollar()
            default: return .invalid
            }
        }
        start = count
        return .end
    }

    @inline(__always)
    private mutating func skipIdentifier() {
        while position < count, CharacterClass.of(base[position]) <= CharacterClass.lastIdentifierClass { position += 1 }
    }

    @inline(__always)
    private mutating func word() -> TokenKind {
        position += 1
        skipIdentifier()
        let follower = byte(at: position)
        if position == start + 1, follower == UInt8(ascii: "'") || follower == UInt8(ascii: "&") { return prefixed() }
        return .word
    }

    /// One letter before a quote or an ampersand: a prefix of a string or only a short word.
    @inline(never)
    private mutating func prefixed() -> TokenKind {
        let letter = base[start] | 0x20
        if base[position] == UInt8(ascii: "&") {
            guard letter == UInt8(ascii: "u") else { return .word }
            switch byte(at: position + 1) {
            case UInt8(ascii: "'"):
                position += 1
                return quoted(UInt8(ascii: "'"), as: .otherString)
            case UInt8(ascii: "\""):
                position += 1
                return quoted(UInt8(ascii: "\""), as: .quotedIdentifier)
            default: return .word
            }
        }
        switch letter {
        case UInt8(ascii: "e"): return escapeString()
        case UInt8(ascii: "b"), UInt8(ascii: "n"), UInt8(ascii: "x"): return quoted(UInt8(ascii: "'"), as: .otherString)
        default: return .word
        }
    }

    /// `,` and its like; the dot may begin a number, and dots and colons come in pairs.
    @inline(__always)
    private mutating func punctuation() -> TokenKind {
        let first = base[position]
        position += 1
        if first == UInt8(ascii: ".") {
            if CharacterClass.of(byte(at: position)) == CharacterClass.digit { return fraction() }
            if byte(at: position) == first { position += 1 }
        } else if first == UInt8(ascii: ":") {
            let second = byte(at: position)
            if second == first || second == UInt8(ascii: "=") { position += 1 }
        }
        return .punctuation
    }
}
