// pgbraid check: is the configuration right?
import ArgumentParser
import ProxyHost

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Check the configuration; name line and key of every mistake.")

    @Option(help: "The configuration file.") var config = "proxy.conf"

    func run() throws {
        let settings = try readConfiguration(config)
        try Configuration.checkFiles(settings)
        print("\(config): no mistakes, \(settings.shards.count) shards, \(settings.users.count) users")
    }
}
