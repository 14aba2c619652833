// BackgroundServices: what a proxy does beside serving clients, as a client of itself.
import DatabaseClient
import Logging
import Practice
import ProxyCore
import ProxyHost
import Reconciliation

/// The services of one proxy. They end with the process.
struct BackgroundServices {
    private let settings: ProxySettings
    private let connections: OwnConnections
    private let logger: Logger

    init(settings: ProxySettings, connections: OwnConnections, logger: Logger) {
        self.settings = settings
        self.connections = connections
        self.logger = logger
    }

    func start() {
        var sagaLimits = SagaLimits()
        // Whoever waits for a link is told by the pool first.
        sagaLimits.waitSeconds = max(sagaLimits.waitSeconds, Int(settings.queryWaitTimeout.seconds) + 30)
        SagaRunner(cluster: cluster, limits: sagaLimits, logger: logger).start()
        ReconciliationService(cluster: cluster, name: settings.clusterName, rules: settings.rules, comparisons: settings.reconciliations, logger: logger).start()
        CapacitySampler(cluster: cluster, sampling: CapacitySampling(settings.capacity), logger: logger).start()
        KeyCleaner(cluster: cluster, lifetimeSeconds: settings.idempotencyKeyLifetime.seconds, logger: logger).start()
    }

    private var cluster: ClusterAccess {
        let connections = connections
        let database = settings.database
        return ClusterAccess(shardCount: settings.shards.count, adminRole: settings.adminUser.name) { role in
            let parameters = ConnectionParameters(
                address: .descriptor(try connections.connect(role: role)), user: role, database: database, settings: [("application_name", "pgbraid")])
            return try DatabaseConnection(parameters, nonce: [])
        }
    }
}

extension CapacitySampling {
    fileprivate init(_ settings: CapacitySettings) {
        self.init(
            intervalMilliseconds: Int(settings.sampleInterval.milliseconds), detailedDays: settings.detailedDays, keptDays: settings.keptDays,
            limitBytes: settings.limitBytes)
    }
}
