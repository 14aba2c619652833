// SimulatedShard: the little of PostgreSQL that a distributed commit depends on.
//
// All that survives is a log. A crash loses what is not in it, a failover what is not yet on the standby; so a
// shard's durable truth is the log folded into a state. With synchronous replication a commit is neither visible
// nor acknowledged before it is on the standby, but after a restart everything in the log is visible.
@testable import DistributedCommit

/// What a shard writes to its log.
enum LogEntry {
    case prepare(gid: String, transaction: Int)
    /// A local commit: the work of a transaction (nil: it did none) and perhaps its decision row.
    case commit(work: Int?, row: (hash: TransactionHash, instance: InstanceIdentifier)?)
    case abortRow(TransactionHash, InstanceIdentifier)
    case commitPrepared(gid: String)
    case rollbackPrepared(gid: String)
    case deleteRow(TransactionHash, Decision)
    /// A commit of nothing, to learn that everything before it is replicated.
    case marker
}

/// What a log says.
struct ShardState {
    var prepared: [String: Int] = [:]
    var rows: [TransactionHash: (outcome: Decision, instance: InstanceIdentifier)] = [:]
    var committed: Set<Int> = []

    mutating func apply(_ entry: LogEntry) {
        switch entry {
        case .prepare(let gid, let transaction): prepared[gid] = transaction
        case .commit(let work, let row):
            if let work { committed.insert(work) }
            if let row { rows[row.hash] = (.commit, row.instance) }
        case .abortRow(let hash, let instance): rows[hash] = (.abort, instance)
        case .commitPrepared(let gid): if let work = prepared.removeValue(forKey: gid) { committed.insert(work) }
        case .rollbackPrepared(let gid): prepared[gid] = nil
        case .deleteRow(let hash, let outcome): if rows[hash]?.outcome == outcome { rows[hash] = nil }
        case .marker: break
        }
    }
}

/// A command on a session. The order in which a session processes them is the order in which they were sent.
enum Request {
    /// BEGIN and some work; nil: nothing but BEGIN.
    case work(Int?)
    case prepare(gid: String)
    case constraints
    case decide(TransactionHash, InstanceIdentifier)
    case commit
    case rollback
    case commitPrepared(gid: String)
    case rollbackPrepared(gid: String)
    case fence(TransactionHash, InstanceIdentifier)
    case listRows
    case listLocks
    case listPrepared
    case deleteRow(TransactionHash, Decision)
}

/// What a session answers.
enum Reply {
    case prepare(PrepareAnswer)
    case constraints(ConstraintsAnswer)
    case decision(DecisionAnswer)
    case ended(String?)
    case finish(FinishAnswer)
    case status(DecisionStatus)
    case decisions(DecisionListing)
    case prepared(PreparedListing)
    /// The session is gone.
    case lost
}

/// One connection: the backend on its shard and the proxy's end of it.
final class SimulatedSession {
    struct OpenTransaction {
        var work: Int?
        var error: String?
        var row: (hash: TransactionHash, instance: InstanceIdentifier)?
    }

    let shard: Int
    let process: Int
    let recipient: Recipient
    var requests: [Request]
    var replies: [Reply] = []
    var transaction: OpenTransaction?
    /// Waits for the standby to have this log entry.
    var waitingFor: Int?
    var waitingReplies: (replicated: Reply, interrupted: Reply)?
    var isCancelled = false
    var isServerAlive = true
    var isClientAlive = true
    var rows: [DecisionRecord] = []

    init(shard: Int, process: Int, recipient: Recipient, requests: [Request]) {
        self.shard = shard
        self.process = process
        self.recipient = recipient
        self.requests = requests
    }

    /// A link that carries transactions holds its instance's lock; an admin link does not.
    var holdsInstanceLock: Bool { if case .link = recipient { true } else { false } }
}

/// Who gets a session's replies.
enum Recipient {
    case link(transaction: Int, participant: Int)
    case retry(transaction: Int, participant: Int)
    case resolve(transaction: Int)
    case round(number: Int, RecoveryAction)
    case nobody
}

/// One shard with its standby.
struct SimulatedShard {
    let identifier: ShardIdentifier
    let isSynchronous: Bool
    private(set) var log: [LogEntry] = []
    /// What a restart would find: the log, folded.
    private(set) var durable = ShardState()
    var replicatedCount = 0
    var visible = ShardState()
    var isUp = true
    var timeline = 1
    /// Keys of decision rows that an unfinished transaction has inserted.
    var lockedHashes: Set<TransactionHash> = []
    var busyGids: Set<String> = []

    mutating func write(_ entry: LogEntry) {
        log.append(entry)
        durable.apply(entry)
    }

    mutating func restart(losing lostEntries: Int) {
        if lostEntries > 0 { timeline += 1 }
        log.removeLast(lostEntries)
        durable = ShardState()
        for entry in log { durable.apply(entry) }
        replicatedCount = min(replicatedCount, log.count)
        visible = durable
        lockedHashes = []
        busyGids = []
        isUp = true
    }
}
