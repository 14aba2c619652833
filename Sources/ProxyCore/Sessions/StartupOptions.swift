// StartupOptions: the `options` parameter of a startup packet, which reads like a server's command line
// (PostgreSQL manual, sections 34.1.2 and 20.1.3; splitting as pg_split_opts in postinit.c does).
import QueryPlanning

enum StartupOptions {
    /// The settings in `-c name=value`, `-cname=value` and `--name=value`.
    /// - Throws: 42601 for what PostgreSQL would not take, 0A000 for its other switches.
    static func parse(_ text: String) throws(Refusal) -> [(name: String, value: String)] {
        var settings: [(String, String)] = []
        var words = split(text)[...]
        while let word = words.popFirst() {
            if word == "-c" {
                guard let next = words.popFirst() else { throw invalid(word) }
                settings.append(try assignment(next, "-c \(next)"))
            } else if word.hasPrefix("-c") {
                settings.append(try assignment(String(word.dropFirst(2)), "-c \(word.dropFirst(2))"))
            } else if word.hasPrefix("--") {
                settings.append(try assignment(String(word.dropFirst(2)), word))
            } else if word.hasPrefix("-"), word.utf8.count > 1 {
                throw Refusal("0A000", "command-line switch \"\(word)\" is not supported in options", hint: "Write -c name=value.")
            } else {
                throw invalid(word)
            }
        }
        return settings
    }

    private static func invalid(_ word: String) -> Refusal {
        Refusal("42601", "invalid command-line argument for server process: \(word)", hint: "Try \"postgres --help\" for more information.")
    }

    private static func assignment(_ text: String, _ word: String) throws(Refusal) -> (String, String) {
        guard let equals = text.firstIndex(of: "=") else { throw Refusal("42601", "\(word) requires a value") }
        let name = text[..<equals].replacing("-", with: "_").lowercased()
        return (name, String(text[text.index(after: equals)...]))
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
