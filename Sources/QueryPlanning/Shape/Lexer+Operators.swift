// Numbers and operators, whose ends depend on more than one byte.

extension Lexer {
    /// A number that begins with a digit. A letter that follows at once is an error since PostgreSQL 15.
    @inline(__always)
    mutating func number() -> TokenKind {
        skipDigits()
        let follower = byte(at: position)
        if follower == UInt8(ascii: "."), byte(at: position + 1) != UInt8(ascii: ".") {
            position += 1
            return fraction()
        }
        return beginsIdentifier(at: position) ? exponent() : .integer
    }

    @inline(__always)
    private mutating func skipDigits() {
        while position < count, CharacterClass.of(base[position]) == CharacterClass.digit { position += 1 }
    }

    /// What follows the decimal point.
    mutating func fraction() -> TokenKind {
        skipDigits()
        return beginsIdentifier(at: position) ? exponent() : .decimal
    }

    private mutating func exponent() -> TokenKind {
        guard base[position] | 0x20 == UInt8(ascii: "e") else { return .invalid }
        position += 1
        let sign = byte(at: position)
        if sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { position += 1 }
        guard CharacterClass.of(byte(at: position)) == CharacterClass.digit else { return .invalid }
        skipDigits()
        return beginsIdentifier(at: position) ? .invalid : .decimal
    }

    /// The longest run of operator characters that holds no comment; a plus or minus at its end belongs to the operator
    /// only when a character stands before it that no SQL-standard operator has.
    ///
    /// Source: manual section 4.1.3; the rule `{operator}` of scan.l.
    @inline(__always)
    mutating func operation() -> TokenKind {
        position += 1
        guard CharacterClass.of(byte(at: position)) == CharacterClass.operatorCharacter else { return .operation }
        return longOperation()
    }

    @inline(never)
    private mutating func longOperation() -> TokenKind {
        var holdsSpecial = isSpecial(base[start])
        // The end of the operator when it must not end in plus or minus.
        var endWithoutSign = start + 1
        while position < count, CharacterClass.of(base[position]) == CharacterClass.operatorCharacter {
            if beginsComment(at: position) { break }
            let byte = base[position]
            position += 1
            if holdsSpecial || (byte != UInt8(ascii: "+") && byte != UInt8(ascii: "-")) { endWithoutSign = position }
            holdsSpecial = holdsSpecial || isSpecial(byte)
        }
        position = endWithoutSign
        // NAMEDATALEN: PostgreSQL says "operator too long".
        return position - start < 64 ? .operation : .invalid
    }

    private func isSpecial(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "~"), UInt8(ascii: "!"), UInt8(ascii: "@"), UInt8(ascii: "#"), UInt8(ascii: "^"), UInt8(ascii: "&"),
            UInt8(ascii: "|"), UInt8(ascii: "`"), UInt8(ascii: "?"), UInt8(ascii: "%"):
            true
        default: false
        }
    }
}
