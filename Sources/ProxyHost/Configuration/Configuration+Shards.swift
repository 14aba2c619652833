// The entries [[shard]] and [[user]].
import Primitives
import ProxyCore
import WireProtocol

extension Configuration {
    static func readShards(
        _ entries: [ConfigurationSection], _ settings: inout ProxySettings, directory: String, for purpose: Purpose
    ) {
        for entry in entries {
            let shard = readShard(entry, directory: directory)
            if let shard, settings.shards.contains(where: { isSameServer($0, shard) }) {
                entry.mistake(
                    "host", "is the same server and database as another shard", hint: "its rows would count twice")
            }
            if let shard { settings.shards.append(shard) }
        }
        if entries.count > Limits.maximumShardCount {
            entries[Limits.maximumShardCount].mistake(
                "host", "is one shard too many: there can be \(Limits.maximumShardCount)")
        }
        if case .development = purpose { settings.shards = Array(settings.shards.prefix(1)) }
    }

    private static func isSameServer(_ left: ShardSettings, _ right: ShardSettings) -> Bool {
        left.host == right.host && left.port == right.port && left.database == right.database
    }

    private static func readShard(_ entry: ConfigurationSection, directory: String) -> ShardSettings? {
        let host = entry.string("host")
        var port = 5432
        var database = "postgres"
        entry.integer("port", into: &port, in: 1...65_535)
        entry.string("dbname", into: &database)
        let mode: TLSMode? = entry.choice("tls")
        let roots = entry.file("tls_root_certificate", directory: directory)
        entry.finish()
        guard let host else {
            if !entry.has("host") {
                entry.missing("host", hint: "a name, an address, or the directory of a unix socket")
            }
            return nil
        }
        var shard = ShardSettings(host: host, port: port, database: database)
        shard.tlsMode = mode ?? .disable
        shard.tlsRootCertificateFile = roots
        checkTLS(entry, host: host, shard.tlsMode)
        let path = SocketAddress.unixPath(directory: host, port: port)
        if host.hasPrefix("/") && path.utf8.count > SocketAddress.maximumPathBytes {
            entry.mistake("host", "the path \(path) is too long for a unix socket")
        }
        return shard
    }

    /// What a section says of TLS towards a server must have a meaning.
    static func checkTLS(_ entry: ConfigurationSection, host: String, _ mode: TLSMode) {
        if entry.has("tls_root_certificate") && !mode.isVerifying {
            entry.mistake(
                "tls_root_certificate", "is not used with tls = \"\(mode.rawValue)\"",
                hint: "set tls = \"verify-ca\" or \"verify-full\"")
        }
        if host.hasPrefix("/") && mode != .disable {
            entry.mistake("tls", "is not possible over a unix socket", hint: "set tls = \"disable\"")
        }
    }

    static func readUsers(_ entries: [ConfigurationSection], _ settings: inout ProxySettings, directory: String) {
        for entry in entries {
            let name = entry.string("name")
            let password = readPassword(entry, directory: directory)
            let shardPassword = entry.secret("shard_password", directory: directory)
            entry.finish()
            if name == nil && !entry.has("name") { entry.missing("name") }
            if let name, settings.users.contains(where: { $0.name == name }) {
                entry.mistake("name", "user \"\(name)\" stands twice")
            }
            // An entry without a name keeps its place, so that later mistakes name the right one.
            settings.users.append(UserSettings(name: name ?? "", password: password, shardPassword: shardPassword))
        }
    }

    /// password, password_file or verifier.
    private static func readPassword(_ entry: ConfigurationSection, directory: String) -> String? {
        let password = entry.secret("password", directory: directory)
        guard let verifier = entry.string("verifier") else { return password }
        if password != nil { entry.mistake("verifier", "stands beside a password", hint: "give one of the two") }
        if ScramVerifier(verifier) == nil && !isMD5(verifier) {
            entry.mistake(
                "verifier", "is neither SCRAM-SHA-256$... nor md5...", hint: "copy rolpassword from pg_authid")
        }
        return verifier
    }
}
