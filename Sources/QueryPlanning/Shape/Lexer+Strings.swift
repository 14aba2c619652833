// Strings and quoted identifiers. All begin with `position` at their quote and end with it behind their last one.

extension Lexer {
    /// A token between quotes in which a doubled quote is one; strings may go on after a line break.
    @inline(__always)
    mutating func quoted(_ quote: UInt8, as kind: TokenKind) -> TokenKind {
        position += 1
        while position < count {
            let byte = base[position]
            position += 1
            guard byte == quote else { continue }
            if self.byte(at: position) == quote {
                position += 1
            } else if quote == UInt8(ascii: "\"") || !mayContinue || !continuesString() {
                // "" is no identifier.
                return kind == .quotedIdentifier && position - start == 2 ? .invalid : kind
            }
        }
        return .invalid
    }

    /// A quick test before the careful one: only white space and a comment can lie between the pieces of a string.
    @inline(__always)
    private var mayContinue: Bool {
        let byte = byte(at: position)
        return CharacterClass.of(byte) == CharacterClass.space || byte == UInt8(ascii: "-")
    }

    /// E'...': a backslash takes the next byte with it.
    mutating func escapeString() -> TokenKind {
        position += 1
        while position < count {
            let byte = base[position]
            position += 1
            if byte == UInt8(ascii: "\\") {
                position += 1
            } else if byte == UInt8(ascii: "'") {
                if self.byte(at: position) == UInt8(ascii: "'") {
                    position += 1
                } else if !mayContinue || !continuesString() {
                    return .escapeString
                }
            }
        }
        position = count
        return .invalid
    }

    /// A parameter, a dollar-quoted string, or a stray dollar.
    @inline(__always)
    mutating func dollar() -> TokenKind {
        position += 1
        guard CharacterClass.of(byte(at: position)) == CharacterClass.digit else { return dollarString() }
        while CharacterClass.of(byte(at: position)) == CharacterClass.digit { position += 1 }
        return beginsIdentifier(at: position) ? .invalid : .parameter
    }

    @inline(__always)
    func beginsIdentifier(at offset: Int) -> Bool {
        offset < count && CharacterClass.of(base[offset]) <= CharacterClass.capital
    }

    /// $tag$...$tag$; `position` is behind the first dollar.
    @inline(never)
    private mutating func dollarString() -> TokenKind {
        if beginsIdentifier(at: position) {
            while position < count, CharacterClass.of(base[position]) <= CharacterClass.digit { position += 1 }
        }
        guard byte(at: position) == UInt8(ascii: "$") else { return .invalid }
        position += 1
        let length = position - start
        while position < count {
            if base[position] == UInt8(ascii: "$"), repeatsTag(length, at: position) {
                position += length
                return .otherString
            }
            position += 1
        }
        return .invalid
    }

    /// Whether the first `length` bytes of the token stand again at `offset`.
    private func repeatsTag(_ length: Int, at offset: Int) -> Bool {
        guard offset + length <= count else { return false }
        for index in 0..<length where base[start + index] != base[offset + index] { return false }
        return true
    }
}
