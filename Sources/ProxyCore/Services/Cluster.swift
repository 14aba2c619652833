// Cluster: what the worker knows of the shards as a whole: which are up, whose they are, what tables they hold, and
// which distributed transactions are under way.
import DistributedCommit
import Primitives
import QueryPlanning
import ShardMap

/// How far the worker's start has come. Recovery is first: reading the catalog waits for the locks of what it ends, and is to show
/// what it commits.
enum StartupPhase {
    /// A round has been tried for each shard that answers, and none waits for its locks or for a living coordinator -> readingCatalog
    case recovering
    /// -> ready
    case readingCatalog
    /// Clients are let in.
    case ready
}

/// One shard as the worker sees it.
struct ShardFacts {
    /// The lock that shows the worker lives is held there: recovery may act on it.
    var isReached = false
    /// It is reached, and all locks of the worker's are held. That for planning can be kept from it by what recovery has to end first.
    var isUp = false
    /// What the last round for it has found: it opens by that once it is up.
    var lastRound: (summary: RecoverySummary, begun: UInt64)?
    /// Since when the worker has kept its link there, and not closed the shard.
    var watchedSince = Instant.origin
    /// Its name in the cluster, as stored in its schema pgbraid.
    var identifier: String?
    var lastFailure: String?
    /// It was not opened since living coordinators are just committing there: a round soon will.
    var awaitsCoordinators = false
    /// The server at its address was not this shard when it was asked last.
    var isRefused = false
    /// Its system identifier and timeline when it came up (see `InternalSchema.history`).
    var history: String?
    var maximumPreparedTransactions = 0
    /// Its schema is installed and its identity known.
    var isInstalled = false
    /// When it last read postgresql.conf, as it says itself.
    var configurationLoadedAt: String?
}

/// The state of the cluster.
final class Cluster {
    var shards: [ShardFacts]
    var name: String
    var startup = StartupPhase.recovering
    var isReady: Bool { startup == .ready }
    /// Which shards clients are kept from until recovery has ended what a crash left there.
    var fences: ShardFences
    var catalog = Catalog(relations: [])
    var catalogEpoch = 0
    /// How often the catalog was asked for: what was read before the last request may be old.
    var catalogRequests = 0
    /// How often DDL may have changed roles: what shards said of them before may be old.
    var loginRequests = 0
    /// When that was last.
    var loginsRequestedAt = Instant.origin
    var isCatalogLoading = false
    var isCatalogStale = false
    /// What is known of tables may be outdated: nothing is planned until it is read again.
    var isCatalogOld: Bool { isCatalogLoading || isCatalogStale || isPlanningPaused }
    /// Rows of a table move: no statement begins until it is known where they are (`Worker.pausePlanning`).
    var isPlanningPaused = false
    var pauseRequestedAt = Instant.origin
    /// Rows may have moved since the catalog was read that all know.
    var isMoveUnread = false
    /// The OIDs of types and tables by shard, as last read.
    var objectOIDs: [ObjectOIDs]
    /// By shard; nil: its OIDs are those that clients see.
    var oidTranslations: [OIDTranslation?] {
        didSet { translatesOIDs = oidTranslations.contains { $0 != nil } }
    }
    /// Some shard has other OIDs than clients see.
    private(set) var translatesOIDs = false
    /// Numbers of catalogs that only one block sees.
    var lastPrivateEpoch = 1 << 40
    var map: ShardMap {
        didSet { hotMap = .passUnretained(map) }
    }
    /// `map`, for the path of every query: reached without counting references.
    private(set) var hotMap: Unmanaged<ShardMap>
    /// Distributed transactions of this worker that are not finished.
    var inFlight: Set<TransactionHash> = []
    /// Decision rows no longer needed, by shard.
    var decisionsToForget: [[TransactionHash]]
    var instance = ""
    var isRecovering = false
    /// Own and foreign prepared transactions seen by the last recovery round.
    var preparedSeen: [(shard: ShardIndex, gid: String, owner: String, ageSeconds: Double, state: String)] = []
    /// Old ones that the log has a line about: "shard gid".
    var preparedReported: Set<String> = []
    var recoveries: UInt64 = 0
    var recoveredCommits: UInt64 = 0
    var recoveredRollbacks: UInt64 = 0

    init(shardCount: Int, name: String, rules: ShardingRules) {
        shards = Array(repeating: ShardFacts(), count: shardCount)
        self.name = name
        objectOIDs = Array(repeating: ObjectOIDs(), count: shardCount)
        oidTranslations = Array(repeating: nil, count: shardCount)
        map = Self.map(shardCount: shardCount, rules: rules)
        hotMap = .passUnretained(map)
        fences = ShardFences(shardCount: shardCount)
        decisionsToForget = Array(repeating: [], count: shardCount)
    }

    /// The configuration has been checked before: rules that name no such shard do not come here.
    private static func map(shardCount: Int, rules: ShardingRules) -> ShardMap {
        do {
            return try ShardMap(shardCount: shardCount, rules: rules)
        } catch {
            preconditionFailure("unchecked sharding rules: \(error)")
        }
    }

    func reload(rules: ShardingRules) { map = Self.map(shardCount: shards.count, rules: rules) }

    /// The lowest shard that is up: it answers for catalogs and types.
    var catalogShard: ShardIndex { ShardIndex(shards.firstIndex { $0.isUp } ?? 0) }

    func shardIdentifier(_ shard: ShardIndex) -> String { shards[shard.int].identifier ?? "s\(shard)" }

    func forgetDecision(_ hash: TransactionHash, on shard: ShardIndex) { decisionsToForget[shard.int].append(hash) }
}

/// The secret, hash and names of one distributed transaction.
struct TransactionIdentity {
    let cluster: String
    let instance: String
    let decider: String
    let tokenHexadecimal: String
    let hash: TransactionHash

    func gid(participant: String) -> String { "pgbraid:\(cluster):\(instance):\(decider):\(hash):\(participant)" }
}
