// KeyCleaner: has a proxy forget idempotency keys whose time is over. One thread visits each shard now and then. Rows that another proxy is at are passed
// over, so any number of them may do so at once.
//
// A key's time runs from the first visit that sees it, which marks it (`seen_at`), and not from BEGIN: a transaction may have been in doubt for longer than
// keys are known, and its client asks for it only then. `KeyForgetting` has the statements.
import DatabaseClient
import Logging
import WireProtocol

public struct KeyCleaner: Sendable {
    /// Between two visits.
    static let pauseMilliseconds = 60_000
    private let cluster: ClusterAccess
    private let lifetimeSeconds: Double
    private let logger: Logger

    /// - Parameter lifetimeSeconds: how long a key is known at least.
    public init(cluster: ClusterAccess, lifetimeSeconds: Double, logger: Logger) {
        self.cluster = cluster
        self.lifetimeSeconds = lifetimeSeconds
        self.logger = logger
    }

    /// Begins; the thread ends with the process.
    public func start() {
        BackgroundThread.start(name: "keys") {
            while true {
                visit()
                BackgroundThread.sleep(milliseconds: pauseMilliseconds)
            }
        }
    }

    /// Often enough for keys that are known for a minute only.
    private var pauseMilliseconds: Int { max(1000, min(Self.pauseMilliseconds, Int(lifetimeSeconds * 500))) }

    /// A shard that cannot be reached, or while which is visited the connection is lost, keeps its keys; the others are visited all the same.
    private func visit() {
        var connection: DatabaseConnection?
        defer { connection?.terminate() }
        for shard in 0..<cluster.shardCount {
            do {
                let present = try connection ?? cluster.connectForService()
                connection = present
                try clean(shard, present)
            } catch {
                connection?.terminate()
                connection = nil
                logger.debug("idempotency keys of a shard are looked at later", metadata: ["shard": "\(shard)", "error": "\(error)"])
            }
        }
    }

    /// - Throws: ConnectionLost.
    private func clean(_ shard: Int, _ connection: DatabaseConnection) throws {
        let forgetting = KeyForgetting(shard: shard, lifetimeSeconds: lifetimeSeconds, connection: connection)
        var failures = 0
        var first: DatabaseMessage?
        let steps: [(KeyForgetting.Report) throws -> Void] = [forgetting.mark, forgetting.forgetExpired, forgetting.forgetUnclaimed]
        for step in steps {
            do {
                try step { message in
                    failures += 1
                    first = first ?? message
                }
            } catch let message as DatabaseMessage {
                failures += 1
                first = first ?? message
            }
        }
        if let first {
            logger.warning("idempotency keys of a shard are not forgotten yet", metadata: ["shard": "\(shard)", "failures": "\(failures)", "error": "\(first.message)"])
        }
    }
}
