// Configuration: proxy.conf to ProxySettings.
import Primitives
import ProxyCore

/// One mistake in a configuration file.
public struct ConfigurationMistake: Sendable, Equatable, CustomStringConvertible {
    public var file: String
    public var line: Int?
    public var key: String?
    public var message: String
    public var description: String { "\(file): \(message)" }
}

/// All mistakes of a configuration file.
public struct ConfigurationError: Error, CustomStringConvertible {
    public var mistakes: [ConfigurationMistake]
    public var description: String { mistakes.map(\.description).joined(separator: "; ") }
}

public enum Configuration {
    public static func read(_ path: String) throws -> ProxySettings { .development }
    public static func checkFiles(_ settings: ProxySettings) throws {}
}

extension ProxySettings {
    /// Settings of `pgbraid dev` without a configuration file: anyone on this machine may log in as any role.
    public static var development: ProxySettings {
        var settings = ProxySettings()
        settings.authentication = .trust
        settings.allowsUnlistedUsers = true
        return settings
    }
}

extension ListenAddress {
    /// "127.0.0.1:6432", "[::1]:6432", "*:6432" or "/tmp:6432".
    public init?(text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (1...65535).contains(port)
        else { return nil }
        let host = String(text[..<colon])
        if host.isEmpty { return nil }
        if host.hasPrefix("/") {
            self = .unix(directory: host, port: port)
        } else if host == "*" {
            self = .tcp(host: "0.0.0.0", port: port)
        } else if host.hasPrefix("[") && host.hasSuffix("]") {
            self = .tcp(host: String(host.dropFirst().dropLast()), port: port)
        } else {
            self = .tcp(host: host, port: port)
        }
    }
}
