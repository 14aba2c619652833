// CharacterLimit: n of a varchar(n) sharding key. What is stored, and hashed, may be shorter than what was given.

/// The longest text that a varchar(n) column stores.
public struct CharacterLimit: Sendable, Equatable {
    /// n, in characters.
    public let maximumCharacters: Int
    /// True if the server's encoding has one byte a character; false for UTF-8.
    public let charactersAreBytes: Bool

    public init(maximumCharacters: Int, charactersAreBytes: Bool = false) {
        self.maximumCharacters = maximumCharacters
        self.charactersAreBytes = charactersAreBytes
    }

    /// - Parameter encoding: `server_encoding`.
    /// - Returns: nil for encodings with characters of several bytes other than UTF-8: those are not counted here.
    ///
    /// Source: PostgreSQL manual, 24.3.1, table of the character sets.
    public init?(maximumCharacters: Int, encoding: String) {
        let singleByteNames = ["LATIN", "ISO_8859_", "WIN", "KOI8", "SQL_ASCII"]
        let charactersAreBytes = singleByteNames.contains { encoding.hasPrefix($0) }
        guard charactersAreBytes || encoding == "UTF8" else { return nil }
        self.init(maximumCharacters: maximumCharacters, charactersAreBytes: charactersAreBytes)
    }

    /// `text` as the column stores it, without blanks beyond n characters; nil if it does not fit. O(bytes).
    ///
    /// Source: varchar_input in src/backend/utils/adt/varchar.c.
    public func stored(_ text: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard text.count > maximumCharacters else { return text }
        var end = 0
        var characters = 0
        while end < text.count {
            let startsCharacter = charactersAreBytes || text[end] & 0xC0 != 0x80
            if startsCharacter, characters == maximumCharacters { break }
            if startsCharacter { characters += 1 }
            end += 1
        }
        guard text[end...].allSatisfy({ $0 == UInt8(ascii: " ") }) else { return nil }
        return UnsafeRawBufferPointer(rebasing: text[0..<end])
    }

    /// What PostgreSQL says (22001) of text that does not fit.
    public var message: String { "value too long for type character varying(\(maximumCharacters))" }
}
