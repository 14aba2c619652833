// Statistics: counters of one worker, for SHOW STATS.
import Primitives

struct Statistics {
    var statements: UInt64 = 0
    /// Raw memory: an array would be checked for being shared at each statement.
    let statementsByShard: UnsafeMutablePointer<UInt64>
    var bytesToClients: UInt64 = 0
    /// Queries over several shards, and those of them whose rows the proxy made of partial aggregates, or one shard made of partial
    /// results or of fetched rows.
    var scatters: UInt64 = 0
    var aggregates: UInt64 = 0
    var finishes: UInt64 = 0
    var gathers: UInt64 = 0
    var broadcasts: UInt64 = 0
    /// Statements that wrote rows, or changed others with rows, that had been fetched.
    var fetchedWrites: UInt64 = 0
    var onePhaseCommits: UInt64 = 0
    var twoPhaseCommits: UInt64 = 0
    var prepares: UInt64 = 0
    /// Times the shards were asked who waits for whom.
    var deadlockLooks: UInt64 = 0
    var deadlocks: UInt64 = 0
    /// Windows of the snapshot gate that had to wait.
    var gateWaits: UInt64 = 0
    /// Snapshots of several shards that were taken anew since a window was too short.
    var snapshotRetries: UInt64 = 0
    var errors: UInt64 = 0
    var queueTimeouts: UInt64 = 0
    var cancels: UInt64 = 0
    private(set) var statementsPerSecond: UInt64 = 0
    private var statementsBefore: UInt64 = 0

    init() {
        statementsByShard = .allocate(capacity: Limits.maximumShardCount)
        statementsByShard.initialize(repeating: 0, count: Limits.maximumShardCount)
    }

    func free() { statementsByShard.deallocate() }

    @inline(__always)
    mutating func countStatement(shard: ShardIndex) {
        statements &+= 1
        statementsByShard[shard.int] &+= 1
    }

    mutating func closeSecond() {
        statementsPerSecond = statements &- statementsBefore
        statementsBefore = statements
    }
}
