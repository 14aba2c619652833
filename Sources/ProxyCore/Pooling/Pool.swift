// Pool: the links of one role, by shard, and who waits for one.
//
// Waiting sessions form a queue threaded through the session records: waiting allocates nothing.
import Primitives
import WireProtocol

/// Links of one role to one shard.
struct ShardPool {
    var idle = IdleLinks()
    /// Sessions waiting for a link, oldest first.
    var firstWaiting: Int32 = -1
    var lastWaiting: Int32 = -1
    /// All links: connecting, idle, leased, cleaning.
    var linkCount: Int32 = 0
    var connectingCount: Int32 = 0
    var waitingCount: Int32 = 0
    /// A timer is set for the first who waits.
    var isTimed = false
    /// No attempt to connect before this moment, after one failed.
    var retryAt = Instant.origin
    var lastFailure: String?
}

/// Links of one role.
final class Pool {
    let index: Int32
    let user: String
    let shards: UnsafeMutablePointer<ShardPool>
    let shardCount: Int
    /// The plain password or the key recovered from the client, for logging in to the shards.
    var credentials: ShardCredentials
    /// What the last fresh link to each shard reported, in order.
    var parameterStatusByShard: [[(name: String, value: String)]]
    /// Those of the lowest shard that has reported; the client's ParameterStatus messages are made from it.
    var parameterStatus: [(name: String, value: String)] { parameterStatusByShard.first { !$0.isEmpty } ?? [] }
    /// ParameterStatus values that differ from a fresh link's, by the number of a settings list, once a link has reported them.
    var reported: [UInt32: [(name: String, value: String)]] = [:]
    /// Those among them that fresh links may not report as well: the next client with these settings asks again.
    var staleReports: Set<UInt32> = []
    /// Who the role is on each shard, as the shard said last.
    var loginFacts: [LoginFacts?]
    /// What a shard has said once since, of the role being another one, and has not been heard to say again.
    var claimedRoles: [LoginFacts.Claim?]
    /// Its links have retired, and no fresh one has said yet what the role has by default: nothing is planned until then.
    var isRenewing = false
    /// What the role has by default, as the last link to each shard said.
    var defaultsByShard: [RoleDefaults?]
    var defaultsChangedAt = Instant.origin
    /// Some shard gives the role's sessions a statement_timeout by default.
    var limitsStatements = false
    /// By default commits of its sessions do not wait for standbys.
    var leavesStandbysBehind = false
    /// By default its sessions hear of no warnings (client_min_messages).
    var hidesWarnings = false
    /// The defaults in force: those of the lowest shard that was asked.
    var defaults: RoleDefaults? { defaultsByShard.lazy.compactMap(\.self).first }

    init(index: Int32, user: String, shardCount: Int, credentials: ShardCredentials) {
        self.index = index
        self.user = user
        self.shardCount = shardCount
        self.credentials = credentials
        defaultsByShard = Array(repeating: nil, count: shardCount)
        parameterStatusByShard = Array(repeating: [], count: shardCount)
        loginFacts = Array(repeating: nil, count: shardCount)
        claimedRoles = Array(repeating: nil, count: shardCount)
        shards = .allocate(capacity: shardCount)
        shards.initialize(repeating: ShardPool(), count: shardCount)
    }

    deinit {
        for shard in 0..<shardCount { shards[shard].idle.free() }
        shards.deinitialize(count: shardCount)
        shards.deallocate()
    }
}

/// What the proxy can show a shard to log in as a role.
struct ShardCredentials {
    var password: String?
    /// Keys a client has shown in its own SCRAM exchange (RFC 5802): they prove the same to a shard with the same verifier.
    var scramKeys: ScramKeys?
}
