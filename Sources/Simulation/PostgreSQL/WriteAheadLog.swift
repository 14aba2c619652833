// WriteAheadLog: all that survives a crash, and how much of it does.
import Primitives

/// One change of one account. The amount tells which operation of which client made it.
struct AccountChange {
    /// The account's place in the server's table.
    var account: Int
    var user: Int
    var amount: Int
}

/// A row of pgbraid.decision.
struct DecisionRow {
    var hash: String
    var outcome: String
    var instance: String
    var decidedAt: Instant
}

/// What a transaction changes.
struct Changes {
    var accounts: [AccountChange] = []
    var insertedDecisions: [DecisionRow] = []
    var deletedDecisions: [String] = []
    /// A message was put into the log, so that there is something to commit.
    var hasMessage = false

    var isEmpty: Bool { accounts.isEmpty && insertedDecisions.isEmpty && deletedDecisions.isEmpty && !hasMessage }
}

/// One record of the log.
enum LogRecord {
    case install
    case identity(cluster: String, shard: String)
    case commit(Changes)
    case prepare(gid: String, owner: String, Changes, at: Instant)
    case commitPrepared(gid: String, Changes)
    case rollbackPrepared(gid: String, Changes)
}

/// The log of one server, and of its standby.
struct WriteAheadLog {
    private(set) var records: [LogRecord] = []
    /// Records on disk, and on the standby.
    var flushedCount = 0
    var replicatedCount = 0

    /// Appends a record; returns the position up to which the log must be flushed for it.
    mutating func append(_ record: LogRecord) -> Int {
        records.append(record)
        return records.count
    }

    /// Loses everything from `count` on.
    mutating func truncate(to count: Int) {
        records.removeLast(records.count - count)
        flushedCount = min(flushedCount, count)
        replicatedCount = min(replicatedCount, count)
    }
}
