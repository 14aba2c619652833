// CharacterClass: what a byte may begin in SQL text.
//
// The table is text, one letter a byte: a constant in the program's data that needs no initialisation, so that a
// look-up is a single load. The letters of what may continue an identifier are the smallest ones, and the one for
// capital letters is the only odd one among them.
//
// Source: the character classes of PostgreSQL 15, src/backend/parser/scan.l (`space`, `ident_start`, `ident_cont`,
// `self`, `op_chars`, `dolq_start`).

/// Lexical classes of bytes.
enum CharacterClass {
    /// a to z, underscore, and every byte of a character outside ASCII.
    static let letter = UInt8(ascii: "0")
    static let capital = UInt8(ascii: "1")
    static let digit = UInt8(ascii: "2")
    static let dollar = UInt8(ascii: "4")
    /// The greatest class that may continue an identifier.
    static let lastIdentifierClass = dollar
    static let space = UInt8(ascii: "6")
    static let operatorCharacter = UInt8(ascii: "7")
    /// ( ) , ; [ ] . :
    static let punctuation = UInt8(ascii: "8")
    static let quote = UInt8(ascii: "9")
    static let doubleQuote = UInt8(ascii: "A")
    /// Begins no token: control characters, braces, backslash.
    static let other = UInt8(ascii: "X")

    @inline(__always)
    static func of(_ byte: UInt8) -> UInt8 { table.utf8Start[Int(byte)] }

    @inline(__always)
    private static var table: StaticString {
        """
        XXXXXXXXX66X66XXXXXXXXXXXXXXXXXX\
        67A74779887787872222222222887777\
        7111111111111111111111111118X870\
        700000000000000000000000000X7X7X\
        00000000000000000000000000000000\
        00000000000000000000000000000000\
        00000000000000000000000000000000\
        00000000000000000000000000000000
        """
    }
}
