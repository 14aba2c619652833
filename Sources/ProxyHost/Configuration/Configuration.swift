// Configuration: proxy.conf (TOML) to ProxySettings.
//
// Strict: unknown keys, wrong types, values out of range and contradictions are mistakes, and all mistakes are told
// at once, each with its line, its key and a hint. docs/configuration.md lists every key.
import Primitives
import ProxyCore

/// Reads configuration files.
public enum Configuration {
    /// Who asks, since `pgbraid dev` brings its own shards.
    public enum Purpose: Sendable {
        case run
        case development(shardCount: Int)
    }

    /// Reads a file.
    /// - Throws: ConfigurationError with all mistakes.
    public static func read(_ path: String, for purpose: Purpose = .run) throws(ConfigurationError) -> ProxySettings {
        let content: [UInt8]
        do throws(SystemError) {
            content = try FileSystem.read(path)
        } catch {
            throw ConfigurationError(mistakes: [
                ConfigurationMistake(
                    file: path, message: "cannot be read: \(System.message(error.code))",
                    hint: "name the configuration with --config FILE")
            ])
        }
        let directory = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        return try parse(
            String(decoding: content, as: UTF8.self), file: path, directory: directory.isEmpty ? "/" : directory,
            for: purpose)
    }

    /// Reads the text of a configuration.
    /// - Parameter directory: where relative paths begin.
    static func parse(
        _ text: String, file: String, directory: String, for purpose: Purpose = .run
    ) throws(ConfigurationError) -> ProxySettings {
        let values = try ConfigurationValue.parse(text, file: file)
        let mistakes = MistakeCollector(file: file, lines: KeyLines(text))
        let root = ConfigurationSection(path: "", values: values, mistakes: mistakes)
        var settings = ProxySettings()
        readProxy(root.section("proxy"), &settings)
        readLimits(root.section("limits"), &settings.limits)
        readTimeouts(root.section("timeouts"), &settings)
        readTransactions(root.section("transactions"), &settings)
        readCapacity(root.section("capacity"), &settings.capacity)
        readTLS(root.section("tls"), &settings, directory: directory)
        readAdmin(root.section("admin"), &settings, directory: directory)
        readHTTP(root.section("http"), &settings, directory: directory)
        readShards(root.entries("shard"), &settings, directory: directory, for: purpose)
        readUsers(root.entries("user"), &settings, directory: directory)
        readRules(root.section("sharding"), root.entries("table"), &settings, for: purpose)
        readReconciliations(root.entries("reconciliation"), &settings, directory: directory)
        root.finish()
        checkTogether(root, settings, for: purpose)
        if !mistakes.mistakes.isEmpty { throw ConfigurationError(mistakes: mistakes.inOrder) }
        return settings
    }

    /// Loads what the settings name (certificates and keys), as `run` would.
    /// - Throws: TLSError.
    public static func checkFiles(_ settings: ProxySettings) throws { _ = try TLSContexts(settings) }

    /// Contradictions between sections.
    private static func checkTogether(
        _ root: ConfigurationSection, _ settings: ProxySettings, for purpose: Purpose
    ) {
        if case .run = purpose, settings.shards.isEmpty && !root.has("shard") {
            root.missing("shard", hint: "describe every PostgreSQL server in a section [[shard]]")
        }
        if settings.authentication == .trust { return }
        if settings.users.isEmpty && !root.has("user") {
            root.missing(
                "user", hint: "list the roles that may log in in sections [[user]], or set proxy.auth = \"trust\"")
        }
        for (number, user) in settings.users.enumerated() {
            checkPassword(root, user, "user[\(number)]", settings.authentication)
        }
    }

    private static func checkPassword(
        _ root: ConfigurationSection, _ user: UserSettings, _ path: String, _ method: AuthenticationMethod
    ) {
        guard let password = user.password else {
            return root.mistake(
                path, "user \"\(user.name)\" has no password", hint: "set password, password_file or verifier")
        }
        if method == .scramSHA256 && isMD5(password) {
            root.mistake(
                path, "an md5 verifier cannot be used with scram-sha-256",
                hint: "set proxy.auth = \"md5\", or give a SCRAM verifier")
        }
        if method == .md5 && password.hasPrefix("SCRAM-SHA-256$") {
            root.mistake(path, "a SCRAM verifier cannot be used with md5", hint: "set proxy.auth = \"scram-sha-256\"")
        }
    }

    /// `md5` and 32 hexadecimal digits, as pg_authid stores it.
    static func isMD5(_ password: String) -> Bool {
        password.utf8.count == 35 && password.hasPrefix("md5") && password.dropFirst(3).allSatisfy(\.isHexDigit)
    }
}
