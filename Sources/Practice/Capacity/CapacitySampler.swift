// CapacitySampler: a thread that has each shard note how large its tables are, whenever the shard says that it is time.
//
// Of all proxies of a cluster one takes a shard's sample: who moves the time of the next one in the row that says it, in the transaction of the
// sample. What dies on the way has moved nothing.
import DatabaseClient
import Logging
import WireProtocol

/// What is sampled how often.
public struct CapacitySampling: Sendable {
    public var intervalMilliseconds: Int
    /// How long every sample is kept; of older days that in the middle.
    public var detailedDays: Int
    public var keptDays: Int
    /// Bytes that one shard's database may have; nil: nobody has said so.
    public var limitBytes: Int?

    public init(intervalMilliseconds: Int, detailedDays: Int, keptDays: Int, limitBytes: Int?) {
        self.intervalMilliseconds = intervalMilliseconds
        self.detailedDays = detailedDays
        self.keptDays = keptDays
        self.limitBytes = limitBytes
    }
}

public struct CapacitySampler: Sendable {
    /// Between two looks whether a sample is due, at most and at least.
    private static let longestPause = 30_000
    private static let shortestPause = 20
    /// Attempts in a row that fail before the log says so.
    private static let failuresToTell = 10

    private let cluster: ClusterAccess
    private let sampling: CapacitySampling
    private let logger: Logger

    public init(cluster: ClusterAccess, sampling: CapacitySampling, logger: Logger) {
        self.cluster = cluster
        self.sampling = sampling
        self.logger = logger
    }

    /// Begins, unless no samples are wanted; the thread ends with the process.
    public func start() {
        guard sampling.intervalMilliseconds > 0 else { return }
        BackgroundThread.start(name: "capacity") {
            while true {
                do {
                    try sampleForEver()
                } catch {
                    logger.debug("sizes are looked at anew", metadata: ["error": "\(error)"])
                }
                BackgroundThread.sleep(milliseconds: pause)
            }
        }
    }

    private var pause: Int { min(Self.longestPause, max(Self.shortestPause, sampling.intervalMilliseconds / 10)) }

    private func sampleForEver() throws {
        let store = CapacityStore(connection: try cluster.connectForService())
        try store.prepare()
        var failures = Array(repeating: 0, count: cluster.shardCount)
        while true {
            for shard in 0..<cluster.shardCount { failures[shard] = try sample(shard, store) ? 0 : failures[shard] + 1 }
            for (shard, count) in failures.enumerated() where count == Self.failuresToTell {
                logger.warning("a shard's sizes cannot be noted", metadata: ["shard": "\(shard)", "attempts": "\(count)"])
            }
            BackgroundThread.sleep(milliseconds: pause)
        }
    }

    /// A shard that cannot be sampled, as while somebody changes a table, is looked at again after the pause.
    /// - Returns: whether all went well.
    private func sample(_ shard: Int, _ store: CapacityStore) throws -> Bool {
        do {
            if try store.sample(shard, sampling) { logger.debug("a shard's sizes are noted", metadata: ["shard": "\(shard)"]) }
            if try store.thin(shard, sampling) { logger.debug("a shard's old samples are thinned", metadata: ["shard": "\(shard)"]) }
            return true
        } catch let error as DatabaseMessage {
            logger.debug("a shard's sizes wait", metadata: ["shard": "\(shard)", "error": "\(error.message)"])
            if store.connection.transactionStatus != .idle { try store.connection.execute("ROLLBACK") }
            return false
        }
    }
}
