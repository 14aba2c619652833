// ProxySettings: everything proxy.conf says, as values. Read and checked by ProxyHost; the worker only uses it.
import DistributedCommit
import Primitives
import ShardMap

/// How clients prove who they are.
public enum AuthenticationMethod: String, Sendable, CaseIterable {
    case trust, md5
    case scramSHA256 = "scram-sha-256"
}

/// When a link goes back to the pool.
public enum PoolMode: String, Sendable, CaseIterable {
    /// After each transaction.
    case transaction
    /// When the client leaves.
    case session
}

/// What clients may see of transactions over several shards.
public enum ConsistentReads: String, Sendable, CaseIterable {
    /// One query, and one REPEATABLE READ transaction: all of a transaction or nothing.
    case atomic
    /// Also several queries one after the other, by any clients of the proxy: transactions seem to have happened one after
    /// the other, each at one moment between its COMMIT and the answer to that.
    case strict
    /// Also half of one.
    case off
}

/// How far SERIALIZABLE reaches.
public enum SerializableScope: String, Sendable, CaseIterable {
    /// A transaction at that level is confined to one shard.
    case oneShard = "one_shard"
    /// It holds on each shard by itself; write skew between shards is possible.
    case perShard = "per_shard"
}

/// One PostgreSQL server behind the proxy.
public struct ShardSettings: Sendable, Equatable {
    /// Host name, address, or directory of a unix socket when it begins with a slash.
    public var host: String
    public var port: Int
    public var database: String
    public var tlsMode: TLSMode = .disable
    /// File of certificate authorities for verify-ca and verify-full.
    public var tlsRootCertificateFile: String?

    public init(host: String, port: Int, database: String) {
        self.host = host
        self.port = port
        self.database = database
    }
}

/// A role that clients may log in as.
public struct UserSettings: Sendable, Hashable {
    public var name: String
    /// The password in plain text, or a verifier as pg_authid stores it (`SCRAM-SHA-256$...`, `md5...`). Nil with trust.
    public var password: String?
    /// The plain password for the shards where it differs from `password` or that is a verifier.
    public var shardPassword: String?

    public init(name: String, password: String?, shardPassword: String? = nil) {
        self.name = name
        self.password = password
        self.shardPassword = shardPassword
    }
}

/// An address the proxy listens on.
public enum ListenAddress: Sendable, Equatable {
    case tcp(host: String, port: Int)
    /// A directory; the socket is `.s.PGSQL.<port>` in it, as libpq expects.
    case unix(directory: String, port: Int)
}

/// The whole configuration of a proxy.
public struct ProxySettings: Sendable {
    public var listen: [ListenAddress] = [.tcp(host: "127.0.0.1", port: 6432)]
    /// Threads that serve clients.
    public var workerCount = 1
    /// The cluster's name; becomes its identity in gids when the schema is first installed.
    public var clusterName = "pgbraid"
    /// The database name clients connect to. Every other name but the admin database is refused (3D000).
    public var database = "postgres"
    /// The name of the admin database.
    public var adminDatabase = "pgbraid"
    public var shards: [ShardSettings] = []

    public var authentication = AuthenticationMethod.scramSHA256
    public var users: [UserSettings] = []
    /// With trust: clients may log in as any role, not only those listed under users.
    public var allowsUnlistedUsers = false
    /// The role the proxy itself uses on the shards (schema pgbraid, catalogs, recovery).
    public var adminUser = UserSettings(name: "postgres", password: nil)
    /// Users who may use the admin database beside `adminUser`.
    public var adminDatabaseUsers: [String] = []

    /// How long the keys of requests are known at least.
    public var idempotencyKeyLifetime = Span.seconds(24 * 3600)

    public var poolMode = PoolMode.transaction
    /// Links per user and shard.
    public var poolSize = 20
    /// Sessions of all users together.
    public var maximumClients = 10_000
    public var queryWaitTimeout = Span.seconds(120)
    /// Zero: never, as of all that follow that may be zero.
    public var linkIdleTimeout = Span.seconds(600)
    public var linkLifetime = Span.seconds(3600)
    public var connectTimeout = Span.seconds(15)
    /// After a failed connection attempt, how long until the next.
    public var reconnectDelay = Span.milliseconds(1000)
    public var clientLoginTimeout = Span.seconds(60)
    /// Zero: never.
    public var clientIdleTimeout = Span.zero
    public var idleInTransactionTimeout = Span.zero
    public var clientStallTimeout = Span.seconds(300)
    public var shutdownTimeout = Span.seconds(30)
    public var recoveryInterval = Span.seconds(5)
    public var inDoubtTimeout = Span.seconds(30)

    public var consistentReads = ConsistentReads.atomic
    public var serializable = SerializableScope.oneShard
    /// How long a statement of a transaction may run before a deadlock over several shards is looked for; zero: never.
    public var deadlockTimeout = Span.seconds(1)
    /// How long a statement may take to have its snapshots on all shards, while commits wait; doubled at each attempt.
    public var snapshotWindowLimit = Span.milliseconds(50)

    /// The limits of a distributed commit. No configuration has them: they are here so that a simulation can shorten its worlds.
    public var commitTiming = CommitTiming()
    /// How long a commit row is kept (see `RecoveryContext.decisionRetention`). No configuration has it either.
    public var decisionRetention = Span.seconds(600)

    /// How old a prepared transaction is when the log says so; zero: never.
    public var preparedAlertAge = Span.seconds(60)

    /// Where the HTTP endpoint listens; nil: nowhere.
    public var httpListen: ListenAddress?
    /// What its clients must show to see more than whether the proxy is healthy; nil: nothing.
    public var httpToken: String?

    public var tlsCertificateFile: String?
    public var tlsKeyFile: String?

    public var capacity = CapacitySettings()

    public var rules = ShardingRules()
    public var reconciliations: [ReconciliationSettings] = []
    public var limits = Limits()

    public init() {}
}
