// StartupOptions: the `options` parameter of a startup packet, which reads like a server's command line
// (PostgreSQL manual, sections 34.1.2 and 20.1.3; splitting as pg_split_opts in postinit.c does).

enum StartupOptions {
    /// The settings in `-c name=value`, `-cname=value` and `--name=value`.
    static func parse(_ text: String) -> [(name: String, value: String)] {
        var settings: [(String, String)] = []
        var words = split(text)[...]
        while let word = words.popFirst() {
            if word == "-c", let next = words.popFirst() {
                append(next, to: &settings)
            } else if word.hasPrefix("-c") {
                append(String(word.dropFirst(2)), to: &settings)
            } else if word.hasPrefix("--") {
                append(String(word.dropFirst(2)), to: &settings)
            }
        }
        return settings
    }

    private static func append(_ assignment: String, to settings: inout [(String, String)]) {
        guard let equals = assignment.firstIndex(of: "=") else { return }
        let name = assignment[..<equals].replacing("-", with: "_").lowercased()
        settings.append((name, String(assignment[assignment.index(after: equals)...])))
    }

    /// Splits at blanks; a backslash makes the next character part of the word.
    private static func split(_ text: String) -> [String] {
        var words: [String] = []
        var word = ""
        var escaped = false
        for character in text {
            if escaped {
                word.append(character)
                escaped = false
            } else if character == "\\" {
                escaped = true
            } else if character.isWhitespace {
                if !word.isEmpty { words.append(word) }
                word = ""
            } else {
                word.append(character)
            }
        }
        if !word.isEmpty { words.append(word) }
        return words
    }

    /// A setting's name as SQL text: each part of a qualified name quoted.
    static func settingName(_ name: String) -> String {
        name.split(separator: ".", omittingEmptySubsequences: false).map { quoteIdentifier(String($0)) }.joined(separator: ".")
    }
}
