// KeyFormatError: a key that its type's input or receive function would refuse.

/// Why text or bytes are no value of a key type. Trivial, so that throwing it costs nothing.
public enum KeyFormatError: Error, Hashable, Sendable {
    /// Text that is no value of the type.
    case invalidSyntax
    /// Digits beyond what the type holds.
    case outOfRange
    /// A binary value shorter than the type.
    case insufficientData
    /// A binary value longer than the type.
    case incorrectBinaryFormat

    public var sqlState: String {
        switch self {
        case .invalidSyntax: "22P02"
        case .outOfRange: "22003"
        case .insufficientData: "08P01"
        case .incorrectBinaryFormat: "22P03"
        }
    }

    /// PostgreSQL's message for this error.
    /// - Parameter text: the refused value as it came (unused for the binary errors).
    public func message(type: KeyType, text: String) -> String {
        switch self {
        case .invalidSyntax: "invalid input syntax for type \(type.sqlName): \"\(text)\""
        case .outOfRange: "value \"\(text)\" is out of range for type \(type.sqlName)"
        case .insufficientData: "insufficient data left in message"
        case .incorrectBinaryFormat: "incorrect binary data format"
        }
    }
}
