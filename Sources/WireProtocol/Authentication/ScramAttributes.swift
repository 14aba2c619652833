// ScramAttributes: reads the `a=value,b=value` text of SCRAM messages with the checks and the words of PostgreSQL's
// auth-scram.c.

/// A reading position in a SCRAM message.
struct ScramAttributes {
    private(set) var rest: ArraySlice<UInt8>

    init(_ message: some Sequence<UInt8>) { rest = Array(message)[...] }

    var isAtEnd: Bool { rest.isEmpty }

    /// The next character, or zero at the end.
    var next: UInt8 { rest.first ?? 0 }

    mutating func take() -> UInt8 { rest.popFirst() ?? 0 }

    static func malformed(_ detail: String) -> DatabaseMessage {
        DatabaseMessage(fatal: .protocolViolation, "malformed SCRAM message", detail: detail)
    }

    /// A character as PostgreSQL shows it in messages.
    static func shown(_ character: UInt8) -> String {
        if character >= 0x21, character <= 0x7E { return "'\(Unicode.Scalar(character))'" }
        let digits = String(character, radix: 16)
        return "0x" + (digits.count == 1 ? "0" : "") + digits
    }

    /// The value of an attribute that must come now.
    mutating func value(of name: Character) throws(DatabaseMessage) -> [UInt8] {
        guard next == name.asciiValue else {
            throw Self.malformed("Expected attribute \"\(name)\" but found \"\(Self.shown(next))\".")
        }
        return try anyAttribute().value
    }

    /// Whatever attribute comes now.
    mutating func anyAttribute() throws(DatabaseMessage) -> (name: UInt8, value: [UInt8]) {
        guard !isAtEnd else { throw Self.malformed("Attribute expected, but found end of string.") }
        let name = take()
        guard (name | 0x20) >= UInt8(ascii: "a"), (name | 0x20) <= UInt8(ascii: "z") else {
            throw Self.malformed("Attribute expected, but found invalid character \"\(Self.shown(name))\".")
        }
        guard take() == UInt8(ascii: "=") else {
            throw Self.malformed("Expected character \"=\" for attribute \"\(Unicode.Scalar(name))\".")
        }
        let value = rest.prefix { $0 != UInt8(ascii: ",") }
        rest = rest.dropFirst(value.count + 1)
        return (name, Array(value))
    }

    mutating func comma() throws(DatabaseMessage) {
        let character = take()
        guard character == UInt8(ascii: ",") else {
            throw Self.malformed("Comma expected, but found character \"\(Self.shown(character))\".")
        }
    }

    /// Whether a nonce has only the characters it may have (RFC 5802: printable, no comma). PostgreSQL takes an empty one.
    static func isPrintable(_ nonce: [UInt8]) -> Bool {
        nonce.allSatisfy { $0 >= 0x21 && $0 <= 0x7E && $0 != UInt8(ascii: ",") }
    }
}
