// StatusEndpoint: the HTTP endpoint of this process, which asks the process itself as a client of its admin database.
import DatabaseClient
import HTTPEndpoint
import Logging
import ProxyCore
import ProxyHost

struct StatusEndpoint {
    private let endpoint: HTTPEndpoint
    private let settings: ProxySettings

    /// Binds the address; nil where none is configured.
    init?(_ settings: ProxySettings) throws {
        guard case .tcp(let host, let port)? = settings.httpListen else { return nil }
        self.settings = settings
        endpoint = try HTTPEndpoint(host: host, port: port)
    }

    func start(_ server: ProxyServer, logger: Logger) {
        let (connections, phase, settings) = (server.ownConnections, server.phase, settings)
        let access = AdminAccess(
            version: Worker.version, workerCount: connections.workerCount,
            phase: {
                switch phase.current {
                case .starting: .starting
                case .serving: .serving
                case .draining: .draining
                }
            },
            connect: { worker, patience in
                let descriptor = try connections.connect(role: settings.adminUser.name, worker: worker)
                let parameters = ConnectionParameters(
                    address: .descriptor(descriptor), user: settings.adminUser.name, database: settings.adminDatabase, settings: [("application_name", "pgbraid")])
                // Also the login may wait for a worker that does not come to it.
                let connection = try DatabaseConnection(parameters, nonce: [], loginLimit: patience)
                connection.maximumFrameBytes = Self.frameBytes
                return connection
            })
        endpoint.start(access, token: settings.httpToken, logger: logger)
    }

    /// The largest row taken: what is shown has names in it that anybody chose.
    private static let frameBytes = 64 << 20
}
