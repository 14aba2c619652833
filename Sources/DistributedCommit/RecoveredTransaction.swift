// RecoveredTransaction: one distributed transaction as a recovery round sees it, put together from the prepared
// transactions found on the shards.
import Primitives

/// A transaction a round decides and finishes.
struct RecoveredTransaction: Sendable {
    /// One prepared transaction of it.
    struct Participant: Sendable {
        var shard: ShardIndex
        var gid: String
        var owner: String
        /// COMMIT or ROLLBACK PREPARED is out.
        var isFinishing = false
    }

    var decider: ShardIndex
    var hash: TransactionHash
    var instance: InstanceIdentifier
    var participants: [Participant]
    /// Known once the decider's row was read.
    var outcome: Decision?
    /// Its fenceAndRead is out.
    var isAsking = true

    /// The order in which a round keeps its transactions.
    func precedes(_ otherDecider: ShardIndex, _ otherHash: TransactionHash) -> Bool {
        (decider, hash) < (otherDecider, otherHash)
    }
}
