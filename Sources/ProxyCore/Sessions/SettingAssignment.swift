// SettingAssignment: a call of set_config with its values, as text to be run again on other links.
import QueryPlanning
import WireProtocol

/// What one call of set_config sets.
struct SettingAssignment: Equatable {
    /// In lower case.
    let name: String
    /// As set_config takes it, which for lists is the whole list; nil: the default.
    let value: String?
    let isLocal: Bool

    private static let call = "SELECT pg_catalog.set_config("

    /// The call as a statement.
    var statement: String {
        "\(Self.call)\(quoteLiteral(name)), \(value.map(quoteLiteral) ?? "NULL"), \(isLocal))"
    }

    init(name: String, value: String?, isLocal: Bool) {
        self.name = name
        self.value = value
        self.isLocal = isLocal
    }

    /// Reads calls with the values of a Bind frame.
    /// - Throws: for settings and values that the proxy does not follow, and for values that cannot be read.
    static func read(_ calls: [SettingCall], bind: BindMessage?) throws(Refusal) -> [SettingAssignment] {
        var assignments: [SettingAssignment] = []
        for call in calls { assignments.append(try SettingAssignment(call, bind: bind)) }
        return assignments
    }

    private init(_ call: SettingCall, bind: BindMessage?) throws(Refusal) {
        name = (try Self.text(call.name, bind) ?? "").lowercased()
        value = try Self.text(call.value, bind)
        isLocal = try Self.boolean(call.isLocal, bind)
        try SettingCall.check(name: name, value: value ?? "")
    }

    private static func text(_ operand: SettingCall.Operand, _ bind: BindMessage?) throws(Refusal) -> String? {
        switch operand {
        case .constant(let text): return text
        case .parameter(let number):
            guard let bind, number >= 1, number <= bind.parameterCount else { throw unreadable(number) }
            // Of a text both formats are the same bytes.
            guard let bytes = bind.parameter(number - 1).value else { return nil }
            guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else { throw unreadable(number) }
            return text
        }
    }

    private static func boolean(_ operand: SettingCall.Operand, _ bind: BindMessage?) throws(Refusal) -> Bool {
        guard case .parameter(let number) = operand else { return try text(operand, bind).flatMap(SettingCall.boolean) ?? false }
        guard let bind, number >= 1, number <= bind.parameterCount else { throw unreadable(number) }
        let parameter = bind.parameter(number - 1)
        guard let bytes = parameter.value else { return false }
        if parameter.format == .binary, bytes.count == 1 { return bytes[0] != 0 }
        guard let value = SettingCall.boolean(bytes.text.trimming { $0.isWhitespace }) else { throw unreadable(number) }
        return value
    }

    private static func unreadable(_ number: Int) -> Refusal {
        Refusal("0A000", "the value of $\(number) for set_config cannot be read", hint: "Bind texts in UTF-8 and a boolean.")
    }
}
