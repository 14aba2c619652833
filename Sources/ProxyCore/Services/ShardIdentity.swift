// ShardIdentity: whether the server at a shard's address is that shard.
//
// Addresses move: a failover may go to the wrong server, a configuration may name one server twice or have its shards in another order. Rows
// would be looked for, and written, where they are not. So a server says which shard of which cluster it is before it is used.
import Primitives
import WireProtocol

extension Worker {
    /// Why the server is not the one that was this shard, or cannot be.
    func mistakenIdentity(_ shard: ShardIndex, cluster name: String, identifier: String, number: Int?) -> String? {
        if name != clusterIdentifier { return "it belongs to cluster \"\(name)\", not \"\(clusterIdentifier)\"" }
        let known = cluster.shards.map(\.identifier)
        if let other = known.indices.first(where: { $0 != shard.int && known[$0] == identifier }) {
            return "it is shard \(other) (\(identifier)) under another address"
        }
        if let own = known[shard.int], own != identifier { return "it is another shard (\(identifier)) than it was before (\(own))" }
        if let number, number != shard.int { return "it is shard \(number) of the cluster by pgbraid.shard_number there" }
        return nil
    }

    /// The shard stays down and is asked again: its address may lead to the right server by then. What has been connected to this one is
    /// closed.
    func refuse(_ shard: ShardIndex, _ mistake: String) {
        if cluster.shards[shard.int].lastFailure != mistake {
            logger.error("the server is not the shard", metadata: ["shard": "\(shard)", "reason": "\(mistake)"])
        }
        cluster.shards[shard.int].lastFailure = mistake
        cluster.shards[shard.int].isRefused = true
        retireLinks(to: shard)
        startupProgress()
        timers.add(.install(shard), at: now + settings.reconnectDelay)
    }

    /// The right server is there: links that clients' logins have opened meanwhile may lead to the wrong one.
    func forgetRefusal(_ shard: ShardIndex) {
        guard cluster.shards[shard.int].isRefused else { return }
        cluster.shards[shard.int].isRefused = false
        retireLinks(to: shard)
    }

    private func retireLinks(to shard: ShardIndex) {
        for index in 0..<links.highWater where links.at(index).pointee.isOpen && links.at(index).pointee.shard == shard {
            let link = links.at(index)
            link.pointee.isRetiring = true
            guard link.pointee.state == .idle, let shardPool = link.pointee.shardPool else { continue }
            shardPool.pointee.idle.remove(link.pointee.place)
            closeLink(index)
        }
    }
}
