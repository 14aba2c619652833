// Times, sizes, files and secrets in a section.
import Glibc
import Primitives

extension ConfigurationSection {
    /// A length of time. `into` keeps its value when the key is missing or wrong.
    func duration(_ key: String, into target: inout Span, isZeroAllowed: Bool = false) {
        guard has(key) else { return _ = value(key) }
        guard case .string(let text)? = value(key), let span = Quantities.duration(text) else {
            return mistake(
                key, "is no length of time",
                hint: "write a whole number and a unit in quotes: \"500ms\", \"30s\", \"10min\", \"1h\"")
        }
        if span > .zero || isZeroAllowed { return target = span }
        mistake(key, "must be longer than zero")
    }

    /// A number of bytes.
    func size(_ key: String, into target: inout Int, atLeast minimum: Int = 1, atMost maximum: Int = 1 << 30) {
        guard has(key) else { return _ = value(key) }
        guard case .string(let text)? = value(key), let size = Quantities.size(text) else {
            return mistake(key, "is no size", hint: "write a whole number and a unit in quotes: \"64kB\", \"16MB\"")
        }
        if (minimum...maximum).contains(size) { return target = size }
        mistake(key, "must be from \(minimum) to \(maximum) bytes")
    }

    func integer(_ key: String, into target: inout Int, in range: ClosedRange<Int>) {
        if let number = integer(key, in: range) { target = number }
    }

    func string(_ key: String, into target: inout String) {
        if let text = string(key) { target = text }
    }

    /// The path of a file that can be read; relative paths begin at the configuration file's directory.
    func file(_ key: String, directory: String) -> String? {
        guard let text = string(key) else { return nil }
        let path = text.hasPrefix("/") ? text : "\(directory)/\(text)"
        if access(path, R_OK) == 0 { return path }
        mistake(key, "the file \(path) cannot be read: \(System.message(errno))")
        return nil
    }

    /// A secret given as `key` or in the file that `key`_file names (its first line). Its value is never in a message.
    func secret(_ key: String, directory: String) -> String? {
        let inline = string(key)
        guard let path = file("\(key)_file", directory: directory) else { return inline }
        if inline != nil { mistake("\(key)_file", "stands beside \(key)", hint: "give one of the two") }
        guard let content = try? FileSystem.read(path) else {
            mistake("\(key)_file", "the file \(path) cannot be read")
            return nil
        }
        let line = String(
            decoding: content.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }, as: UTF8.self)
        if line.isEmpty { mistake("\(key)_file", "the file \(path) is empty") }
        return line.isEmpty ? nil : line
    }
}
