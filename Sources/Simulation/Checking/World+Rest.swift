// Rest: whether, once all clients are done, nothing is left over: no link, no session, no prepared transaction.
import Primitives
import ProxyCore

extension World {
    /// What is not yet at rest; nil: everything is.
    func unrest() -> String? {
        for server in servers {
            if let what = unrest(of: server) { return "s\(server.number) \(what)" }
        }
        for proxy in proxies {
            if let what = unrest(of: proxy) { return "proxy \(proxy.number) \(what)" }
        }
        return nil
    }

    private func unrest(of server: SimulatedServer) -> String? {
        guard server.isUp else { return "is down" }
        if let left = server.storage.prepared.first { return "keeps \(left.gid)" }
        if let row = server.storage.accounts.first(where: { $0.lockedBy != 0 }) { return "keeps the lock of user \(row.user)" }
        let backends = server.backends.compactMap { $0 }
        if let open = backends.first(where: { $0.block != .none || $0.wait != nil }) { return "has an open transaction on backend \(open.number)" }
        return nil
    }

    private func unrest(of proxy: SimulatedProxy) -> String? {
        guard let worker = proxy.worker else { return "is down" }
        guard worker.isReady else { return "is not ready" }
        for server in servers where worker.isClosed(ShardIndex(server.number)) { return "keeps s\(server.number) closed" }
        let counts = worker.counts
        if counts.sessions != 0 { return "has sessions: \(counts)" }
        if counts.transactionsInFlight != 0 { return "has transactions in flight: \(counts)" }
        if counts.cancellers != 0 || counts.adminTasks != 0 || counts.waitingSessions != 0 { return "has work left: \(counts)" }
        // One link a shard holds the instance's lock for good.
        if counts.pooledLinks != counts.links || counts.idleLinks != counts.links - servers.count { return "leaks links: \(counts)" }
        if counts.openStreams != counts.links + 1 { return "leaks streams: \(counts)" }
        return backendsMatch(proxy, counts)
    }

    /// Every link has its backend and every backend its link.
    private func backendsMatch(_ proxy: SimulatedProxy, _ counts: WorkerCounts) -> String? {
        let all = servers.reduce(0) { $0 + $1.backends.count { $0 != nil } }
        let links = proxies.reduce(0) { $0 + ($1.worker?.counts.links ?? 0) }
        return all == links ? nil : "and the others have \(links) links, the servers \(all) backends"
    }
}
