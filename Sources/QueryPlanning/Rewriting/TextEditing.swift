// TextEditing: a statement's text with some ranges replaced.

/// Replacements of byte ranges of the whole text, made in one go.
struct TextEditing {
    private let context: AnalysisContext
    private var edits: [(range: Range<Int>, text: String)] = []

    init(_ context: AnalysisContext) { self.context = context }

    /// Puts `text` in place of `range`; an empty range inserts.
    mutating func replace(_ range: Range<Int>, with text: String) { edits.append((range, text)) }

    mutating func insert(_ text: String, at offset: Int) { edits.append((offset..<offset, text)) }

    /// The edited text of a byte range.
    func text(of range: Range<Int>) -> String {
        let ordered = edits.sorted {
            ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
        }
        var result = ""
        var position = range.lowerBound
        for edit in ordered where edit.range.lowerBound >= position && edit.range.upperBound <= range.upperBound {
            result += context.slice(position..<edit.range.lowerBound) + edit.text
            position = edit.range.upperBound
        }
        return result + context.slice(position..<range.upperBound)
    }
}

/// Identifiers and strings as SQL text.
package enum SQLText {
    package static func quoted(_ name: String) -> String { "\"" + doubling([UInt8(ascii: "\"")], in: name) + "\"" }

    package static func literal(_ value: String) -> String {
        let backslash = UInt8(ascii: "\\")
        return (value.utf8.contains(backslash) ? "E'" : "'") + doubling([UInt8(ascii: "'"), backslash], in: value) + "'"
    }

    /// Byte by byte: a quote followed by a combining mark is a quote all the same.
    private static func doubling(_ doubled: [UInt8], in text: String) -> String {
        guard text.utf8.contains(where: doubled.contains) else { return text }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count + 16)
        for byte in text.utf8 {
            if doubled.contains(byte) { bytes.append(byte) }
            bytes.append(byte)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
