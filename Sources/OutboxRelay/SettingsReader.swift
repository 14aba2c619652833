// SettingsReader: reads one section of the relay's configuration, key by key, and notes every mistake. The only file that knows the TOML library.
import TOMLKit

/// What is wrong in a configuration file, all of it.
public struct ConfigurationMistakes: Error, CustomStringConvertible {
    public var mistakes: [String]
    public var description: String { mistakes.joined(separator: "\n") }
}

final class SettingsReader {
    private let table: TOMLTable
    private let path: String
    private let notes: Notes
    private var known: Set<String> = []

    final class Notes { var mistakes: [String] = [] }

    /// - Throws: ConfigurationMistakes for a text that is not TOML.
    convenience init(text: String) throws(ConfigurationMistakes) {
        do {
            self.init(table: try TOMLTable(string: text), path: "", notes: Notes())
        } catch let error as TOMLParseError {
            throw ConfigurationMistakes(mistakes: ["line \(error.source.begin.line): not TOML: \(error.description)"])
        } catch {
            throw ConfigurationMistakes(mistakes: ["not TOML: \(error)"])
        }
    }

    private init(table: TOMLTable, path: String, notes: Notes) {
        self.table = table
        self.path = path
        self.notes = notes
    }

    var mistakes: [String] { notes.mistakes }

    func has(_ key: String) -> Bool { table.contains(key: key) }

    func mistake(_ key: String, _ message: String) { notes.mistakes.append("\(path)\(key): \(message)") }

    private func read<Value>(_ key: String, _ wanted: String, _ convert: (any TOMLValueConvertible) -> Value?) -> Value? {
        known.insert(key)
        guard let raw = table[key] else { return nil }
        if let value = convert(raw) { return value }
        mistake(key, "must be \(wanted)")
        return nil
    }

    func string(_ key: String) -> String? { read(key, "a text in quotes") { $0.string } }

    func integer(_ key: String, in range: ClosedRange<Int>) -> Int? {
        read(key, "a whole number from \(range.lowerBound) to \(range.upperBound)") { value in value.int.flatMap { range.contains($0) ? $0 : nil } }
    }

    func choice(_ key: String, _ words: [String]) -> String? {
        read(key, "one of \(words.joined(separator: ", "))") { value in value.string.flatMap { words.contains($0) ? $0 : nil } }
    }

    func strings(_ key: String) -> [String]? {
        read(key, "a list of texts") { value in value.array.flatMap { list in list.allSatisfy { $0.string != nil } ? list.compactMap(\.string) : nil } }
    }

    func integers(_ key: String, from least: Int) -> [Int]? {
        read(key, "a list of whole numbers from \(least)") { value in
            value.array.flatMap { list in list.allSatisfy { $0.int.map { $0 >= least } ?? false } ? list.compactMap(\.int) : nil }
        }
    }

    /// A whole number and ms, s, min, h or d.
    func duration(_ key: String, from least: Duration) -> Duration? {
        read(key, "a time like 50ms, 30s, 5min, 12h or 7d, at least \(least)") { value in
            value.string.flatMap(Self.duration).flatMap { $0 >= least ? $0 : nil }
        }
    }

    static func duration(_ text: String) -> Duration? {
        let units: [(name: String, length: Duration)] = [
            ("ms", .milliseconds(1)), ("min", .seconds(60)), ("s", .seconds(1)), ("h", .seconds(3600)), ("d", .seconds(86_400)),
        ]
        guard let unit = units.first(where: { text.hasSuffix($0.name) }), let number = Int(text.dropLast(unit.name.count)), (0...1_000_000).contains(number) else { return nil }
        return unit.length * number
    }

    /// The section of this name; empty where there is none.
    func section(_ key: String) -> SettingsReader {
        let table = read(key, "a section, written [\(path)\(key)]") { $0.table }
        return SettingsReader(table: table ?? TOMLTable(), path: "\(path)\(key).", notes: notes)
    }

    /// All keys, with texts, numbers or truths as texts.
    func texts() -> [String: String] {
        var texts: [String: String] = [:]
        for key in table.keys {
            texts[key] = read(key, "a text, a number, true or false") { $0.string ?? $0.int.map(String.init) ?? $0.bool.map { $0 ? "true" : "false" } }
        }
        return texts
    }

    /// Tells every key that was not asked for.
    func finish() {
        for key in table.keys.sorted() where !known.contains(key) { mistake(key, "is not a known key; known here: \(known.sorted().joined(separator: ", "))") }
    }
}
