// DevelopmentServers: local PostgreSQL servers that play the shards, for `pgbraid dev` and `make run`.
//
// Server i keeps its data in DIR/shard<i>, its log in DIR/logs/shard<i>.log, and listens only on the unix socket
// DIR/sockets/.s.PGSQL.<6500 + i>. They are started by pg_ctl as servers of their own: a proxy that is killed leaves
// them running, and the next `dev` on the same DIR takes them over.
import Glibc
import Logging
import ProxyCore

/// The PostgreSQL servers of a development cluster.
public struct DevelopmentServers {
    /// The first server's port number; on a unix socket it is only part of the file's name.
    public static let firstPort = 6500

    private let directory: String
    private let socketDirectory: String
    private let count: Int
    private let options: [String]
    private let programs: PostgresPrograms
    private let logger: Logger

    /// - Parameters:
    ///   - directory: holds everything; made when missing.
    ///   - options: further settings of every server, as name=value.
    /// - Throws: ChildProcessError or SystemError.
    public init(directory: String, count: Int, options: [String], logger: Logger) throws {
        self.directory = FileSystem.absolute(directory)
        self.count = count
        self.options = options
        self.logger = logger
        programs = try PostgresPrograms()
        try FileSystem.makeDirectory(self.directory)
        socketDirectory = "\(self.directory)/sockets"
        let longest = SocketAddress.unixPath(directory: socketDirectory, port: Self.firstPort + count)
        guard longest.utf8.count < SocketAddress.maximumPathBytes else {
            throw ChildProcessError(
                description: "the path \(longest) is too long for a unix socket; choose a shorter --data")
        }
        try makeOwned(socketDirectory)
        try makeOwned("\(self.directory)/logs")
    }

    /// What the proxy needs to reach the servers.
    public var shards: [ShardSettings] {
        (0..<count).map {
            ShardSettings(host: socketDirectory, port: Self.firstPort + $0, database: "postgres")
        }
    }

    /// Makes what is missing and starts what does not run.
    public func start() throws {
        let missing = (0..<count).filter { !FileSystem.exists("\(data($0))/PG_VERSION") }
        if !missing.isEmpty { logger.info("creating PostgreSQL servers", metadata: ["data": "\(directory)"]) }
        for index in missing { try makeOwned(data(index)) }
        try runAll(missing) { initialise($0) }
        try runAll((0..<count).filter { !isRunning($0) }) { startCommand($0) }
    }

    /// Stops all servers and waits for them.
    public func stop() {
        for index in 0..<count where isRunning(index) {
            let command = programs.command("pg_ctl", ["stop", "-s", "-w", "-m", "fast", "-D", data(index)])
            do {
                try ChildProcess(command, log: setupLog(index)).wait()
            } catch {
                logger.error("a PostgreSQL server did not stop", metadata: ["shard": "\(index)", "error": "\(error)"])
            }
        }
    }

    private func data(_ index: Int) -> String { "\(directory)/shard\(index)" }
    /// What the server itself logs.
    private func log(_ index: Int) -> String { "\(directory)/logs/shard\(index).log" }
    /// What initdb and pg_ctl print.
    private func setupLog(_ index: Int) -> String { "\(directory)/logs/shard\(index)-setup.log" }

    /// Makes a directory that belongs to the user the servers run as.
    private func makeOwned(_ path: String) throws {
        try FileSystem.makeDirectory(path)
        guard System.effectiveUser == 0 else { return }
        guard let user = getpwnam("postgres") else {
            throw ChildProcessError(description: "there is no user postgres to run the servers as")
        }
        let (owner, group) = (user.pointee.pw_uid, user.pointee.pw_gid)
        try System.check("chown \(path)") { chown(path, owner, group) }
    }

    private func runAll(_ indexes: [Int], _ command: (Int) -> [String]) throws {
        let running = try indexes.map { try ChildProcess(command($0), log: setupLog($0)) }
        for child in running { try child.wait() }
    }

    private func isRunning(_ index: Int) -> Bool {
        let child = try? ChildProcess(programs.command("pg_ctl", ["status", "-D", data(index)]), log: "/dev/null")
        return child?.waitForExitCode() == 0
    }

    private func initialise(_ index: Int) -> [String] {
        programs.command(
            "initdb",
            ["-D", data(index), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])
    }

    private func startCommand(_ index: Int) -> [String] {
        let settings =
            [
                "listen_addresses=", "unix_socket_directories=\(socketDirectory)", "port=\(Self.firstPort + index)",
                "max_prepared_transactions=200", "max_connections=200", "cluster_name=shard\(index)",
            ] + options
        // pg_ctl hands the options to a shell.
        let words = settings.map { "-c '\($0.replacing("'", with: "'\\''"))'" }.joined(separator: " ")
        return programs.command(
            "pg_ctl", ["start", "-s", "-w", "-t", "120", "-D", data(index), "-l", log(index), "-o", words])
    }
}
