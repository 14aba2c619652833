// AdminAccess: how the endpoint asks the proxy it belongs to: as a client of the admin database, each worker by itself.
import DatabaseClient

/// Whether the proxy lets clients in.
public enum ProxyPhase: String, Sendable {
    case starting, serving
    /// Open transactions may finish; nobody new is let in.
    case draining
}

/// Ways to one proxy.
public struct AdminAccess: Sendable {
    public var version: String
    public var workerCount: Int
    public var phase: @Sendable () -> ProxyPhase
    /// A new session with a worker in the admin database, which is given up when an answer takes longer than the time.
    public var connect: @Sendable (_ worker: Int, _ patience: Duration) throws -> DatabaseConnection

    public init(
        version: String, workerCount: Int, phase: @escaping @Sendable () -> ProxyPhase,
        connect: @escaping @Sendable (_ worker: Int, _ patience: Duration) throws -> DatabaseConnection
    ) {
        self.version = version
        self.workerCount = workerCount
        self.phase = phase
        self.connect = connect
    }
}
