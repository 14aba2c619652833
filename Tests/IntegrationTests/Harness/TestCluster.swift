// TestCluster: a proxy in front of some servers, with a configuration of its own.
import Foundation
import TestSupport

/// A proxy that listens on a loopback port of its own.
final class TestCluster {
    let servers: [TemporaryPostgreSQL]
    let port: Int
    let directory: String
    /// The entries [[shard]] where they are not simply the servers' unix sockets.
    private let shardEntries: [[String]]?
    private var process: ProxyProcess?
    private var startCount = 0

    var configurationPath: String { "\(directory)/proxy.conf" }
    private var logPath: String { "\(directory)/proxy-\(startCount).log" }

    /// Starts a proxy and waits until it serves clients.
    /// - Parameters:
    ///   - settings: lines by section, e.g. `["timeouts": ["in_doubt = \"1s\""]]`, and `[""]` for whole sections. Without `auth`
    ///     in section proxy everybody may log in.
    ///   - shardEntries: the lines of each entry [[shard]].
    ///   - isWaiting: until it serves clients who need no password.
    init(
        servers: [TemporaryPostgreSQL], settings: [String: [String]] = [:], shardEntries: [[String]]? = nil, isWaiting: Bool = true
    ) throws {
        self.servers = servers
        self.shardEntries = shardEntries
        port = try TestDirectory.freePort()
        directory = try TestDirectory.make()
        try configure(settings)
        try start(isWaiting: isWaiting)
    }

    deinit {
        process?.kill()
        try? FileManager.default.removeItem(atPath: directory)
    }

    func configure(_ settings: [String: [String]]) throws {
        var lines = ["[proxy]", "listen = \"127.0.0.1:\(port)\""]
        if settings["proxy"]?.contains(where: { $0.hasPrefix("auth ") }) != true {
            lines += ["auth = \"trust\"", "allow_unlisted_users = true"]
        }
        lines += settings["proxy"] ?? []
        // PGBRAID_WORKERS=3 gives every proxy that many workers where the test says nothing of it.
        let isStrict = settings["transactions"]?.contains { $0.contains("\"strict\"") } == true
        if let workers = ProcessInfo.processInfo.environment["PGBRAID_WORKERS"], !isStrict, !lines.contains(where: { $0.hasPrefix("workers ") }) {
            lines.append("workers = \(workers)")
        }
        for (section, content) in settings.sorted(by: { $0.key < $1.key }) where section != "proxy" && section != "" {
            lines += ["[\(section)]"] + content
        }
        let entries = shardEntries ?? servers.map { ["host = \"\($0.socketDirectory)\"", "port = \($0.port)"] }
        for entry in entries { lines += ["[[shard]]"] + entry }
        lines += settings[""] ?? []
        try (lines.joined(separator: "\n") + "\n").write(toFile: configurationPath, atomically: true, encoding: .utf8)
    }

    func start(isWaiting: Bool = true) throws {
        startCount += 1
        process = try ProxyProcess(configurationPath: configurationPath, logPath: logPath)
        guard isWaiting else { return }
        do {
            try eventually("the proxy serves clients") { _ = try WireClient(port: port, database: "postgres"); return true }
        } catch {
            throw ConditionNotMet(description: "\(error)\n\(log)")
        }
    }

    /// Ends the proxy as a crash would.
    func kill() {
        process?.kill()
        process = nil
    }

    /// Lets open transactions finish; returns the exit status.
    @discardableResult
    func stop() -> Int32 {
        defer { process = nil }
        return process?.stop() ?? 0
    }

    var isRunning: Bool { process?.isRunning ?? false }

    /// What the proxy has logged since its last start.
    var log: String { (try? String(contentsOfFile: logPath, encoding: .utf8)) ?? "" }

    /// Statements through the proxy, one after another, by psql.
    @discardableResult
    func psql(_ sql: String, user: String = "postgres") throws -> [[String?]] {
        try Psql.rows(of: sql, host: "127.0.0.1", port: port, user: user, database: "postgres")
    }

    /// Commands of the admin database.
    @discardableResult
    func console(_ command: String) throws -> [[String?]] {
        try Psql.rows(of: command, host: "127.0.0.1", port: port, user: "postgres", database: "pgbraid")
    }

    /// The same statement on every shard itself; one list of rows a shard.
    @discardableResult
    func onShards(_ sql: String) throws -> [[[String?]]] { try servers.map { try $0.psql(sql) } }
}

/// The proxies that suites share.
struct SharedClusters: @unchecked Sendable {
    static let shared = Result { try SharedClusters() }

    let one: TestCluster
    let two: TestCluster
    let four: TestCluster
    /// In a database of its own on the four servers, with strict reads.
    let strict: TestCluster

    private init() throws {
        let servers = try TestServers.shared.get()
        let local = ["[[table]]", "name = \"local_events\"", "kind = \"local\""]
        one = try TestCluster(servers: [servers.single], settings: ["": local])
        two = try TestCluster(servers: servers.two, settings: ["": local])
        four = try TestCluster(servers: servers.four, settings: ["": local])
        for server in servers.four { try server.psql("CREATE DATABASE strict") }
        strict = try TestCluster(
            servers: servers.four, settings: ["transactions": ["consistent_reads = \"strict\""], "": local],
            shardEntries: servers.four.map { ["host = \"\($0.socketDirectory)\"", "port = \($0.port)", "dbname = \"strict\""] })
    }
}
