// ConfigurationSection: reads one table of the configuration, key by key, and notes every mistake.
//
// Reading never stops at a mistake: each reader gives the fallback and goes on. Keys that nobody asked for are told
// as unknown by `finish`, with the nearest known key as a hint.

/// One table of the configuration under reading.
final class ConfigurationSection {
    /// `proxy`, `shard[1]`; empty for the whole document.
    let path: String
    let mistakes: MistakeCollector
    private let values: [String: ConfigurationValue]
    private var known: Set<String> = []

    init(path: String, values: [String: ConfigurationValue], mistakes: MistakeCollector) {
        self.path = path
        self.values = values
        self.mistakes = mistakes
    }

    /// A key's full name.
    func name(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    func has(_ key: String) -> Bool { values[key] != nil }

    /// What stands in it, for sections whose keys are names that the configuration's author chooses.
    var keys: [String] { values.keys.sorted() }

    func mistake(_ key: String, _ message: String, hint: String? = nil) {
        mistakes.add(name(key), message, hint: hint)
    }

    /// A key without value and what is wrong with that.
    func missing(_ key: String, hint: String? = nil) {
        mistakes.add(path.isEmpty ? key : name(key), "is missing", hint: hint)
    }

    /// The raw value; the key counts as known.
    func value(_ key: String) -> ConfigurationValue? {
        known.insert(key)
        return values[key]
    }

    private func wrongKind(_ key: String, _ value: ConfigurationValue, _ wanted: String) {
        mistake(key, "is \(value.kind), must be \(wanted)")
    }

    // MARK: Kinds of values

    func string(_ key: String) -> String? {
        guard let value = value(key) else { return nil }
        guard case .string(let text) = value else {
            wrongKind(key, value, "a string in quotes")
            return nil
        }
        if text.isEmpty { mistake(key, "is empty") }
        return text.isEmpty ? nil : text
    }

    func boolean(_ key: String) -> Bool? {
        guard let value = value(key) else { return nil }
        if case .boolean(let flag) = value { return flag }
        wrongKind(key, value, "true or false")
        return nil
    }

    func integer(_ key: String, in range: ClosedRange<Int>) -> Int? {
        guard let value = value(key) else { return nil }
        guard case .integer(let number) = value else {
            wrongKind(key, value, "a whole number")
            return nil
        }
        if range.contains(number) { return number }
        mistake(key, "is \(number), must be from \(range.lowerBound) to \(range.upperBound)")
        return nil
    }

    /// One of an enumeration's words.
    func choice<Choice: RawRepresentable & CaseIterable>(_ key: String) -> Choice? where Choice.RawValue == String {
        guard let text = string(key) else { return nil }
        if let choice = Choice(rawValue: text) { return choice }
        let words = Choice.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
        mistake(key, "is \"\(text)\", must be one of \(words)")
        return nil
    }

    /// A string, or a list of strings.
    func strings(_ key: String) -> [String]? {
        guard let value = value(key) else { return nil }
        if case .string(let text) = value { return [text] }
        if case .list(let list) = value {
            let texts = list.compactMap { if case .string(let text) = $0 { text } else { nil as String? } }
            if texts.count == list.count { return texts }
        }
        wrongKind(key, value, "a string or a list of strings")
        return nil
    }

    // MARK: Sections

    /// The section `[key]`, empty when the file has none.
    func section(_ key: String) -> ConfigurationSection {
        let value = value(key)
        guard case .table(let table)? = value else {
            if let value { wrongKind(key, value, "a section, written [\(key)]") }
            return ConfigurationSection(path: name(key), values: [:], mistakes: mistakes)
        }
        return ConfigurationSection(path: name(key), values: table, mistakes: mistakes)
    }

    /// The entries `[[key]]`, or a list of inline tables.
    func entries(_ key: String, written: String? = nil) -> [ConfigurationSection] {
        guard let value = value(key) else { return [] }
        let form = written ?? "sections, each written [[\(key)]]"
        guard case .list(let list) = value else {
            wrongKind(key, value, form)
            return []
        }
        return list.enumerated().compactMap { number, entry in
            guard case .table(let table) = entry else {
                wrongKind(key, entry, form)
                return nil
            }
            return ConfigurationSection(path: "\(name(key))[\(number)]", values: table, mistakes: mistakes)
        }
    }

    /// Tells every key that was not asked for.
    func finish() {
        for key in values.keys.sorted() where !known.contains(key) {
            let nearest = known.sorted().min { EditDistance.between($0, key) < EditDistance.between($1, key) }
            let isNear = nearest.map { EditDistance.between($0, key) <= max(2, key.count / 3) } ?? false
            let hint =
                isNear ? "did you mean \"\(nearest ?? "")\"?" : "known here: \(known.sorted().joined(separator: ", "))"
            mistake(key, "is not a known key", hint: hint)
        }
    }
}

/// How many letters must change to make one word of another (Levenshtein).
enum EditDistance {
    static func between(_ left: String, _ right: String) -> Int {
        let right = Array(right)
        var previous = Array(0...right.count)
        for (row, letter) in left.enumerated() {
            var current = [row + 1]
            for (column, other) in right.enumerated() {
                let replaced = previous[column] + (letter == other ? 0 : 1)
                current.append(min(replaced, previous[column + 1] + 1, current[column] + 1))
            }
            previous = current
        }
        return previous[right.count]
    }
}
