// ProtocolProbe: where a simulation watches what the machines of DistributedCommit are told and what they order, and
// where its canaries break the protocol. A proxy has none.
import DistributedCommit
import Primitives

/// A distributed commit as a probe sees it.
package struct ProbedCommit {
    package let hash: TransactionHash
    package let phase: CommitCoordinator.Phase
    /// The shard of each participant.
    package let shards: [ShardIndex]
    /// The participant whose commit is the decision, and those that are prepared before it.
    package let decider: Int?
    package let prepared: [Int]
}

/// Stands between the machines and the worker.
package protocol ProtocolProbe: AnyObject {
    /// What the coordinator is told in place of `input`.
    func inputs(for input: CommitInput, _ commit: ProbedCommit) -> [CommitInput]
    /// What the coordinator is told in place of carrying out its order; nil: it is carried out.
    func inputs(insteadOf action: CommitAction, _ commit: ProbedCommit) -> [CommitInput]?
    func inputs(for input: RecoveryInput) -> [RecoveryInput]
    func inputs(insteadOf action: RecoveryAction) -> [RecoveryInput]?
}

/// How much of everything a worker holds.
package struct WorkerCounts: Equatable {
    package var sessions: Int
    package var links: Int
    package var idleLinks: Int
    /// Links as the pools count them.
    package var pooledLinks: Int
    package var waitingSessions: Int
    package var cancellers: Int
    package var adminTasks: Int
    package var transactionsInFlight: Int
    package var openStreams: Int
}

extension Worker {
    package var counts: WorkerCounts {
        let shardPools = pools.flatMap { pool in (0..<shardCount).map { pool.shards[$0] } }
        return WorkerCounts(
            sessions: sessions.takenCount, links: links.takenCount, idleLinks: shardPools.reduce(0) { $0 + Int($1.idle.count) },
            pooledLinks: shardPools.reduce(0) { $0 + Int($1.linkCount) },
            waitingSessions: shardPools.reduce(0) { $0 + Int($1.waitingCount) }, cancellers: cancellers.count,
            adminTasks: adminQueue.reduce(0) { $0 + $1.count }, transactionsInFlight: cluster.inFlight.count,
            openStreams: streams.openCount)
    }

    /// The server processes that work for each session, and wait or are waited for in its name.
    package var sessionProcesses: [[(shard: Int, process: Int32)]] { sessionHoldings().map(\.processes) }

    /// Clients are kept from the shard.
    package func isClosed(_ shard: ShardIndex) -> Bool { cluster.fences.isClosed(shard) }
}
