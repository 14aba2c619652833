// LiteralReading: a literal's value, read from the statement's text where the analyser found it.
import ShardMap

extension KeyReading {
    /// Reads the number or string token at `offset` of `text` as a key of `keyType`. A string means what the type's input
    /// function makes of it; an integer may exceed an integer key's own range (it is then equal to no key of that type).
    init(literalAt offset: Int, in text: UnsafeRawBufferPointer, keyType: KeyType) {
        guard offset >= 0, offset < text.count else {
            self = .unknown
            return
        }
        var lexer = Lexer(text)
        lexer.position = offset
        var kind = lexer.next()
        let isNegative =
            kind == .operation && lexer.position - lexer.start == 1 && text[lexer.start] == UInt8(ascii: "-")
        if isNegative { kind = lexer.next() }
        let token = UnsafeRawBufferPointer(rebasing: text[lexer.start..<lexer.position])
        switch kind {
        case .integer, .decimal: self.init(number: token, isNegative: isNegative, keyType: keyType)
        case .string where !isNegative: self.init(string: token, keyType: keyType)
        case .escapeString where !isNegative && !token.contains(UInt8(ascii: "\\")):
            self.init(string: UnsafeRawBufferPointer(rebasing: token.dropFirst()), keyType: keyType)
        default: self = .unknown
        }
    }

    /// Reads a number. Numerics without a fraction are the integers they equal.
    private init(number: UnsafeRawBufferPointer, isNegative: Bool, keyType: KeyType) {
        guard keyType.family == .integer, let digits = Self.integralDigits(number) else {
            self = .unknown
            return
        }
        var value: Int64 = 0
        for byte in digits {
            let (tenfold, overflow) = value.multipliedReportingOverflow(by: 10)
            let digit = Int64(byte - UInt8(ascii: "0"))
            let (sum, overflowAgain) = tenfold.addingReportingOverflow(isNegative ? -digit : digit)
            guard !overflow, !overflowAgain else {
                self = .unknown
                return
            }
            value = sum
        }
        self = .integer(value)
    }

    /// The digits of a number before a point behind which only zeros stand; nil for all other numbers.
    private static func integralDigits(_ number: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        let whole = number.prefix { $0 != UInt8(ascii: ".") }
        let fraction = number.dropFirst(whole.count + 1)
        guard !whole.isEmpty, fraction.allSatisfy({ $0 == UInt8(ascii: "0") }),
            whole.allSatisfy({ $0 &- UInt8(ascii: "0") < 10 })
        else { return nil }
        return UnsafeRawBufferPointer(rebasing: whole)
    }

    /// Reads a token '...', whose quotes are its first and last byte.
    private init(string: UnsafeRawBufferPointer, keyType: KeyType) {
        let content = UnsafeRawBufferPointer(rebasing: string.dropFirst().dropLast())
        guard content.contains(UInt8(ascii: "'")) else {
            self.init(text: content, type: keyType)
            return
        }
        guard let bytes = Self.unescaped(content) else {
            self = .unknown
            return
        }
        // Numbers and uuids hold no quotes, so that only text comes this far with a meaning.
        self = keyType.family == .text ? .ownedText(bytes) : .malformed(.invalidSyntax, content)
    }

    /// The content of a string with each doubled quote made one; nil for strings in several pieces.
    private static func unescaped(_ content: UnsafeRawBufferPointer) -> [UInt8]? {
        var bytes: [UInt8] = []
        var position = 0
        while position < content.count {
            let byte = content[position]
            bytes.append(byte)
            position += 1
            guard byte == UInt8(ascii: "'") else { continue }
            guard position < content.count, content[position] == byte else { return nil }
            position += 1
        }
        return bytes
    }
}
