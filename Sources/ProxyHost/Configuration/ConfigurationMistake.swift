// ConfigurationMistake: what is wrong in proxy.conf, where, and what to write instead.

/// One mistake in a configuration file.
public struct ConfigurationMistake: Sendable, Equatable, CustomStringConvertible {
    public var file: String
    /// From 1; nil when the mistake is something that is missing altogether.
    public var line: Int?
    /// The key with its section: `proxy.workers`, `shard[1].port` (entries count from 0).
    public var key: String?
    public var message: String
    /// What to do about it.
    public var hint: String?

    /// `proxy.conf:12: proxy.workers: must be from 1 to 256. Hint: ...`
    public var description: String {
        let place = line.map { "\(file):\($0)" } ?? file
        let subject = key.map { "\($0): " } ?? ""
        return "\(place): \(subject)\(message)" + (hint.map { ". Hint: \($0)" } ?? "")
    }
}

/// All mistakes of a configuration file, in the order of their lines.
public struct ConfigurationError: Error, CustomStringConvertible {
    public var mistakes: [ConfigurationMistake]

    public var description: String { mistakes.map(\.description).joined(separator: "\n") }
}

/// Collects mistakes while a file is read, so that all of them are told at once.
final class MistakeCollector {
    let file: String
    private let lines: KeyLines
    private(set) var mistakes: [ConfigurationMistake] = []

    init(file: String, lines: KeyLines) {
        self.file = file
        self.lines = lines
    }

    func add(_ key: String, _ message: String, hint: String? = nil) {
        mistakes.append(
            ConfigurationMistake(file: file, line: lines.line(of: key), key: key, message: message, hint: hint))
    }

    var inOrder: [ConfigurationMistake] {
        mistakes.enumerated()
            .sorted { ($0.element.line ?? .max, $0.offset) < ($1.element.line ?? .max, $1.offset) }
            .map(\.element)
    }
}
