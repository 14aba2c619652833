// Tokens: SQL text brought into one form, so that statements can be recognised by comparing bytes: words in lower case,
// one blank behind each token, no comments, no schema pg_catalog, `'` for each string, whose texts stand aside.

/// One statement in the common form.
struct TokenText {
    var bytes: [UInt8] = []
    var strings: [String] = []
}

/// Brings texts into the common form.
struct Tokens {
    private let text: UnsafeRawBufferPointer
    private var position = 0
    private var present = TokenText()

    private init(_ text: UnsafeRawBufferPointer) { self.text = text }

    /// The statements of a text, without those that are empty.
    static func statements(in text: UnsafeRawBufferPointer) -> [TokenText] {
        var tokens = Tokens(text)
        var all: [TokenText] = []
        while tokens.skipBlanks() {
            if text[tokens.position] == UInt8(ascii: ";") {
                tokens.position += 1
                if !tokens.present.bytes.isEmpty { all.append(tokens.present) }
                tokens.present = TokenText()
            } else {
                tokens.takeToken()
            }
        }
        if !tokens.present.bytes.isEmpty { all.append(tokens.present) }
        return all
    }

    private mutating func takeToken() {
        let byte = text[position]
        switch byte {
        case UInt8(ascii: "'"):
            present.strings.append(takeQuoted(byte))
            present.bytes.append(byte)
        case UInt8(ascii: "\""):
            // One word, whatever it is made of.
            present.bytes.append(contentsOf: takeQuoted(byte).utf8.map { $0 == UInt8(ascii: " ") ? UInt8(ascii: "_") : $0 })
        default:
            guard Self.isWordByte(byte) || byte == UInt8(ascii: "$") else {
                present.bytes.append(byte)
                position += 1
                break
            }
            takeWord()
            return
        }
        present.bytes.append(UInt8(ascii: " "))
    }

    /// A word, a number or a parameter.
    private mutating func takeWord() {
        let start = present.bytes.count
        let isNumber = text[position] >= UInt8(ascii: "0") && text[position] <= UInt8(ascii: "9")
        repeat {
            let byte = text[position]
            present.bytes.append(byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte)
            position += 1
        } while position < text.count && (Self.isWordByte(text[position]) || isNumber && text[position] == UInt8(ascii: "."))
        if position < text.count, text[position] == UInt8(ascii: "."), present.bytes[start...].elementsEqual("pg_catalog".utf8) {
            present.bytes.removeLast(present.bytes.count - start)
            position += 1
        } else {
            present.bytes.append(UInt8(ascii: " "))
        }
    }

    /// Moves to the next token; false: there is none.
    private mutating func skipBlanks() -> Bool {
        while position < text.count {
            if text[position] <= UInt8(ascii: " ") {
                position += 1
            } else if text[position] == UInt8(ascii: "/"), position + 1 < text.count, text[position + 1] == UInt8(ascii: "*") {
                position += 2
                while position < text.count, text[position - 1] != UInt8(ascii: "/") || text[position - 2] != UInt8(ascii: "*") {
                    position += 1
                }
            } else {
                return true
            }
        }
        return false
    }

    private static func isWordByte(_ byte: UInt8) -> Bool {
        byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z") || byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
            || byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") || byte == UInt8(ascii: "_")
    }

    /// A quoted text; a doubled quote stands for itself.
    private mutating func takeQuoted(_ quote: UInt8) -> String {
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
}
