// The sections [proxy], [limits], [timeouts], [transactions], [tls] and [admin].
import Glibc
import Primitives
import ProxyCore

extension Configuration {
    static func readProxy(_ section: ConfigurationSection, _ settings: inout ProxySettings) {
        readListen(section, &settings)
        readWorkers(section, &settings)
        section.string("cluster", into: &settings.clusterName)
        section.string("database", into: &settings.database)
        section.string("admin_database", into: &settings.adminDatabase)
        if let method: AuthenticationMethod = section.choice("auth") { settings.authentication = method }
        if let isAllowed = section.boolean("allow_unlisted_users") { settings.allowsUnlistedUsers = isAllowed }
        if let mode: PoolMode = section.choice("pool_mode") { settings.poolMode = mode }
        section.integer("pool_size", into: &settings.poolSize, in: 1...10_000)
        section.integer("max_clients", into: &settings.maximumClients, in: 1...1_000_000)
        section.finish()
        if settings.database == settings.adminDatabase {
            section.mistake("admin_database", "is the same as database", hint: "clients could not tell them apart")
        }
        if settings.allowsUnlistedUsers && settings.authentication != .trust {
            section.mistake(
                "allow_unlisted_users", "needs auth = \"trust\"", hint: "without a verifier nobody else can log in")
        }
    }

    private static func readListen(_ section: ConfigurationSection, _ settings: inout ProxySettings) {
        guard let texts = section.strings("listen") else { return }
        let addresses = texts.compactMap { text in
            let address = ListenAddress(text: text)
            if address == nil {
                section.mistake(
                    "listen", "\"\(text)\" is no address",
                    hint: "write \"127.0.0.1:6432\", \"[::1]:6432\", \"*:6432\", or \"/tmp:6432\" for a unix socket")
            }
            return address
        }
        if texts.isEmpty { section.mistake("listen", "names no address") }
        for (number, address) in addresses.enumerated() where addresses[..<number].contains(address) {
            section.mistake("listen", "\"\(texts[number])\" stands twice")
        }
        settings.listen = addresses
    }

    /// A number, or "auto" for one worker per processor.
    private static func readWorkers(_ section: ConfigurationSection, _ settings: inout ProxySettings) {
        if case .string("auto")? = section.value("workers") {
            settings.workerCount = max(1, min(256, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        } else if let count = section.integer("workers", in: 1...256) {
            settings.workerCount = count
        }
    }

    static func readLimits(_ section: ConfigurationSection, _ limits: inout Limits) {
        section.size("client_message", into: &limits.clientFrameBytes, atLeast: 1 << 10)
        section.size("startup_message", into: &limits.startupFrameBytes, atLeast: 512)
        section.size("shard_message", into: &limits.shardFrameBytes, atLeast: Limits.leastShardFrameBytes)
        section.size("merge_row", into: &limits.mergeRowBytes)
        section.size("merge", into: &limits.mergeBytes, atMost: 1 << 40)
        section.size("idempotent_answer", into: &limits.idempotentAnswerBytes, atMost: Limits.idempotentRequestBytes)
        section.size("output_high_water", into: &limits.outputHighWaterBytes, atLeast: 16 << 10)
        section.size("output_low_water", into: &limits.outputLowWaterBytes)
        section.size("statement", into: &limits.statementBytes)
        section.integer("statement_tokens", into: &limits.statementTokens, in: 100...100_000_000)
        section.integer("statement_depth", into: &limits.statementDepth, in: 10...100_000)
        section.integer("prepared_statements_per_link", into: &limits.preparedStatementsPerLink, in: 1...1_000_000)
        section.integer("prepared_statements_per_client", into: &limits.preparedStatementsPerSession, in: 1...1_000_000)
        section.integer("cached_plans", into: &limits.cachedPlans, in: 1...10_000_000)
        section.integer("clients_per_worker", into: &limits.sessions, in: 1...1_000_000)
        section.finish()
        if limits.outputLowWaterBytes >= limits.outputHighWaterBytes {
            section.mistake("output_low_water", "must be below output_high_water")
        }
        if limits.mergeRowBytes > limits.mergeBytes {
            section.mistake("merge_row", "must not be above merge")
        }
    }

    static func readTimeouts(_ section: ConfigurationSection, _ settings: inout ProxySettings) {
        section.duration("query_wait", into: &settings.queryWaitTimeout)
        section.duration("link_idle", into: &settings.linkIdleTimeout, isZeroAllowed: true)
        section.duration("link_lifetime", into: &settings.linkLifetime, isZeroAllowed: true)
        section.duration("connect", into: &settings.connectTimeout)
        section.duration("reconnect_delay", into: &settings.reconnectDelay)
        section.duration("client_login", into: &settings.clientLoginTimeout)
        section.duration("client_idle", into: &settings.clientIdleTimeout, isZeroAllowed: true)
        section.duration("idle_in_transaction", into: &settings.idleInTransactionTimeout, isZeroAllowed: true)
        section.duration("client_stall", into: &settings.clientStallTimeout, isZeroAllowed: true)
        section.duration("shutdown", into: &settings.shutdownTimeout, isZeroAllowed: true)
        section.duration("recovery_interval", into: &settings.recoveryInterval)
        section.duration("in_doubt", into: &settings.inDoubtTimeout)
        section.finish()
    }

    static func readTransactions(_ section: ConfigurationSection, _ settings: inout ProxySettings) {
        if let level: ConsistentReads = section.choice("consistent_reads") { settings.consistentReads = level }
        if let scope: SerializableScope = section.choice("serializable") { settings.serializable = scope }
        section.duration("snapshot_window", into: &settings.snapshotWindowLimit)
        section.duration("prepared_alert", into: &settings.preparedAlertAge, isZeroAllowed: true)
        section.duration("idempotency_keys", into: &settings.idempotencyKeyLifetime)
        section.duration("deadlock_timeout", into: &settings.deadlockTimeout, isZeroAllowed: true)
        section.finish()
        if settings.idempotencyKeyLifetime < .seconds(60) { section.mistake("idempotency_keys", "must be a minute at least") }
        if settings.consistentReads == .strict, settings.workerCount > 1 {
            section.mistake(
                "consistent_reads", "\"strict\" needs workers = 1", hint: "clients of the others would still read a shard that one worker has closed")
        }
    }

    static func readTLS(_ section: ConfigurationSection, _ settings: inout ProxySettings, directory: String) {
        settings.tlsCertificateFile = section.file("certificate", directory: directory)
        settings.tlsKeyFile = section.file("key", directory: directory)
        section.finish()
        if section.has("certificate") != section.has("key") {
            section.missing(section.has("key") ? "certificate" : "key", hint: "TLS needs a certificate and its key")
        }
    }

    static func readAdmin(_ section: ConfigurationSection, _ settings: inout ProxySettings, directory: String) {
        section.string("user", into: &settings.adminUser.name)
        settings.adminUser.password = section.secret("password", directory: directory)
        settings.adminDatabaseUsers = section.strings("users") ?? []
        section.finish()
    }
}
