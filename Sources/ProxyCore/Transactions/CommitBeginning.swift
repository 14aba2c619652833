// CommitBeginning: what a commit over several shards begins with: its names, and what forbids a part to be prepared.
import DistributedCommit
import Primitives
import WireProtocol

extension Worker {
    /// A fresh token and the names that go with it.
    func newTransactionIdentity(decider: ShardIndex) -> TransactionIdentity? {
        let token = random.bytes(16)
        guard let hash = TransactionHash(bytes: Digest.sha256(token).prefix(16)) else { return nil }
        return TransactionIdentity(
            cluster: clusterIdentifier, instance: cluster.instance, decider: cluster.shardIdentifier(decider),
            tokenHexadecimal: hexadecimal(token), hash: hash)
    }

    /// What forbids PREPARE TRANSACTION on a link of the session.
    func preparationObstacle(_ index: Int32, link: Int32) -> PreparationObstacle? {
        let shard = links.at(link).pointee.shard
        if cluster.shards[shard.int].maximumPreparedTransactions == 0 { return .preparedTransactionsDisabled }
        guard let detail = sessions.at(index).pointee.detail else { return nil }
        if detail.cursors.forbidPreparation(on: link) { return .heldCursors }
        guard let pinned = detail.pinnedLinks.first(where: { $0.link == link }) else { return nil }
        if pinned.reasons.contains(.temporaryTable) { return .temporaryObjects }
        if pinned.reasons.contains(.listen) { return .notifications }
        return pinned.reasons.contains(.sessionAdvisoryLock) ? .mixedAdvisoryLocks : nil
    }
}
