// pgbraid reconcile: are the rows where and what they should be?
import ArgumentParser
import DatabaseClient
import Glibc
import ProxyCore
import ProxyHost
import Reconciliation

struct ReconcileCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reconcile", abstract: "Compare what the configuration names, and look for rows that are not where they should be.",
        discussion: "Works as a client of a proxy that runs: the first address of `listen`, or --host and --port. The password is the admin user's of the "
            + "configuration, or PGPASSWORD. Without names all comparisons are made. Exit status 0: all is equal; 1: something differs; 2: something "
            + "could not be compared.")

    @Argument(help: "Which comparisons: names of the configuration, misplaced_rows, reference_tables, prepared_transactions, outbox.") var names: [String] = []
    @Option(help: "The configuration file.") var config = "proxy.conf"
    @Option(help: "Where the proxy is: a name, an address, or the directory of a unix socket.") var host: String?
    @Option(help: "Its port.") var port: Int?
    @Option(help: "The role to read as. Reading a table can run functions of its owner: take no superuser, and --no-store, unless you trust all owners.") var user: String?
    @Flag(help: "One line of JSON for each comparison.") var json = false
    @Flag(help: "Only list the names of the comparisons.") var list = false
    @Flag(help: "Do not store the results in pgbraid.reconciliation_tasks.") var noStore = false
    @Option(help: "Write SQL that would repair what was found to this file, - for standard output. It is not run.") var repair: String?

    /// What the exit status says.
    private static let (differing, failing) = (Int32(1), Int32(2))

    func run() throws {
        // OpenSSL's writes to a connection that has broken would end the process.
        signal(SIGPIPE, SIG_IGN)
        let settings: ProxySettings
        do { settings = try readConfiguration(config) } catch { throw ExitCode(Self.failing) }
        let all = Reconciler.names(settings.reconciliations)
        if list { return StandardStreams.printOutput(all.joined(separator: "\n")) }
        let reconciler = Reconciler(
            cluster: ReconciledCluster(name: settings.clusterName, shardCount: settings.shards.count, rules: settings.rules, connect: { try connect(settings) }),
            keepsRepairs: repair != nil)
        // An outbox is looked at unasked only where the configuration has one.
        let wanted = names.isEmpty ? all.filter { name in name != "outbox" || settings.reconciliations.contains { $0.name == name } } : names
        var script: [String] = []
        var status: Int32 = 0
        for name in wanted {
            let result = made(name, reconciler, settings)
            StandardStreams.printOutput(json ? try result.json : result.text)
            status = max(status, result.error != nil ? Self.failing : result.status == .equal ? 0 : Self.differing)
            script += result.repair
            if !noStore { status = max(status, stored(result, settings)) }
        }
        if let repair, !write(script, to: repair) { status = Self.failing }
        if status != 0 { throw ExitCode(status) }
    }

    private func made(_ name: String, _ reconciler: Reconciler, _ settings: ProxySettings) -> ReconciliationResult {
        do {
            return reconciler.run(try Reconciler.comparison(named: name, among: settings.reconciliations))
        } catch {
            var result = ReconciliationResult(name: name, entityType: name)
            result.status = .error
            result.error = "\(error)"
            return result
        }
    }

    /// - Returns: what the exit status is at least.
    private func stored(_ result: ReconciliationResult, _ settings: ProxySettings) -> Int32 {
        do {
            try ReconciliationStore(connection: connect(settings)).record(result)
            return 0
        } catch {
            StandardStreams.printError("\(result.name): the result cannot be stored in pgbraid.reconciliation_tasks: \(error); --no-store leaves that out")
            return Self.failing
        }
    }

    private func write(_ script: [String], to path: String) -> Bool {
        let text = script.map { $0 + "\n" }.joined()
        if path == "-" {
            if !script.isEmpty { StandardStreams.printOutput(script.joined(separator: "\n")) }
            return true
        }
        // It has rows of clients: nobody else may read it.
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0, let file = fdopen(descriptor, "w") else {
            StandardStreams.printError("\(path) cannot be written: \(String(cString: strerror(errno)))")
            return false
        }
        let isWritten = fputs(text, file) >= 0
        guard fclose(file) == 0, isWritten else {
            StandardStreams.printError("\(path) cannot be written: \(String(cString: strerror(errno)))")
            return false
        }
        return true
    }

    private func connect(_ settings: ProxySettings) throws -> DatabaseConnection {
        var (place, number) = ("127.0.0.1", 6432)
        switch settings.listen.first {
        case .tcp(let host, let port)?: (place, number) = (["*", "0.0.0.0", "::"].contains(host) ? "127.0.0.1" : host, port)
        case .unix(let directory, let port)?: (place, number) = (directory, port)
        case nil: break
        }
        let password = getenv("PGPASSWORD").map { String(cString: $0) } ?? settings.adminUser.password
        return try DatabaseConnection(
            ConnectionParameters(
                address: .host(host ?? place, port: port ?? number), user: user ?? settings.adminUser.name, database: settings.database, password: password,
                encryption: ServerOptions.encryption(), settings: [("application_name", "pgbraid reconcile")]), nonce: ClientNonce.make())
    }
}
