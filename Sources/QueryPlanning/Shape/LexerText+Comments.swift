// White space that is more than blanks: comments, and the gap between the pieces of one string.

extension LexerText {
    @inline(__always)
    func beginsComment(at offset: Int) -> Bool {
        let follower = byte(at: offset + 1)
        switch base[offset] {
        case UInt8(ascii: "-"): return follower == UInt8(ascii: "-")
        case UInt8(ascii: "/"): return follower == UInt8(ascii: "*")
        default: return false
        }
    }

    /// The end of the comment at `offset`. Comments with `/*` nest.
    @inline(never)
    func commentEnd(from offset: Int) -> Int {
        if base[offset] == UInt8(ascii: "-") { return lineEnd(from: offset) }
        var offset = offset + 2
        var depth = 1
        while offset < count {
            let pair = (base[offset], byte(at: offset + 1))
            offset += 1
            if pair == (UInt8(ascii: "/"), UInt8(ascii: "*")) {
                depth += 1
                offset += 1
            } else if pair == (UInt8(ascii: "*"), UInt8(ascii: "/")) {
                depth -= 1
                offset += 1
                if depth == 0 { return offset }
            }
        }
        return -1
    }

    private func lineEnd(from offset: Int) -> Int {
        var offset = offset
        while offset < count, base[offset] != UInt8(ascii: "\n"), base[offset] != UInt8(ascii: "\r") { offset += 1 }
        return offset
    }

    /// Whether the comment at `offset` is `/* pgbraid: ...`.
    @inline(never)
    func beginsDirective(at offset: Int) -> Bool {
        guard base[offset] == UInt8(ascii: "/") else { return false }
        var offset = offset + 2
        while isSpace(at: offset) { offset += 1 }
        let name: StaticString = "pgbraid:"
        for index in 0..<name.utf8CodeUnitCount where byte(at: offset + index) != name.utf8Start[index] { return false }
        return true
    }

    /// Where a string that has ended at `offset` goes on, behind the quote that opens its next piece: white space with a
    /// line break and `--` comments may lie between. -1: it does not go on.
    ///
    /// Source: `quotecontinue` of scan.l.
    @inline(never)
    func continuedString(from offset: Int) -> Int {
        var offset = offset
        var sawLineBreak = false
        while offset < count {
            let byte = base[offset]
            if isSpace(at: offset) {
                sawLineBreak = sawLineBreak || byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
                offset += 1
            } else if byte == UInt8(ascii: "-"), beginsComment(at: offset) {
                offset = lineEnd(from: offset)
            } else {
                return byte == UInt8(ascii: "'") && sawLineBreak ? offset + 1 : -1
            }
        }
        return -1
    }
}
