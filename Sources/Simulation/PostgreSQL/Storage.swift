// Storage: what the transactions of a server see: row versions, decision rows, prepared transactions.
//
// A snapshot is the number of the last commit it sees; a commit gives all its versions one number, so that it is seen
// whole on its server. Who changes a row holds its lock to the end, so that a row has at most one version in the making.
import Primitives

/// One row of `accounts` with its committed versions, oldest first.
struct AccountRow {
    let user: Int
    var versions: [(commit: Int, balance: Int)]
    /// The transaction that changes it; 0: none.
    var lockedBy = 0

    var latest: (commit: Int, balance: Int) { versions[versions.count - 1] }

    func balance(at snapshot: Int) -> Int {
        for version in versions.reversed() where version.commit <= snapshot { return version.balance }
        return versions[0].balance
    }
}

/// A prepared transaction.
struct PreparedWork {
    var gid: String
    var owner: String
    var transactionID: Int
    var lockOwner = 0
    var changes: Changes
    var preparedAt: Instant
    /// A backend is ending it just now, or waits for its preparation to be replicated.
    var isBusy = false
}

/// The visible state of one server.
struct Storage {
    var accounts: [AccountRow]
    var lastCommit = 0
    var lastTransactionID = 0
    var decisions: [String: DecisionRow] = [:]
    /// Decision rows that a transaction under way has inserted, or is deleting.
    var insertedBy: [String: Int] = [:]
    var deletedBy: [String: Int] = [:]
    /// In the order of preparation.
    var prepared: [PreparedWork] = []
    var isInstalled = false
    var cluster: String?
    var shard: String?

    init(users: [Int], balance: Int) {
        accounts = users.map { AccountRow(user: $0, versions: [(0, balance)]) }
    }

    mutating func newTransactionID() -> Int {
        lastTransactionID += 1
        return lastTransactionID
    }

    func prepared(_ gid: String) -> Int? { prepared.firstIndex { $0.gid == gid } }

    /// Makes changes visible and lets their locks go.
    mutating func commit(_ changes: Changes, of transaction: Int) {
        if !changes.accounts.isEmpty {
            lastCommit += 1
            for change in changes.accounts {
                let row = accounts[change.account]
                if row.latest.commit == lastCommit {
                    accounts[change.account].versions[row.versions.count - 1].balance += change.amount
                } else {
                    accounts[change.account].versions.append((lastCommit, row.latest.balance + change.amount))
                }
            }
        }
        for row in changes.insertedDecisions { decisions[row.hash] = row }
        for hash in changes.deletedDecisions { decisions[hash] = nil }
        release(transaction)
    }

    /// Lets the locks of a transaction go.
    mutating func release(_ transaction: Int) {
        guard transaction != 0 else { return }
        for index in accounts.indices where accounts[index].lockedBy == transaction { accounts[index].lockedBy = 0 }
        for (hash, holder) in insertedBy where holder == transaction { insertedBy[hash] = nil }
        for (hash, holder) in deletedBy where holder == transaction { deletedBy[hash] = nil }
    }

    /// What a record says, after a crash.
    mutating func replay(_ record: LogRecord) {
        switch record {
        case .install: isInstalled = true
        case .identity(let cluster, let shard): (self.cluster, self.shard) = (cluster, shard)
        case .commit(let changes): commit(changes, of: 0)
        case .prepare(let gid, let owner, let changes, let moment):
            let transaction = newTransactionID()
            for change in changes.accounts { accounts[change.account].lockedBy = transaction }
            prepared.append(
                PreparedWork(gid: gid, owner: owner, transactionID: transaction, changes: changes, preparedAt: moment))
        case .commitPrepared(let gid, _): endPrepared(gid) { $0.commit($1.changes, of: $1.transactionID) }
        case .rollbackPrepared(let gid, _): endPrepared(gid) { $0.release($1.transactionID) }
        }
    }

    private mutating func endPrepared(_ gid: String, _ end: (inout Storage, PreparedWork) -> Void) {
        guard let place = prepared(gid) else { return }
        let work = prepared.remove(at: place)
        end(&self, work)
    }
}
