// pgbraid dev: a whole cluster on this machine.
import ArgumentParser
import Logging
import ProxyCore
import ProxyHost

struct DevCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dev", abstract: "Start PostgreSQL servers on this machine and the proxy in front of them.",
        discussion: "Prints the line \"ready\" on standard output when clients can connect. The data stays in --data; "
            + "starting again on it goes on with what is there.")

    @Option(help: "How many servers.") var shards = 4
    @Option(help: "Where the proxy listens: HOST:PORT, or DIRECTORY:PORT for a unix socket.") var listen: String?
    @Option(help: "Directory for the servers' data, sockets and logs.") var data = "/tmp/pgbraid-dev"
    @Option(help: "Configuration whose tables, users and limits apply; its shards do not.") var config: String?
    @Option(help: "A setting of all servers, as name=value; repeatable.") var serverOption: [String] = []
    @OptionGroup var log: LogOptions

    func validate() throws {
        guard (1...64).contains(shards) else { throw ValidationError("--shards must be from 1 to 64") }
        if let listen, ListenAddress(text: listen) == nil {
            throw ValidationError("--listen must be HOST:PORT or DIRECTORY:PORT, for example 127.0.0.1:6432")
        }
    }

    func run() throws {
        let signals = try Signals()
        let logger = log.logger
        let purpose = Configuration.Purpose.development(shardCount: shards)
        let path = config
        var settings = try path.map { try readConfiguration($0, for: purpose) } ?? .development
        try exitingOnFailure(logger) {
            let servers = try DevelopmentServers(directory: data, count: shards, options: serverOption, logger: logger)
            settings = adapted(settings, servers)
            defer { servers.stop() }
            try servers.start()
            if signals.isStopRequested() { return }
            let status = try StatusEndpoint(settings)
            let server = try ProxyServer(settings: settings, signals: signals, logger: logger) {
                adapted(try path.map { try Configuration.read($0, for: purpose) } ?? .development, servers)
            }
            status?.start(server, logger: logger)
            try server.run {
                BackgroundServices(settings: settings, connections: server.ownConnections, logger: logger).start()
                StandardStreams.printOutput("ready")
            }
        }
    }

    /// The settings with the local servers in place of the configured ones.
    private func adapted(_ settings: ProxySettings, _ servers: DevelopmentServers) -> ProxySettings {
        var settings = settings
        settings.shards = servers.shards.map {
            var shard = $0
            shard.database = settings.shards.first?.database ?? "postgres"
            return shard
        }
        if let address = listen.flatMap(ListenAddress.init(text:)) { settings.listen = [address] }
        return settings
    }
}
