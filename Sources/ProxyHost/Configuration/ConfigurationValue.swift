// ConfigurationValue: a TOML document as plain values. The only file that knows the TOML library.
import TOMLKit

/// A value of a TOML document.
indirect enum ConfigurationValue {
    case string(String)
    case integer(Int)
    case boolean(Bool)
    case list([ConfigurationValue])
    case table([String: ConfigurationValue])
    /// Numbers with a fraction, dates and times: nothing in the configuration is one.
    case other(String)

    /// What to call it in a message.
    var kind: String {
        switch self {
        case .string: "a string"
        case .integer: "a whole number"
        case .boolean: "true or false"
        case .list: "a list"
        case .table: "a section"
        case .other(let name): name
        }
    }

    /// Reads a document.
    /// - Throws: ConfigurationError with the line of the syntax error.
    static func parse(_ text: String, file: String) throws(ConfigurationError) -> [String: ConfigurationValue] {
        do {
            let root = try TOMLTable(string: text)
            // Tables borrow from their root: keep it until all is copied.
            return withExtendedLifetime(root) { table(root) }
        } catch {
            throw syntaxError(error, file: file)
        }
    }

    private static func syntaxError(_ error: any Error, file: String) -> ConfigurationError {
        guard let error = error as? TOMLParseError else {
            return ConfigurationError(mistakes: [ConfigurationMistake(file: file, message: "not TOML: \(error)")])
        }
        return ConfigurationError(mistakes: [
            ConfigurationMistake(
                file: file, line: error.source.begin.line, message: "not TOML: \(error.description)",
                hint: "column \(error.source.begin.column); text values need quotes, as in host = \"db1\"")
        ])
    }

    private static func table(_ table: TOMLTable) -> [String: ConfigurationValue] {
        var result: [String: ConfigurationValue] = [:]
        for key in table.keys { result[key] = table[key].map(value) }
        return result
    }

    private static func value(_ value: any TOMLValueConvertible) -> ConfigurationValue {
        if let string = value.string { return .string(string) }
        if let integer = value.int { return .integer(integer) }
        if let boolean = value.bool { return .boolean(boolean) }
        if let list = value.array { return .list(list.map(Self.value)) }
        if let table = value.table { return .table(Self.table(table)) }
        return .other("a \(value.type.description)")
    }
}
