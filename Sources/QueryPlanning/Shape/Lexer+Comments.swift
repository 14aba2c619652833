// White space that is more than blanks: comments, and the gap between the pieces of one string.

extension Lexer {
    @inline(__always)
    func beginsComment(at offset: Int) -> Bool {
        let follower = byte(at: offset + 1)
        switch base[offset] {
        case UInt8(ascii: "-"): return follower == UInt8(ascii: "-")
        case UInt8(ascii: "/"): return follower == UInt8(ascii: "*")
        default: return false
        }
    }

    /// Moves over the comment at `position`; false when it does not end. Comments with `/*` nest.
    @inline(never)
    mutating func skipComment() -> Bool {
        if base[position] == UInt8(ascii: "-") {
            skipLine()
            return true
        }
        hasDirective = hasDirective || holdsDirective(from: position + 2)
        position += 2
        var depth = 1
        while position < count {
            let pair = (base[position], byte(at: position + 1))
            position += 1
            if pair == (UInt8(ascii: "/"), UInt8(ascii: "*")) {
                depth += 1
                position += 1
            } else if pair == (UInt8(ascii: "*"), UInt8(ascii: "/")) {
                depth -= 1
                position += 1
                if depth == 0 { return true }
            }
        }
        return false
    }

    private mutating func skipLine() {
        while position < count, base[position] != UInt8(ascii: "\n"), base[position] != UInt8(ascii: "\r") { position += 1 }
    }

    /// Whether a comment's text, from `offset`, begins with `pgbraid:`.
    private func holdsDirective(from offset: Int) -> Bool {
        var offset = offset
        while offset < count, CharacterClass.of(base[offset]) == CharacterClass.space { offset += 1 }
        let name: StaticString = "pgbraid:"
        for index in 0..<name.utf8CodeUnitCount where byte(at: offset + index) != name.utf8Start[index] { return false }
        return true
    }

    /// Whether the string that has just ended goes on: white space with a line break, `--` comments, then a quote.
    /// Moves behind that quote.
    ///
    /// Source: `quotecontinue` of scan.l.
    mutating func continuesString() -> Bool {
        let end = position
        var sawLineBreak = false
        while position < count {
            let byte = base[position]
            if CharacterClass.of(byte) == CharacterClass.space {
                sawLineBreak = sawLineBreak || byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
                position += 1
            } else if byte == UInt8(ascii: "-"), beginsComment(at: position) {
                skipLine()
            } else if byte == UInt8(ascii: "'"), sawLineBreak {
                position += 1
                return true
            } else {
                break
            }
        }
        position = end
        return false
    }
}
