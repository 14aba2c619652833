// The ends of strings and quoted identifiers.

extension LexerText {
    /// The end of '...': a doubled quote is one (not in B'' and X''), and the string may go on after a line break.
    @inline(__always)
    func stringEnd(quote: Int, isBits: Bool = false) -> Int {
        var offset = quote + 1
        while offset < count {
            let byte = base[offset]
            offset += 1
            guard byte == UInt8(ascii: "'") else { continue }
            if self.byte(at: offset) == byte, !isBits {
                offset += 1
                continue
            }
            guard mayContinueString(at: offset) else { return offset }
            let continued = continuedString(from: offset)
            if continued < 0 { return offset }
            offset = continued
        }
        return -1
    }

    /// A quick test before the careful one: only white space and comments can lie between the pieces of a string.
    @inline(__always)
    private func mayContinueString(at offset: Int) -> Bool {
        isSpace(at: offset) || byte(at: offset) == UInt8(ascii: "-")
    }

    /// The end of E'...': a backslash takes the next byte with it.
    private func escapeStringEnd(quote: Int) -> Int {
        var offset = quote + 1
        while offset < count {
            let byte = base[offset]
            offset += 1
            if byte == UInt8(ascii: "\\") {
                offset += 1
            } else if byte == UInt8(ascii: "'") {
                if self.byte(at: offset) == byte {
                    offset += 1
                    continue
                }
                let continued = continuedString(from: offset)
                if continued < 0 { return offset }
                offset = continued
            }
        }
        return -1
    }

    /// The end of "...", which must not be empty.
    @inline(__always)
    func quotedIdentifierEnd(quote: Int) -> Int {
        var offset = quote + 1
        while offset < count {
            let byte = base[offset]
            offset += 1
            guard byte == UInt8(ascii: "\"") else { continue }
            if self.byte(at: offset) != byte { return offset == quote + 2 ? -1 : offset }
            offset += 1
        }
        return -1
    }

    /// One letter before a quote or an ampersand: a prefix of a string or only a short word.
    @inline(never)
    func prefixed(from offset: Int) -> (kind: TokenKind, end: Int) {
        let letter = base[offset] | 0x20
        let quote = offset + 1
        if base[quote] == UInt8(ascii: "&") {
            let second = byte(at: quote + 1)
            if letter == UInt8(ascii: "u"), second == UInt8(ascii: "'") {
                return (.otherString, stringEnd(quote: quote + 1))
            }
            if letter == UInt8(ascii: "u"), second == UInt8(ascii: "\"") {
                return (.quotedIdentifier, quotedIdentifierEnd(quote: quote + 1))
            }
            return (.word, quote)
        }
        switch letter {
        case UInt8(ascii: "e"): return (.escapeString, escapeStringEnd(quote: quote))
        case UInt8(ascii: "b"), UInt8(ascii: "x"): return (.otherString, stringEnd(quote: quote, isBits: true))
        case UInt8(ascii: "n"): return (.otherString, stringEnd(quote: quote))
        default: return (.word, quote)
        }
    }

    /// The end of $tag$...$tag$, whose first dollar is at `start`.
    @inline(never)
    func dollarStringEnd(from start: Int) -> Int {
        var offset = start + 1
        if beginsIdentifier(at: offset) {
            while offset < count, CharacterClass.of(base[offset]) <= CharacterClass.digit { offset += 1 }
        }
        guard byte(at: offset) == UInt8(ascii: "$") else { return -1 }
        offset += 1
        let length = offset - start
        while offset + length <= count {
            if base[offset] == UInt8(ascii: "$"), repeatsTag(start, length, at: offset) { return offset + length }
            offset += 1
        }
        return -1
    }

    private func repeatsTag(_ start: Int, _ length: Int, at offset: Int) -> Bool {
        for index in 0..<length where base[start + index] != base[offset + index] { return false }
        return true
    }
}
