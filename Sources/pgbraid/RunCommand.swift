// pgbraid run: the proxy.
import ArgumentParser
import ProxyHost

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run the proxy.",
        discussion: "SIGTERM and SIGINT let open transactions finish (a second one stops at once); SIGHUP reads the "
            + "configuration again.")

    @Option(help: "The configuration file.") var config = "proxy.conf"
    @OptionGroup var log: LogOptions

    func run() throws {
        let signals = try Signals()
        let logger = log.logger
        let settings = try readConfiguration(config)
        let path = config
        try exitingOnFailure(logger) {
            let status = try StatusEndpoint(settings)
            let server = try ProxyServer(settings: settings, signals: signals, logger: logger) {
                try Configuration.read(path)
            }
            status?.start(server, logger: logger)
            try server.run(whenReady: BackgroundServices(settings: settings, connections: server.ownConnections, logger: logger).start)
        }
    }
}
