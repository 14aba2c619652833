// OperandText: the values of a call that the proxy carries out itself.
import QueryPlanning
import WireProtocol

extension SettingCall.Operand {
    /// The value as text; nil is NULL.
    /// - Parameters:
    ///   - bind: the client's Bind frame; empty without one.
    ///   - kind: what a value in binary format is.
    /// - Throws: 0A000 for a value that is no text in UTF-8.
    func text(_ bind: [UInt8], as kind: OperandKind = .text) throws(Refusal) -> String? {
        guard case .parameter(let number) = self else {
            if case .constant(let text) = self { return text }
            return nil
        }
        let value: String?? = bind.withUnsafeBytes { bytes in
            guard let message = try? BindMessage(bytes), number >= 1, number <= message.parameterCount else { return nil }
            let parameter = message.parameter(number - 1)
            guard let value = parameter.value else { return .some(nil) }
            return kind.text(of: value, isBinary: parameter.format == .binary).map { .some($0) }
        }
        guard let value else { throw Refusal("0A000", "the value of $\(number) cannot be read as a text", hint: "Bind it as a text in UTF-8.") }
        return value
    }
}

/// The type of a value that the proxy reads itself.
enum OperandKind {
    case text, jsonb, interval

    /// The value as text; nil: it cannot be read.
    func text(of value: UnsafeRawBufferPointer, isBinary: Bool) -> String? {
        switch self {
        // Its first byte is the format's version (jsonb_recv in PostgreSQL's source).
        case .jsonb where isBinary: return value.first == 1 ? Self.plain(UnsafeRawBufferPointer(rebasing: value.dropFirst())) : nil
        case .interval where isBinary: return Self.interval(value)
        // Of a text both formats are the same bytes.
        default: return Self.plain(value)
        }
    }

    private static func plain(_ value: UnsafeRawBufferPointer) -> String? { value.contains(0) ? nil : String(validating: value, as: UTF8.self) }

    /// Microseconds, days and months (interval_recv in PostgreSQL's source).
    private static func interval(_ value: UnsafeRawBufferPointer) -> String? {
        guard value.count == 16 else { return nil }
        let microseconds = Int64(bigEndian: value.loadUnaligned(as: Int64.self))
        let days = Int32(bigEndian: value.loadUnaligned(fromByteOffset: 8, as: Int32.self))
        let months = Int32(bigEndian: value.loadUnaligned(fromByteOffset: 12, as: Int32.self))
        return "\(months) months \(days) days \(microseconds) microseconds"
    }
}
