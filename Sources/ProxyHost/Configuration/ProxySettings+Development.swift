// Settings that do not come from a file.
import ProxyCore

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
    /// "127.0.0.1:6432", "[::1]:6432", "*:6432" (all addresses of both families) or "/tmp:6432" (a unix socket).
    public init?(text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (0...65_535).contains(port)
        else { return nil }
        let host = String(text[..<colon])
        if host.hasPrefix("/") {
            self = .unix(directory: host, port: port)
        } else if host.hasPrefix("[") && host.hasSuffix("]") && host.count > 2 {
            self = .tcp(host: String(host.dropFirst().dropLast()), port: port)
        } else if !host.isEmpty && !host.contains(where: { ":[]".contains($0) }) {
            self = .tcp(host: host, port: port)
        } else {
            return nil
        }
    }
}
