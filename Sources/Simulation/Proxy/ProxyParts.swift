// ProxyParts: what all simulated proxies share: names, settings, the logger.
import DistributedCommit
import Logging
import Primitives
import ProxyCore
import ShardMap

/// Names and settings of simulated proxies.
enum ProxyParts {
    static let database = "app"
    static let clientUser = "app"
    static let adminUser = "postgres"

    /// The configuration of a world's proxies. Waits are short, so that a world's life is.
    static func settings(_ climate: Climate) -> ProxySettings {
        var settings = ProxySettings()
        settings.clusterName = "c"
        settings.database = database
        settings.shards = (0..<climate.serverCount).map { ShardSettings(host: "shard\($0)", port: 5432, database: database) }
        settings.authentication = .trust
        settings.users = [UserSettings(name: clientUser, password: nil)]
        settings.adminUser = UserSettings(name: adminUser, password: nil)
        settings.poolSize = climate.poolSize
        settings.queryWaitTimeout = .seconds(5)
        settings.connectTimeout = .seconds(2)
        settings.reconnectDelay = climate.reconnectDelay
        settings.clientLoginTimeout = .seconds(10)
        settings.recoveryInterval = climate.recoveryInterval
        settings.inDoubtTimeout = climate.inDoubtTimeout
        settings.snapshotWindowLimit = climate.snapshotWindowLimit
        settings.decisionRetention = climate.decisionRetention
        settings.commitTiming = CommitTiming().divided(by: climate.commitHaste)
        settings.limits.sessions = 64
        settings.limits.cachedPlans = 100
        return settings
    }
}

extension CommitTiming {
    /// The same limits, all of them shorter. What is between two attempts stays.
    fileprivate func divided(by haste: Int64) -> CommitTiming {
        func part(_ span: Span) -> Span { Span(nanoseconds: span.nanoseconds / haste) }
        var timing = self
        timing.prepareLimit = part(prepareLimit)
        timing.decisionLimit = part(decisionLimit)
        timing.unknownLimit = part(unknownLimit)
        timing.commitWindowLimit = part(commitWindowLimit)
        timing.rollbackLimit = part(rollbackLimit)
        return timing
    }
}

/// What a world's proxies log. A world runs on one thread, its log with it.
final class TraceLog: @unchecked Sendable {
    /// Lines not yet taken by the trace.
    var lines: [String] = []
    /// The proxies hold such things for mistakes of their own.
    var errors: [String] = []
}

/// Hands log events to a TraceLog.
struct TraceLogHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level
    let trace: TraceLog

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let details = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        let line = ([event.message.description] + details).joined(separator: " ")
        trace.lines.append(line)
        if event.level >= .error { trace.errors.append(line) }
    }
}
