// SettingValue: the value part of a SET statement, as SHOW would print it, for search_path and role.

enum SettingValue {
    /// What stands after TO or = in `SET [SESSION] name TO value`, or after the name in SET ROLE. A single quoted string
    /// loses its quotes, since it is the whole list.
    static func read(_ statement: String) -> String? {
        var text = statement.trimming { $0.isWhitespace || $0 == ";" }
        let upper = text.uppercased()
        let starts = [" TO ", "="].compactMap { upper.firstRange(of: $0)?.upperBound }.min()
        if let starts {
            text = String(text[starts...]).trimming { $0.isWhitespace }
        } else if let word = ["ROLE ", "AUTHORIZATION "].lazy.compactMap({ upper.firstRange(of: $0) }).first {
            text = String(text[word.upperBound...]).trimming { $0.isWhitespace }
        } else {
            return nil
        }
        if upper.hasSuffix("DEFAULT") { return nil }
        if text.first == "'", text.last == "'", text.count >= 2, !text.dropFirst().dropLast().contains("', '") {
            return String(text.dropFirst().dropLast()).replacing("''", with: "'")
        }
        return text
    }
}

extension String {
    /// The text without the characters at both ends that `isDropped` names.
    func trimming(_ isDropped: (Character) -> Bool) -> String {
        guard let first = firstIndex(where: { !isDropped($0) }), let last = lastIndex(where: { !isDropped($0) }) else { return "" }
        return String(self[first...last])
    }
}
