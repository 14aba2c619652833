// StandardErrorLog: swift-log's output as one line per event on standard error:
//
//     2026-03-01T12:00:00.000Z info listening address=127.0.0.1:6432 workers=2
//
// A line goes out in one write, so lines of different threads never mix. Values with spaces or quotes are quoted.
import Glibc
import Logging

/// A log handler that writes structured lines to standard error.
public struct StandardErrorLog: LogHandler {
    public var logLevel: Logger.Level
    public var metadata: Logger.Metadata = [:]

    public init(level: Logger.Level) { logLevel = level }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { _, new in new }
        let line = Self.line(level: event.level, message: event.message.description, metadata: all)
        StandardStreams.writeAll(STDERR_FILENO, line)
    }

    static func line(level: Logger.Level, message: String, metadata: Logger.Metadata) -> String {
        var line = "\(timestamp()) \(level.rawValue) \(escaped(message))"
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            line += " \(key)=\(quoted(value.description))"
        }
        return line + "\n"
    }

    static func quoted(_ value: String) -> String {
        let isPlain = !value.isEmpty && value.utf8.allSatisfy { $0 > 0x20 && $0 != UInt8(ascii: "\"") && $0 != 0x7F }
        if isPlain { return value }
        // Scalar by scalar: a quote with an accent is one character.
        let inner = escaped(value).unicodeScalars.reduce(into: "") { result, scalar in
            if scalar == "\"" { result.unicodeScalars.append("\\") }
            result.unicodeScalars.append(scalar)
        }
        return "\"" + inner + "\""
    }

    /// Control characters would let a client forge log lines.
    private static func escaped(_ text: String) -> String {
        if text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) { return text }
        return text.unicodeScalars.reduce(into: "") { result, scalar in
            if scalar.value >= 0x20 && scalar.value != 0x7F {
                result.unicodeScalars.append(scalar)
            } else {
                result += scalar == "\n" ? "\\n" : "\\u{\(String(scalar.value, radix: 16))}"
            }
        }
    }

    /// Now, in UTC, to the millisecond.
    private static func timestamp() -> String {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        var parts = tm()
        gmtime_r(&time.tv_sec, &parts)
        var buffer = [CChar](repeating: 0, count: 32)
        strftime(&buffer, buffer.count, "%Y-%m-%dT%H:%M:%S", &parts)
        let milliseconds = String(time.tv_nsec / 1_000_000)
        return System.text(buffer) + "." + String(repeating: "0", count: 3 - milliseconds.count) + milliseconds + "Z"
    }
}
