// ClusterAccess: how the patterns reach the cluster they are for: as clients of the proxy that logs them in as any role.
import DatabaseClient

/// Connections to one cluster, through a proxy of it.
public struct ClusterAccess: Sendable {
    public var shardCount: Int
    /// The role of the proxy itself.
    public var adminRole: String
    private let open: @Sendable (_ role: String) throws -> DatabaseConnection

    /// - Parameter open: a new session of a role.
    public init(shardCount: Int, adminRole: String, open: @escaping @Sendable (_ role: String) throws -> DatabaseConnection) {
        self.shardCount = shardCount
        self.adminRole = adminRole
        self.open = open
    }

    /// - Throws: ConnectionLost; DatabaseMessage where the role may not log in.
    public func connect(as role: String) throws -> DatabaseConnection {
        let connection = try open(role)
        connection.maximumFrameBytes = Self.frameBytes
        return connection
    }

    /// A session of the proxy's own role, in which nothing waits for long: any role can hold locks on rows that it may see.
    public func connectForService() throws -> DatabaseConnection {
        let connection = try connect(as: adminRole)
        connection.requestLimit = .seconds(Self.statementSeconds + Self.graceSeconds)
        try connection.execute("SET statement_timeout TO '\(Self.statementSeconds)s'; SET lock_timeout TO '\(Self.lockSeconds)s'")
        return connection
    }

    /// The largest row that a service takes: any role may make larger ones.
    private static let frameBytes = 64 << 20
    private static let statementSeconds = 30
    private static let lockSeconds = 5
    /// By which the proxy's own limits may be late.
    private static let graceSeconds = 30
}
