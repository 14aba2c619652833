// SettingText: the value in the text of a SET statement, found by PostgreSQL's own scanner: comments and quoted names may hold anything.
import CPGQuery

public enum SettingText {
    /// What stands behind TO or = in `SET name TO value`, or behind the name in SET ROLE and SET SESSION AUTHORIZATION, as it is
    /// written, without comments. A single quoted string loses its quotes, since it is the whole list; in a list it is a quoted name.
    /// - Returns: nil for DEFAULT, and for other statements.
    public static func value(of statement: String) -> String? {
        guard let list = try? StatementTokens(statement) else { return nil }
        let tokens = list.tokens
        let begin = tokens.firstIndex { $0.kind == PG_QUERY__TOKEN__TO || $0.kind == PG_QUERY__TOKEN__ASCII_61 }
            ?? tokens.firstIndex { $0.kind == PG_QUERY__TOKEN__ROLE || $0.kind == PG_QUERY__TOKEN__AUTHORIZATION }
        guard let begin else { return nil }
        let words = tokens[(begin + 1)...].prefix { $0.kind != PG_QUERY__TOKEN__ASCII_59 }
        guard let first = words.first, first.kind != PG_QUERY__TOKEN__DEFAULT else { return nil }
        if words.count == 1, first.kind == PG_QUERY__TOKEN__SCONST, let string = unquoted(list.text(first)) { return string }
        return text(words, list)
    }

    private static func text(_ words: ArraySlice<Token>, _ list: StatementTokens) -> String {
        var value = ""
        var position = words.first?.range.lowerBound ?? 0
        for word in words {
            if word.range.lowerBound > position { value += " " }
            position = word.range.upperBound
            let written = list.text(word)
            let string = words.count > 1 && word.kind == PG_QUERY__TOKEN__SCONST ? unquoted(written) : nil
            value += string.map(SQLText.quoted) ?? written
        }
        return value
    }

    /// The content of '...'; nil for E'...' and the like.
    private static func unquoted(_ token: String) -> String? {
        guard token.utf8.count >= 2, token.utf8.first == UInt8(ascii: "'"), token.utf8.last == UInt8(ascii: "'") else { return nil }
        return String(decoding: token.utf8.dropFirst().dropLast(), as: UTF8.self).replacing("''", with: "'")
    }
}
