// The command line of pgbraid. Each command is a file beside this one; the work is in ProxyHost.
import ArgumentParser
import ProxyHost

@main
struct Pgbraid: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pgbraid",
        abstract: "One PostgreSQL address in front of many PostgreSQL servers.",
        version: "0.1.0",
        subcommands: [RunCommand.self, CheckCommand.self, DevCommand.self, ReconcileCommand.self, CapacityCommand.self])
}
