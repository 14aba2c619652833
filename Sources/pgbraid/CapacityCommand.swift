// pgbraid capacity: how large the cluster is, and where it goes.
import ArgumentParser
import CapacityPlanning
import DatabaseClient
import Foundation
import Practice
import ProxyHost
import WireProtocol

struct CapacityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "capacity", abstract: "Tell sizes, growth, forecasts, skew and the heaviest keys of a cluster.",
        discussion: "Connects to a proxy as any client does; the password is taken from PGPASSWORD. Which keys are heavy is told to roles that may use the "
            + "admin database. Counting rows can run functions of a table's owner: use a role that is no superuser, unless all owners are trusted.")

    @OptionGroup var server: ServerOptions
    @Option(help: "The proxy's admin database.") var adminDatabase = "pgbraid"
    @Option(help: "Bytes a shard may have, in place of the configured limit: 500GB, for example.") var limit: ByteCount?
    @Option(help: "Tables to tell of, the largest first.") var tables = 20
    @Option(help: "Keys in each list.") var keys = 10
    @Flag(help: "Print the report as JSON.") var json = false
    @Option(help: "Write the report as a page with charts to this file.") var html: String?

    /// The largest row taken: keys of clients are in it.
    private static let frameBytes = 64 << 20

    func validate() throws {
        guard (1...200).contains(tables) else { throw ValidationError("--tables must be from 1 to 200") }
        guard (1...100).contains(keys) else { throw ValidationError("--keys must be from 1 to 100") }
    }

    func run() throws {
        // OpenSSL's writes to a connection that has broken would end the process.
        signal(SIGPIPE, SIG_IGN)
        do {
            let report = try report()
            if let html { try Data(report.page.utf8).write(to: URL(fileURLWithPath: html), options: .atomic) }
            if json || html == nil { StandardStreams.printOutput(json ? try report.json() : report.text) }
        } catch let error as DatabaseMessage {
            StandardStreams.printError("\(error.message)\(error.hint.map { " (\($0))" } ?? "")")
            throw ExitCode(1)
        } catch let error as ConnectionLost {
            StandardStreams.printError(error.description)
            throw ExitCode(1)
        }
    }

    private func report() throws -> CapacityReport {
        let connection = try server.connect(to: server.database)
        connection.maximumFrameBytes = Self.frameBytes
        defer { connection.terminate() }
        let console = try openConsole()
        defer { console?.terminate() }
        var questions = CapacityQuestions()
        questions.tables = tables
        questions.keys = keys
        questions.limitBytes = limit.map { Double($0.bytes) }
        return try CapacityReader(connection: connection, console: console, questions: questions).report(madeAt: Date().formatted(.iso8601))
    }

    /// Nil for a role that may not use it.
    private func openConsole() throws -> DatabaseConnection? {
        do {
            return try server.connect(to: adminDatabase)
        } catch is DatabaseMessage {
            return nil
        }
    }
}

/// A size as the configuration has them.
struct ByteCount: ExpressibleByArgument {
    var bytes: Int

    init?(argument: String) {
        guard let bytes = Int(argument) ?? Quantities.size(argument), bytes > 0 else { return nil }
        self.bytes = bytes
    }
}
