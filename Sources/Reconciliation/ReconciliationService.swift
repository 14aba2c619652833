// ReconciliationService: has a proxy make the comparisons that are due by their intervals, or that somebody has asked for. One thread looks for
// them, claims one and makes it; meanwhile another says on a connection of its own that the claim is alive. Of a proxy that dies the claim ends by
// time, and another one makes the comparison anew.
import DatabaseClient
import Foundation
import Logging
import Practice
import ProxyCore
import ShardMap
import Synchronization
import WireProtocol

public struct ReconciliationService: Sendable {
    private let cluster: ClusterAccess
    private let reconciler: Reconciler
    private let comparisons: [ReconciliationSettings]
    private let limits: ReconciliationLimits
    private let logger: Logger

    /// - Parameters:
    ///   - name: the cluster's.
    ///   - comparisons: those of the configuration.
    public init(
        cluster: ClusterAccess, name: String, rules: ShardingRules, comparisons: [ReconciliationSettings], limits: ReconciliationLimits = ReconciliationLimits(),
        logger: Logger
    ) {
        self.cluster = cluster
        self.comparisons = comparisons
        self.limits = limits
        self.logger = logger
        let reconciled = ReconciledCluster(
            name: name, shardCount: cluster.shardCount, rules: rules, connect: { try cluster.connect(as: cluster.adminRole) },
            connectAs: { try cluster.connect(as: $0) })
        reconciler = Reconciler(cluster: reconciled, limits: limits)
    }

    /// Begins; its threads end with the process.
    public func start() {
        BackgroundThread.start(name: "reconciliation") {
            while true {
                do {
                    try look()
                } catch {
                    logger.debug("comparisons are looked for anew", metadata: ["error": "\(error)"])
                }
                BackgroundThread.sleep(milliseconds: limits.lookMilliseconds)
            }
        }
    }

    /// Ends when a connection breaks or a shard refuses.
    private func look() throws {
        let store = ReconciliationStore(connection: try cluster.connectForService(), limits: limits)
        var refused: Set<String> = []
        while true {
            for comparison in comparisons {
                guard let interval = comparison.interval else { continue }
                try byItself(comparison.name, &refused) { try store.requestWhenDue(comparison.name, seconds: interval.seconds) }
            }
            for name in try store.openNames() {
                try byItself(name, &refused) {
                    if let task = try store.claim(name) { try carryOut(task, name, store) }
                }
            }
            BackgroundThread.sleep(milliseconds: limits.lookMilliseconds)
        }
    }

    /// What is refused for one comparison holds up no other: a client may have a lock on its tasks, as by an open block that asks for it.
    /// - Parameter refused: the comparisons of which the log has said so, until all goes well again.
    /// - Throws: what is no refusal of a server.
    private func byItself(_ name: String, _ refused: inout Set<String>, _ body: () throws -> Void) throws {
        do {
            try body()
            refused.remove(name)
        } catch let error as DatabaseMessage {
            guard refused.insert(name).inserted else { return }
            logger.warning("a comparison is not requested, claimed or stored", metadata: ["comparison": "\(name)", "error": "\(error.message)"])
        }
    }

    private func carryOut(_ task: String, _ name: String, _ store: ReconciliationStore) throws {
        let lease = Lease(task: task, name: name, holder: store.holder, cluster: cluster, limits: limits, logger: logger)
        lease.start()
        defer { lease.stop() }
        var result = ReconciliationResult(name: name, entityType: name)
        do {
            result = reconciler.run(try Reconciler.comparison(named: name, among: comparisons))
        } catch {
            result.status = .error
            result.error = "\(error)"
        }
        let isStored = try store.end(task, result)
        let metadata: Logger.Metadata = [
            "comparison": "\(name)", "status": "\(result.status.rawValue)", "inconsistencies": "\(result.inconsistencyCount)", "error": "\(result.error ?? "")",
        ]
        if !isStored {
            logger.warning("a comparison has lost its claim, and is made by another proxy", metadata: metadata)
        } else if result.status == .equal {
            logger.info("a comparison found no differences", metadata: metadata)
        } else {
            logger.warning("a comparison did not find all equal", metadata: metadata)
        }
    }
}

/// Keeps a claimed task from being claimed by others while it is worked on.
private final class Lease: Sendable {
    private let task: String
    private let name: String
    private let holder: String
    private let cluster: ClusterAccess
    private let limits: ReconciliationLimits
    private let logger: Logger
    private let isOver = Mutex(false)

    init(task: String, name: String, holder: String, cluster: ClusterAccess, limits: ReconciliationLimits, logger: Logger) {
        self.task = task
        self.name = name
        self.holder = holder
        self.cluster = cluster
        self.limits = limits
        self.logger = logger
    }

    func start() {
        BackgroundThread.start(name: "reconciliation lease") { [self] in
            while !isOver.withLock({ $0 }) {
                do {
                    try prolong()
                } catch {
                    logger.debug("the claim of a comparison could not be prolonged", metadata: ["comparison": "\(name)", "error": "\(error)"])
                }
                BackgroundThread.sleep(milliseconds: Self.stepMilliseconds)
            }
        }
    }

    func stop() { isOver.withLock { $0 = true } }

    private static let stepMilliseconds = 500

    /// Until the task is over, or is not ours any more.
    private func prolong() throws {
        let store = ReconciliationStore(connection: try cluster.connectForService(), holder: holder, limits: limits)
        var steps = 0
        while !isOver.withLock({ $0 }) {
            steps += 1
            if steps % max(1, limits.leaseSeconds * 1000 / 3 / Self.stepMilliseconds) == 0, try !store.renew(name, task) { return stop() }
            BackgroundThread.sleep(milliseconds: Self.stepMilliseconds)
        }
    }
}
