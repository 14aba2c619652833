// LexerText: the bytes a lexer reads, with the questions it asks of single places. All answers about ends of tokens are
// offsets behind them; -1 says that PostgreSQL's scanner would refuse the token.

/// SQL text in memory.
struct LexerText {
    let base: UnsafePointer<UInt8>
    let count: Int

    @inline(__always)
    init(_ bytes: UnsafeRawBufferPointer) {
        if let address = bytes.baseAddress {
            base = address.assumingMemoryBound(to: UInt8.self)
            count = bytes.count
        } else {
            base = StaticString("").utf8Start
            count = 0
        }
    }

    /// The byte at `offset`; zero behind the text.
    @inline(__always)
    func byte(at offset: Int) -> UInt8 { offset < count ? base[offset] : 0 }

    @inline(__always)
    func isDigit(at offset: Int) -> Bool { byte(at: offset) &- UInt8(ascii: "0") < 10 }

    @inline(__always)
    func isSpace(at offset: Int) -> Bool { CharacterClass.of(byte(at: offset)) == CharacterClass.space }

    @inline(__always)
    func beginsIdentifier(at offset: Int) -> Bool {
        offset < count && CharacterClass.of(base[offset]) <= CharacterClass.capital
    }

    /// Whether a letter before this place may be the prefix of a string.
    @inline(__always)
    func isPrefixMark(at offset: Int) -> Bool {
        let byte = byte(at: offset)
        return byte == UInt8(ascii: "'") || byte == UInt8(ascii: "&")
    }

    /// A token other than a common word: what it is and where it ends.
    /// - Parameter characterClass: of the byte at `offset`, which begins no comment and is no space.
    @inline(never)
    func token(at offset: Int, _ characterClass: UInt8) -> (kind: TokenKind, end: Int) {
        let token = uncheckedToken(at: offset, characterClass)
        return token.end < 0 ? (.invalid, count) : token
    }

    @inline(__always)
    private func uncheckedToken(at offset: Int, _ characterClass: UInt8) -> (kind: TokenKind, end: Int) {
        switch characterClass {
        case CharacterClass.punctuation: punctuation(at: offset)
        case CharacterClass.digit: number(at: offset)
        case CharacterClass.operatorCharacter: (.operation, operationEnd(from: offset))
        case CharacterClass.quote: (.string, stringEnd(quote: offset))
        case CharacterClass.doubleQuote: (.quotedIdentifier, quotedIdentifierEnd(quote: offset))
        case CharacterClass.letter, CharacterClass.capital: prefixed(from: offset)
        case CharacterClass.dollar where isDigit(at: offset + 1): (.parameter, parameterEnd(from: offset))
        case CharacterClass.dollar: (.otherString, dollarStringEnd(from: offset))
        default: (.invalid, -1)
        }
    }

    /// `,` and its like; the dot may begin a number, and dots and colons come in pairs.
    @inline(__always)
    private func punctuation(at offset: Int) -> (kind: TokenKind, end: Int) {
        let byte = base[offset]
        let second = self.byte(at: offset + 1)
        if byte == UInt8(ascii: "."), isDigit(at: offset + 1) { return (.decimal, fractionEnd(from: offset + 1)) }
        let isPair = second == byte && (byte == UInt8(ascii: ".") || byte == UInt8(ascii: ":"))
        let isAssignment = byte == UInt8(ascii: ":") && second == UInt8(ascii: "=")
        return (.punctuation, isPair || isAssignment ? offset + 2 : offset + 1)
    }

    @inline(__always)
    private func number(at offset: Int) -> (kind: TokenKind, end: Int) {
        let integerEnd = digitsEnd(from: offset)
        guard self.byte(at: integerEnd) == UInt8(ascii: ".") || beginsIdentifier(at: integerEnd) else {
            return (.integer, integerEnd)
        }
        let end = numberEnd(digitsEnd: integerEnd)
        return (end == integerEnd ? .integer : .decimal, end)
    }

    /// The first place from `offset` on that cannot continue an identifier. Eight bytes at a time where the text has them.
    @inline(__always)
    func wordEnd(from offset: Int) -> Int {
        var offset = offset
        while offset &+ 8 <= count {
            let stops = Self.stops(UnsafeRawPointer(base + offset).loadUnaligned(as: UInt64.self).littleEndian)
            if stops != 0 { return offset &+ stops.trailingZeroBitCount >> 3 }
            offset &+= 8
        }
        while offset < count, CharacterClass.of(base[offset]) <= CharacterClass.lastIdentifierClass { offset &+= 1 }
        return offset
    }

    /// The high bit of each of eight bytes that cannot continue an identifier.
    @inline(__always)
    private static func stops(_ bytes: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let low = bytes & (ones &* 0x7F)
        // a to z and A to Z fall together; so do no others that matter ( @ [ \ ] ^ fall on ` { | } ~ ).
        let folded = low | (ones &* 0x20)
        let letters = (folded &+ ones &* (0x80 - 0x61)) & ~(folded &+ ones &* (0x7F - 0x7A))
        let digits = (low &+ ones &* (0x80 - 0x30)) & ~(low &+ ones &* (0x7F - 0x39))
        let underscores = ~((low ^ (ones &* 0x5F)) &+ ones &* 0x7F)
        let dollars = ~((low ^ (ones &* 0x24)) &+ ones &* 0x7F)
        return ~(letters | digits | underscores | dollars | bytes) & (ones &* 0x80)
    }

    @inline(__always)
    func digitsEnd(from offset: Int) -> Int {
        var offset = offset
        while offset < count, base[offset] &- UInt8(ascii: "0") < 10 { offset &+= 1 }
        return offset
    }
}
