// TemporaryPostgreSQL: a real PostgreSQL server for one test, because behaviour is asked of PostgreSQL, not of memory.
//
// Each instance has its own data directory, loopback port and unix socket in a fresh directory under /tmp, accepts
// every local user without a password, and does not sync to disk. PostgreSQL refuses to run as root, so a root test
// run starts it as user `postgres`. `stop` (or the last reference going away) stops the server and removes the
// directory; a watcher process does the same should the test process die first.
import Foundation

/// A PostgreSQL server that lives as long as this object. Safe to use from several tests at once.
public final class TemporaryPostgreSQL: Sendable {
    public let directory: String
    public let port: Int
    private let watcher: ServerWatcher

    /// The directory of the unix socket: a `host` for libpq and for `psql -h`.
    public var socketDirectory: String { directory }
    /// The unix socket itself.
    public var socketPath: String { "\(directory)/.s.PGSQL.\(port)" }
    /// The TCP address is `127.0.0.1` and `port`.
    public let host = "127.0.0.1"
    /// The superuser's name.
    public let user = "postgres"

    private var dataDirectory: String { "\(directory)/data" }

    /// Creates and starts a server.
    /// - Parameters:
    ///   - settings: lines of postgresql.conf, e.g. `["max_prepared_transactions": "50"]`.
    ///   - hostBasedAuthentication: lines of pg_hba.conf instead of "trust everyone local".
    /// - Throws: `TestProcessError` with the output of initdb or pg_ctl.
    public init(settings: [String: String] = [:], hostBasedAuthentication: [String]? = nil) throws {
        directory = try TestDirectory.make()
        port = try TestDirectory.freePort()
        watcher = try ServerWatcher(directory: directory)
        try DataDirectoryTemplate.copy(to: dataDirectory)
        try configure(settings)
        if let hostBasedAuthentication {
            let lines = hostBasedAuthentication.joined(separator: "\n") + "\n"
            try lines.write(toFile: "\(dataDirectory)/pg_hba.conf", atomically: false, encoding: .utf8)
        }
        try start()
    }

    deinit { stop() }

    /// Starts the server again after `stopServer`.
    public func start() throws {
        try PostgreSQLProgram.run("pg_ctl", ["-D", dataDirectory, "-l", "\(directory)/server.log", "-w", "start"])
    }

    /// Stops the server but keeps its data.
    /// - Parameter mode: smart, fast, or immediate (as a crash would: recovery runs at the next start).
    public func stopServer(mode: String = "fast") throws {
        try PostgreSQLProgram.run("pg_ctl", ["-D", dataDirectory, "-w", "-m", mode, "stop"])
    }

    /// Stops the server and removes its directory. Harmless when already stopped.
    public func stop() {
        try? stopServer(mode: "immediate")
        watcher.cancel()
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// Appends settings to postgresql.conf; they count from the next start or reload.
    public func configure(_ settings: [String: String]) throws {
        let path = "\(dataDirectory)/postgresql.conf"
        let defaults = [
            "port": "\(port)", "listen_addresses": host, "unix_socket_directories": directory, "fsync": "off",
            "max_prepared_transactions": "20",
        ]
        let lines = defaults.merging(settings) { $1 }.sorted { $0.key < $1.key }.map { "\($0.key) = '\($0.value)'\n" }
        let text = try String(contentsOfFile: path, encoding: .utf8) + lines.joined()
        try text.write(toFile: path, atomically: false, encoding: .utf8)
    }

    /// The server's log so far.
    public var log: String { (try? String(contentsOfFile: "\(directory)/server.log", encoding: .utf8)) ?? "" }

    /// Runs `sql` statement by statement through psql, stopping at the first error.
    /// - Returns: the rows of all its results, one after another; nil is NULL.
    /// - Throws: `TestProcessError` whose `output` is psql's standard error with SQLSTATEs.
    @discardableResult
    public func psql(_ sql: String, database: String = "postgres", user: String? = nil) throws -> [[String?]] {
        try Psql.rows(of: sql, host: socketDirectory, port: port, user: user ?? self.user, database: database)
    }

    /// Writes a file that the server itself can read (`COPY t FROM 'path'`) and returns its path.
    public func file(_ name: String, _ bytes: [UInt8]) throws -> String {
        let path = "\(directory)/\(name)"
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        return path
    }
}
