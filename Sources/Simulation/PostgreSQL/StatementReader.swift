// StatementReader: recognises statements by their tokens. Only what the proxy and the scripted clients send is known.
import QueryPlanning

/// A text the model does not understand.
struct UnknownStatement: Error {
    var text: String
}

/// Recognises statements. Texts that always are the same are recognised once.
final class StatementReader {
    private var known: [Int: [(text: [UInt8], statements: [Statement])]] = [:]
    /// Texts longer than this are the proxy's own fixed ones.
    private static let fixedTextBytes = 400

    /// The statements of one text.
    func read(_ text: UnsafeRawBufferPointer) throws(UnknownStatement) -> [Statement] {
        let isFixed = text.count >= Self.fixedTextBytes
        if isFixed, let found = known[text.count]?.first(where: { $0.text.elementsEqual(text) }) { return found.statements }
        let statements = try recognise(text)
        if isFixed { known[text.count, default: []].append((Array(text), statements)) }
        return statements
    }

    private func recognise(_ text: UnsafeRawBufferPointer) throws(UnknownStatement) -> [Statement] {
        let prefix = "/* pgbraid: "
        if text.starts(with: (prefix + "schema").utf8) { return [.install] }
        if text.starts(with: (prefix + "catalog").utf8) {
            return [.begin(isRepeatableRead: true)] + CatalogQuery.allCases.map { .catalog($0) } + [.commit]
        }
        var statements: [Statement] = []
        for tokens in Tokens.statements(in: text) {
            var pattern = Pattern(tokens)
            guard let statement = pattern.statement(), pattern.isAtEnd else {
                throw UnknownStatement(text: String(decoding: text, as: UTF8.self))
            }
            statements.append(statement)
        }
        return statements
    }
}

/// A place in a statement's tokens.
struct Pattern {
    let tokens: [Token]
    var position = 0

    init(_ tokens: [Token]) { self.tokens = tokens }

    var isAtEnd: Bool { position == tokens.count }

    /// Takes these words and symbols, in order, or nothing. Words are separated by blanks; schema `pg_catalog` is left out.
    mutating func take(_ words: String) -> Bool {
        var place = position
        for word in words.split(separator: " ") {
            skipCatalog(&place)
            guard place < tokens.count else { return false }
            switch tokens[place] {
            case .word(let text), .number(let text): guard text == word else { return false }
            case .symbol(let byte): guard word.utf8.count == 1, word.utf8.first == byte else { return false }
            case .string, .parameter: return false
            }
            place += 1
        }
        position = place
        return true
    }

    private func skipCatalog(_ place: inout Int) {
        if place + 1 < tokens.count, tokens[place] == .word("pg_catalog"), tokens[place + 1] == .symbol(UInt8(ascii: ".")) { place += 2 }
    }

    mutating func string() -> String? {
        guard position < tokens.count, case .string(let text) = tokens[position] else { return nil }
        position += 1
        return text
    }

    mutating func word() -> String? {
        guard position < tokens.count, case .word(let text) = tokens[position] else { return nil }
        position += 1
        return text
    }

    mutating func number() -> Int? {
        let isNegative = take("-")
        guard position < tokens.count, case .number(let text) = tokens[position], let number = Int(text) else { return nil }
        position += 1
        return isNegative ? -number : number
    }

    mutating func operand() -> Operand? {
        if position < tokens.count, case .parameter(let number) = tokens[position] {
            position += 1
            return .parameter(number)
        }
        return number().map { .literal($0) }
    }

    /// Everything that is left.
    mutating func rest() { position = tokens.count }
}
