// StatementReader: recognises statements by their tokens. Only what the proxy and the scripted clients send is known.
import QueryPlanning

#if canImport(Glibc)
import Glibc
#endif

/// A text the model does not understand.
struct UnknownStatement: Error {
    var text: String
}

/// Recognises statements. Texts that were seen lately are not recognised again.
final class StatementReader {
    private struct Known {
        var text: [UInt8]
        var statements: [Statement]
    }

    /// By hash of the text; of two with one hash the later stays.
    private var known: [UInt64: Known] = [:]
    /// Half of all texts name transactions and never come back.
    private static let knownLimit = 8192

    /// The statements of one text.
    func read(_ text: UnsafeRawBufferPointer) throws(UnknownStatement) -> [Statement] {
        let hash = Self.hash(text)
        if let found = known[hash], found.text.withUnsafeBytes({ Self.areEqual($0, text) }) { return found.statements }
        let statements = try recognise(text)
        if known.count >= Self.knownLimit { known.removeAll(keepingCapacity: true) }
        known[hash] = Known(text: Array(text), statements: statements)
        return statements
    }

    private static func areEqual(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
        guard left.count == right.count, let first = left.baseAddress, let second = right.baseAddress else { return left.count == right.count }
        return memcmp(first, second, left.count) == 0
    }

    private static func hash(_ text: UnsafeRawBufferPointer) -> UInt64 {
        var hash = UInt64(text.count)
        var position = 0
        while position < text.count {
            let word = position + 8 <= text.count
                ? text.loadUnaligned(fromByteOffset: position, as: UInt64.self)
                : text[position...].reduce(0) { $0 << 8 | UInt64($1) }
            hash = (hash ^ word) &* 0x9E37_79B9_7F4A_7C15
            hash ^= hash >> 32
            position += 8
        }
        return hash
    }

    private func recognise(_ text: UnsafeRawBufferPointer) throws(UnknownStatement) -> [Statement] {
        let prefix = "/* pgbraid: "
        if text.starts(with: (prefix + "schema").utf8) { return [.install] }
        if text.starts(with: (prefix + "oids").utf8) { return [.objectOIDs] }
        // Nobody moves rows in simulated worlds: the planning lock is always free.
        if text.starts(with: (prefix + "planning").utf8) { return [.selectOne] }
        // Roles never change there.
        if text.starts(with: (prefix + "logins").utf8) { return [.selectOne] }
        if text.starts(with: (prefix + "catalog").utf8) {
            return [.begin(isRepeatableRead: true)] + CatalogQuery.allCases.map { .catalog($0) } + [.commit]
        }
        // A block reads the catalog itself, and what OIDs its shard has.
        if text.starts(with: "SAVEPOINT pgbraid_catalog".utf8) {
            return [
                .savepoint("pgbraid_catalog"), .set(name: "search_path", value: "", isLocal: true),
                .set(name: "bytea_output", value: "hex", isLocal: true),
            ] + CatalogQuery.allCases.map { .catalog($0) } + [.rollbackTo("pgbraid_catalog"), .release("pgbraid_catalog"), .objectOIDs]
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

/// A place in a statement.
struct Pattern {
    private let text: TokenText
    private var position = 0
    private var stringPosition = 0

    init(_ text: TokenText) { self.text = text }

    var isAtEnd: Bool { position == text.bytes.count }

    /// Takes these tokens, written as they stand in the common form, or nothing.
    mutating func take(_ tokens: StaticString) -> Bool {
        let count = tokens.utf8CodeUnitCount
        let end = position + count
        guard end < text.bytes.count, text.bytes[end] == UInt8(ascii: " ") else { return false }
        for index in 0..<count where text.bytes[position + index] != tokens.utf8Start[index] { return false }
        position = end + 1
        return true
    }

    mutating func string() -> String? {
        guard take("'") else { return nil }
        stringPosition += 1
        return text.strings[stringPosition - 1]
    }

    /// One token of whatever kind but a string.
    mutating func word() -> String? {
        guard let end = text.bytes[position...].firstIndex(of: UInt8(ascii: " ")), end > position else { return nil }
        defer { position = end + 1 }
        return String(decoding: text.bytes[position..<end], as: UTF8.self)
    }

    mutating func number() -> Int? {
        let isNegative = take("-")
        var number = 0
        let start = position
        while position < text.bytes.count, case let digit = text.bytes[position] &- UInt8(ascii: "0"), digit < 10 {
            number = number * 10 + Int(digit)
            position += 1
        }
        guard position > start, take("") else {
            position = start
            return nil
        }
        return isNegative ? -number : number
    }

    mutating func operand() -> Operand? {
        guard position < text.bytes.count, text.bytes[position] == UInt8(ascii: "$") else { return number().map { .literal($0) } }
        position += 1
        return number().map { .parameter($0) }
    }

    /// The number with this token before it, somewhere behind.
    func number(behind token: StaticString) -> Double? {
        var other = self
        while !other.isAtEnd {
            if other.take(token) { return other.word().flatMap { Double($0) } }
            guard other.word() != nil else { return nil }
        }
        return nil
    }

    /// Everything that is left.
    mutating func rest() { position = text.bytes.count }
}
