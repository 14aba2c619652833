// WordReader: the words of one line of a dialogue.
import Foundation

struct WordReader {
    private var text: Substring

    init(_ text: String) { self.text = text[...] }

    mutating func skip(_ prefix: String) -> Bool {
        guard text.hasPrefix(prefix) else { return false }
        text = text.dropFirst(prefix.count).drop { $0 == " " }
        return true
    }

    /// The next word; empty at the end.
    mutating func word() -> String {
        let word = text.prefix { $0 != " " && $0 != "\n" }
        text = text.dropFirst(word.count).drop { $0 == " " || $0 == "\n" }
        return String(word)
    }

    /// A name; `.` is the unnamed one.
    mutating func name() -> String {
        let word = word()
        return word == "." ? "" : word
    }

    mutating func rest() -> String {
        defer { text = "" }
        return String(text)
    }

    mutating func integers() throws -> [Int] {
        try rest().split(separator: " ").map {
            guard let number = Int($0) else { throw DialogueError(description: "\($0) is no number") }
            return number
        }
    }

    /// `name=value` words.
    mutating func pairs() -> [(String, String)] {
        var pairs: [(String, String)] = []
        while !text.isEmpty {
            let parts = word().split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            pairs.append((parts[0], parts.count > 1 ? parts[1] : ""))
        }
        return pairs
    }

    /// `(23 25)`, if it stands there.
    mutating func types() throws -> [UInt32] {
        guard text.hasPrefix("("), let end = text.firstIndex(of: ")") else { return [] }
        let words = text[text.index(after: text.startIndex)..<end].split(separator: " ")
        let numbers = words.compactMap { UInt32($0) }
        guard numbers.count == words.count else { return [] }
        text = text[text.index(after: end)...].drop { $0 == " " }
        return numbers
    }

    mutating func startup() throws -> [UInt8] {
        let version = word().split(separator: ".").compactMap { UInt32($0) }
        guard version.count == 2 else { throw DialogueError(description: "a version has two numbers") }
        return FrontendFrame.startup(version: version[0] << 16 | version[1], parameters: pairs())
    }

    mutating func bind() throws -> [UInt8] {
        let (portal, statement) = (name(), name())
        var values: [BoundValue] = []
        while !text.isEmpty, !text.hasPrefix("->") { values.append(try value()) }
        var formats: [Int16] = []
        if skip("->") { formats = rest().split(separator: " ").map { $0 == "binary" ? 1 : 0 } }
        return FrontendFrame.bind(portal, statement, values, resultFormats: formats)
    }

    private mutating func value() throws -> BoundValue {
        if text.hasPrefix("'") {
            let quoted = text.dropFirst().prefix { $0 != "'" }
            text = text.dropFirst(quoted.count + 2).drop { $0 == " " }
            return BoundValue(bytes: Array(quoted.utf8))
        }
        let word = word()
        if word == "NULL" { return BoundValue(bytes: nil) }
        if word.hasPrefix("\\x") { return BoundValue(bytes: try Self.hexadecimal(String(word.dropFirst(2))), isBinary: true) }
        return BoundValue(bytes: Array(word.utf8))
    }

    /// `\n`, `\t`, `\\` and `\xHH` as in a C string.
    static func unescape(_ text: String) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\"), let code = rest.popFirst() else {
                bytes.append(byte)
                continue
            }
            switch code {
            case UInt8(ascii: "n"): bytes.append(10)
            case UInt8(ascii: "t"): bytes.append(9)
            case UInt8(ascii: "x"):
                bytes.append(UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) ?? 0)
                rest = rest.dropFirst(2)
            default: bytes.append(code)
            }
        }
        return bytes
    }

    static func hexadecimal(_ text: String) throws -> [UInt8] {
        let digits = text.filter { !$0.isWhitespace }
        guard digits.count.isMultiple(of: 2) else { throw DialogueError(description: "half a byte in \(text)") }
        return try stride(from: 0, to: digits.count, by: 2).map { offset in
            let start = digits.index(digits.startIndex, offsetBy: offset)
            guard let byte = UInt8(digits[start..<digits.index(start, offsetBy: 2)], radix: 16) else {
                throw DialogueError(description: "\(text) is not hexadecimal")
            }
            return byte
        }
    }
}
