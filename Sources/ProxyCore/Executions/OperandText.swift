// OperandText: the values of a call that the proxy carries out itself.
import QueryPlanning
import WireProtocol

extension SettingCall.Operand {
    /// The value as text; nil is NULL.
    /// - Parameter bind: the client's Bind frame; empty without one.
    /// - Throws: 0A000 for a value that is no text in UTF-8.
    func text(_ bind: [UInt8]) throws(Refusal) -> String? {
        guard case .parameter(let number) = self else {
            if case .constant(let text) = self { return text }
            return nil
        }
        let value: String?? = bind.withUnsafeBytes { bytes in
            guard let message = try? BindMessage(bytes), number >= 1, number <= message.parameterCount else { return nil }
            guard let value = message.parameter(number - 1).value else { return .some(nil) }
            // Of a text both formats are the same bytes.
            return value.contains(0) ? nil : String(validating: value, as: UTF8.self).map { .some($0) }
        }
        guard let value else { throw Refusal("0A000", "the value of $\(number) cannot be read as a text", hint: "Bind it as a text in UTF-8.") }
        return value
    }
}
