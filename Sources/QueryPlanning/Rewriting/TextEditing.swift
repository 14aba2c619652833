// TextEditing: a statement's text with some ranges replaced.
import Primitives

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
    package static func quoted(_ name: String) -> String { QuotedText.identifier(name) }

    package static func literal(_ value: String) -> String { QuotedText.literal(value) }
}
