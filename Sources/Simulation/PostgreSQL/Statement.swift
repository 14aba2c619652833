// Statement: every statement the model of PostgreSQL understands. Anything else is a failure of the simulation.
import QueryPlanning

/// A number in a statement: written there, or bound to a parameter (from 1).
enum Operand {
    case literal(Int)
    case parameter(Int)
}

/// One statement.
enum Statement {
    // Transactions.
    case begin(isRepeatableRead: Bool)
    case commit, rollback
    case savepoint(String), release(String), rollbackTo(String)
    case prepare(gid: String)
    case commitPrepared(gid: String), rollbackPrepared(gid: String)
    // Settings.
    case set(name: String, value: String, isLocal: Bool)
    case reset(String)
    case setRole(String), setConstraints, discardAll
    // The clients' table.
    case update(delta: Operand, isNegative: Bool, user: Operand?)
    case selectSum(SumSpelling), selectBalance(user: Operand)
    /// All rows, or those of some users.
    case selectRows(users: [Int]?)
    case advisoryLock(key: Int, isShared: Bool)
    /// The statement that adds up the shards' sums, given as an array of texts.
    case addUp
    case explain
    // What the proxy asks.
    case selectOne, emitMessage
    case isTransactionIDAssigned
    case roleDefaults, history, lockWaits
    case instanceLock(Int32, Int32)
    case decide(token: String, instance: String)
    case insertDecision(hash: String, outcome: String, instance: String)
    case selectOutcome(hash: String)
    case deleteDecisions(hashes: [String], outcome: String)
    case listDecisions(olderThanSeconds: Double)
    case listInstances(classKey: Int)
    case listPrepared, asksForStandbys
    case install
    case insertIdentity(cluster: String, shard: String), selectIdentity
    case catalog(CatalogQuery)
    case objectOIDs
}

/// How a sum is asked for: as the client does, or as the proxy does of each shard.
enum SumSpelling {
    case plain, partial
    /// A second time for the proxy's own eyes.
    case doubled

    var columnNames: [String] {
        switch self {
        case .plain: ["sum"]
        case .partial: ["a1"]
        case .doubled: ["sum", "pgbraid_1"]
        }
    }
}

extension Statement {
    /// It runs in a failed block.
    var isAllowedInFailedBlock: Bool {
        switch self {
        case .commit, .rollback, .rollbackTo, .prepare: true
        default: false
        }
    }

    /// Names and types of the columns it returns; nil: it returns none.
    var columns: [(name: String, type: UInt32)]? {
        switch self {
        case .selectSum(let spelling): spelling.columnNames.map { ($0, 1700) }
        case .addUp: [("sum", 1700)]
        case .selectRows: [("user_id", 20), ("balance", 20)]
        case .selectBalance: [("balance", 20)]
        case .advisoryLock(_, let isShared): [(isShared ? "pg_advisory_xact_lock_shared" : "pg_advisory_xact_lock", 2278)]
        case .explain: [("QUERY PLAN", 25)]
        case .selectOne: [("?column?", 23)]
        case .emitMessage: [("pg_logical_emit_message", 3220)]
        case .isTransactionIDAssigned, .asksForStandbys: [("?column?", 16)]
        case .roleDefaults: (1...9).map { _ in ("current_setting", 25) }
        case .history: [("?column?", 25)]
        case .lockWaits: [("pid", 23), ("waitstart", 25), ("array_to_string", 25), ("min", 25)]
        case .instanceLock: [("pg_advisory_lock_shared", 2278)]
        case .decide: [("decide", 2278)]
        case .selectOutcome: [("outcome", 25)]
        case .listDecisions: [("hash", 2950), ("outcome", 25), ("instance", 25), ("date_part", 701)]
        case .listInstances: [("objid", 20)]
        case .listPrepared: [("gid", 25), ("owner", 19), ("database", 19), ("date_part", 701)]
        case .selectIdentity: [("cluster", 25), ("shard", 25), ("current_setting", 25)]
        case .objectOIDs: (0..<ObjectOIDs.columnCount).map { ("c\($0)", 25) }
        case .catalog(let query): (0..<query.columnCount).map { ("c\($0)", 25) }
        default: nil
        }
    }

    /// The types of its parameters.
    var parameterTypes: [UInt32] {
        switch self {
        case .update(let delta, _, let user): [delta, user].compactMap { if case .parameter? = $0 { 20 } else { nil } }
        case .selectBalance(.parameter): [20]
        case .addUp: [1009]
        default: []
        }
    }
}
