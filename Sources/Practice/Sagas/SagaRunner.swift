// SagaRunner: has a proxy carry out the scripts of sagas, and undo what is to be undone. One thread looks on all shards for sagas whose time is over
// or that are due, and wakes others, which claim one saga at a time for a while: nobody else takes it meanwhile, in this proxy or another, and of whoever dies the claim
// ends by time.
import DatabaseClient
import Logging
import WireProtocol

public struct SagaRunner: Sendable {
    private let cluster: ClusterAccess
    private let limits: SagaLimits
    private let logger: Logger
    private let bell = Bell()

    public init(cluster: ClusterAccess, limits: SagaLimits, logger: Logger) {
        self.cluster = cluster
        self.limits = limits
        self.logger = logger
    }

    /// Begins; the threads end with the process.
    public func start() {
        repeating("saga watch") { try watch() }
        for number in 0..<limits.threads { repeating("sagas \(number)") { try work() } }
    }

    /// Runs `body` on a thread, again and again: it ends when a connection breaks.
    private func repeating(_ name: String, _ body: @escaping @Sendable () throws -> Void) {
        BackgroundThread.start(name: name) {
            while true {
                do {
                    try body()
                } catch {
                    logger.warning("the work on sagas begins anew", metadata: ["thread": "\(name)", "error": "\(error)"])
                }
                BackgroundThread.sleep(milliseconds: limits.pauseMilliseconds)
            }
        }
    }

    private func watch() throws {
        let store = SagaStore(connection: try cluster.connectForService(), shardCount: cluster.shardCount)
        let looksBetween = limits.forgettingMinutes * 60_000 / limits.pauseMilliseconds
        var look = 0
        while true {
            if look % looksBetween == 0 {
                let forgetting = SagaForgetting(connection: store.connection, shardCount: cluster.shardCount)
                for shard in 0..<cluster.shardCount {
                    try onShard(shard, store) {
                        try forgetting.forgetEnded(on: shard, keptDays: limits.keptDays)
                        try forgetting.forgetTraces(on: shard, keptDays: limits.keptDays)
                    }
                }
            }
            look += 1
            var isDue = false
            for shard in 0..<cluster.shardCount {
                try onShard(shard, store) {
                    let seen = try store.look(on: shard)
                    if seen.isOverdue { try store.abortOverdue(on: shard) }
                    if seen.isDue || seen.isOverdue { isDue = true }
                }
            }
            if isDue { bell.ring() }
            BackgroundThread.sleep(milliseconds: limits.pauseMilliseconds)
        }
    }

    private func work() throws {
        let store = SagaStore(connection: try cluster.connectForService(), shardCount: cluster.shardCount)
        let journal = SagaJournal(connection: try cluster.connectForService(), shardCount: cluster.shardCount)
        let sessions = RoleSessions(cluster, limits)
        let undoing = SagaUndoing(store: store, journal: journal, sessions: sessions, limits: limits)
        let carrying = SagaCarrying(store: store, journal: journal, sessions: sessions, limits: limits)
        var rung = 0
        var latestOwners = Array(repeating: String?.none, count: cluster.shardCount)
        while true {
            rung = bell.wait(after: rung)
            var isBusy = true
            while isBusy {
                isBusy = false
                for shard in 0..<cluster.shardCount {
                    try onShard(shard, store) {
                        guard let saga = try store.claim(on: shard, seconds: limits.claimSeconds, otherThan: latestOwners[shard]) else { return }
                        latestOwners[shard] = saga.owner
                        if saga.isUndoing { log(saga, try undoing.undo(saga)) } else { log(saga, try carrying.carryOut(saga)) }
                        isBusy = true
                    }
                }
            }
        }
    }

    /// A shard that refuses keeps its own sagas waiting.
    private func onShard(_ shard: Int, _ store: SagaStore, _ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error as DatabaseMessage {
            logger.info("sagas of a shard wait", metadata: ["shard": "\(shard)", "error": "\(error.message)"])
            if store.connection.transactionStatus != .idle { try store.connection.execute("ROLLBACK") }
        }
    }

    private func log(_ saga: ClaimedSaga, _ outcome: SagaCarrying.Outcome) {
        switch outcome {
        case .completed, .ended: logger.debug("a saga has ended", metadata: ["saga": "\(saga.name)"])
        case .released: logger.debug("a saga has had its turn", metadata: ["saga": "\(saga.name)"])
        case .postponed(let reason): logger.info("a saga goes on later", metadata: ["saga": "\(saga.name)", "reason": "\(reason)"])
        case .aborted(let reason): logger.info("a saga is undone", metadata: ["saga": "\(saga.name)", "reason": "\(reason)"])
        }
    }

    private func log(_ saga: ClaimedSaga, _ outcome: SagaUndoing.Outcome) {
        switch outcome {
        case .compensated: logger.debug("a saga is undone", metadata: ["saga": "\(saga.name)"])
        case .released: logger.debug("a saga has had its turn", metadata: ["saga": "\(saga.name)"])
        case .postponed(let reason): logger.info("a saga is not undone yet", metadata: ["saga": "\(saga.name)", "reason": "\(reason)"])
        case .stuck(let reason): logger.error("a saga is stuck", metadata: ["saga": "\(saga.name)", "reason": "\(reason)"])
        }
    }
}
