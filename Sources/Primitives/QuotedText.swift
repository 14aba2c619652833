// QuotedText: names and values as SQL text, byte by byte. Swift's own searching compares characters as people see them, and in `'` behind U+0600,
// or in front of an accent, it finds no quote. PostgreSQL finds one.

public enum QuotedText {
    /// An identifier, in double quotes.
    public static func identifier(_ name: String) -> String { "\"" + escaped(name, [doubleQuote], with: doubleQuote) + "\"" }

    /// A string constant that reads the same whatever `standard_conforming_strings` says: with a backslash in it, it begins with an E.
    public static func literal(_ text: String) -> String {
        guard text.utf8.contains(backslash) else { return "'" + escaped(text, [quote], with: quote) + "'" }
        return "E'" + escaped(escaped(text, [backslash], with: backslash), [quote], with: quote) + "'"
    }

    /// The text of an array of texts, as PostgreSQL reads it from a parameter.
    public static func array(_ texts: [String]) -> String {
        "{" + texts.map { "\"" + escaped($0, [doubleQuote, backslash], with: backslash) + "\"" }.joined(separator: ",") + "}"
    }

    private static let quote = UInt8(ascii: "'")
    private static let doubleQuote = UInt8(ascii: "\"")
    private static let backslash = UInt8(ascii: "\\")

    /// The text with a byte in front of each of some others, all of them ASCII.
    private static func escaped(_ text: String, _ special: [UInt8], with mark: UInt8) -> String {
        guard text.utf8.contains(where: special.contains) else { return text }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count + 16)
        for byte in text.utf8 {
            if special.contains(byte) { bytes.append(mark) }
            bytes.append(byte)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
