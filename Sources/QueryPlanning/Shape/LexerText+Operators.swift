// The ends of numbers, parameters and operators, which depend on more than one byte.

extension LexerText {
    /// The end of a number whose digits have ended. A letter that follows at once is an error since PostgreSQL 15.
    @inline(never)
    func numberEnd(digitsEnd: Int) -> Int {
        if byte(at: digitsEnd) == UInt8(ascii: ".") {
            // 1..2 is a range.
            return byte(at: digitsEnd + 1) == UInt8(ascii: ".") ? digitsEnd : fractionEnd(from: digitsEnd + 1)
        }
        return exponentEnd(from: digitsEnd)
    }

    /// The end of a number from behind its point.
    func fractionEnd(from offset: Int) -> Int {
        let end = digitsEnd(from: offset)
        return beginsIdentifier(at: end) ? exponentEnd(from: end) : end
    }

    private func exponentEnd(from offset: Int) -> Int {
        guard base[offset] | 0x20 == UInt8(ascii: "e") else { return -1 }
        let sign = byte(at: offset + 1)
        let digits = sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") ? offset + 2 : offset + 1
        let end = digitsEnd(from: digits)
        return end == digits || beginsIdentifier(at: end) ? -1 : end
    }

    /// The end of $1.
    @inline(__always)
    func parameterEnd(from dollar: Int) -> Int {
        let end = digitsEnd(from: dollar + 1)
        return beginsIdentifier(at: end) ? -1 : end
    }

    /// The longest run of operator characters that holds no comment; a plus or minus at its end belongs to the operator
    /// only when a character stands before it that no SQL-standard operator has.
    ///
    /// Source: manual section 4.1.3; the rule `{operator}` of scan.l.
    @inline(__always)
    func operationEnd(from offset: Int) -> Int {
        let isLong = CharacterClass.of(byte(at: offset + 1)) == CharacterClass.operatorCharacter
        return isLong ? longOperationEnd(from: offset) : offset + 1
    }

    @inline(never)
    private func longOperationEnd(from start: Int) -> Int {
        var offset = start + 1
        var holdsSpecial = Self.isSpecial(base[start])
        // The end of the operator when it must not end in plus or minus.
        var end = offset
        while offset < count, CharacterClass.of(base[offset]) == CharacterClass.operatorCharacter,
            !beginsComment(at: offset)
        {
            let byte = base[offset]
            offset += 1
            if holdsSpecial || (byte != UInt8(ascii: "+") && byte != UInt8(ascii: "-")) { end = offset }
            holdsSpecial = holdsSpecial || Self.isSpecial(byte)
        }
        // NAMEDATALEN: PostgreSQL says "operator too long".
        return end - start < 64 ? end : -1
    }

    private static func isSpecial(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "~"), UInt8(ascii: "!"), UInt8(ascii: "@"), UInt8(ascii: "#"), UInt8(ascii: "^"),
            UInt8(ascii: "&"),
            UInt8(ascii: "|"), UInt8(ascii: "`"), UInt8(ascii: "?"), UInt8(ascii: "%"):
            true
        default: false
        }
    }
}
