// KeyCleaner: has a proxy forget idempotency keys whose time is over. One thread visits each shard now and then and deletes in bounded batches; rows
// that another proxy is deleting are passed over, so any number of them may do so at once.
import DatabaseClient
import Logging
import WireProtocol

public struct KeyCleaner: Sendable {
    /// Keys that one statement forgets.
    static let keysAtATime = 1000
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
                do {
                    let connection = try cluster.connectForService()
                    defer { connection.terminate() }
                    for shard in 0..<cluster.shardCount { try clean(shard, connection) }
                } catch {
                    logger.debug("idempotency keys are looked at later", metadata: ["error": "\(error)"])
                }
                BackgroundThread.sleep(milliseconds: pauseMilliseconds)
            }
        }
    }

    /// Often enough for keys that are known for seconds only.
    private var pauseMilliseconds: Int { max(1000, min(Self.pauseMilliseconds, Int(lifetimeSeconds * 500))) }

    /// A shard that refuses keeps its keys, and the others are cleaned all the same.
    private func clean(_ shard: Int, _ connection: DatabaseConnection) throws {
        do {
            for text in [Self.expired, Self.unclaimed] {
                while try connection.execute("/* pgbraid: shard=\(shard) */ \(text)", ["\(lifetimeSeconds)"]).rowCount >= Self.keysAtATime {}
            }
        } catch let error as DatabaseMessage {
            logger.warning("idempotency keys of a shard are not forgotten yet", metadata: ["shard": "\(shard)", "error": "\(error.message)"])
        }
    }

    private static let isOver = "begun_at < pg_catalog.now() - pg_catalog.make_interval(secs => $1::pg_catalog.float8)"

    /// All rows of a key go at once: what is left of one would be taken for another request.
    private static let expired = """
        DELETE FROM pgbraid.idempotency WHERE (key, owner) IN (SELECT key, owner FROM pgbraid.idempotency
          WHERE number = 0 AND \(isOver) ORDER BY begun_at LIMIT \(keysAtATime) FOR UPDATE SKIP LOCKED)
        """

    /// Rows that somebody has inserted by hand, without a claim.
    private static let unclaimed = """
        DELETE FROM pgbraid.idempotency WHERE (key, owner, number) IN (SELECT i.key, i.owner, i.number FROM pgbraid.idempotency AS i
          WHERE i.number > 0 AND i.\(isOver)
            AND NOT EXISTS (SELECT FROM pgbraid.idempotency AS c WHERE c.key = i.key AND c.owner = i.owner AND c.number = 0) LIMIT \(keysAtATime))
        """
}
