// Tokens: SQL text cut into words, so that statements can be recognised by their structure.

/// One token. Words are in lower case; quoted names are words too, as nothing here depends on the difference.
enum Token: Equatable {
    case word(String)
    case string(String)
    case number(String)
    case parameter(Int)
    case symbol(UInt8)
}

/// Cuts a text into statements and those into tokens.
enum Tokens {
    /// The tokens of each statement, comments left out. Dollar-quoted texts are strings.
    static func statements(in text: UnsafeRawBufferPointer) -> [[Token]] {
        var all: [[Token]] = []
        var present: [Token] = []
        var position = 0
        while let token = next(text, &position) {
            if token == .symbol(UInt8(ascii: ";")) {
                if !present.isEmpty { all.append(present) }
                present = []
            } else {
                present.append(token)
            }
        }
        if !present.isEmpty { all.append(present) }
        return all
    }

    private static func next(_ text: UnsafeRawBufferPointer, _ position: inout Int) -> Token? {
        skipBlanks(text, &position)
        guard position < text.count else { return nil }
        let byte = text[position]
        switch byte {
        case UInt8(ascii: "'"): return .string(quoted(text, &position, byte))
        case UInt8(ascii: "\""): return .word(quoted(text, &position, byte))
        case UInt8(ascii: "$"): return dollar(text, &position)
        case UInt8(ascii: "0")...UInt8(ascii: "9"):
            return .number(run(text, &position) { isWordByte($0) || $0 == UInt8(ascii: ".") })
        default: break
        }
        if isWordByte(byte) { return .word(run(text, &position, while: isWordByte).lowercased()) }
        position += 1
        return .symbol(byte)
    }

    private static func skipBlanks(_ text: UnsafeRawBufferPointer, _ position: inout Int) {
        while position < text.count {
            if text[position] <= UInt8(ascii: " ") {
                position += 1
            } else if text[position] == UInt8(ascii: "/"), position + 1 < text.count, text[position + 1] == UInt8(ascii: "*") {
                position += 2
                while position < text.count, text[position - 1] != UInt8(ascii: "/") || text[position - 2] != UInt8(ascii: "*") {
                    position += 1
                }
            } else {
                return
            }
        }
    }

    private static func isWordByte(_ byte: UInt8) -> Bool {
        byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z") || byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
            || byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") || byte == UInt8(ascii: "_")
    }

    private static func run(_ text: UnsafeRawBufferPointer, _ position: inout Int, while belongs: (UInt8) -> Bool) -> String {
        let start = position
        while position < text.count, belongs(text[position]) { position += 1 }
        return String(decoding: text[start..<position], as: UTF8.self)
    }

    /// A quoted text; a doubled quote stands for itself.
    private static func quoted(_ text: UnsafeRawBufferPointer, _ position: inout Int, _ quote: UInt8) -> String {
        var bytes: [UInt8] = []
        position += 1
        while position < text.count {
            if text[position] == quote {
                guard position + 1 < text.count, text[position + 1] == quote else { break }
                position += 1
            }
            bytes.append(text[position])
            position += 1
        }
        position += 1
        return String(decoding: bytes, as: UTF8.self)
    }

    /// A parameter, or a text between dollar signs without a tag.
    private static func dollar(_ text: UnsafeRawBufferPointer, _ position: inout Int) -> Token {
        position += 1
        guard position < text.count, text[position] == UInt8(ascii: "$") else {
            return .parameter(Int(run(text, &position) { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }) ?? 0)
        }
        let start = position + 1
        position = start
        while position + 1 < text.count, text[position] != UInt8(ascii: "$") || text[position + 1] != UInt8(ascii: "$") {
            position += 1
        }
        let body = String(decoding: text[start..<position], as: UTF8.self)
        position += 2
        return .string(body)
    }
}
