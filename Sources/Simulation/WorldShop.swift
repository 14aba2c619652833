// WorldShop: what worlds may share because it never changes: where users live, settings, recognised texts.
import Primitives
import ProxyCore
import ShardMap

/// What depends only on the number of servers.
struct WorldParts {
    var settings: ProxySettings
    /// The server of each user; user n stands at n - 1.
    var servers: [Int]
}

/// Makes worlds quickly. For one thread.
public final class WorldShop {
    let reader = StatementReader()
    let analyser = RememberingAnalyser()
    /// Lends memory to every queue of every world; it must outlive them.
    let pool = BlockPool()
    private var maps: [Int: [Int]] = [:]

    public init() {}

    /// How many users each server has.
    private static let usersPerServer = 2

    func parts(_ climate: Climate) -> WorldParts {
        WorldParts(settings: ProxyParts.settings(climate), servers: userServers(climate.serverCount))
    }

    /// The first users in order of their numbers, as far as every server has its share.
    private func userServers(_ serverCount: Int) -> [Int] {
        if let known = maps[serverCount] { return known }
        guard let map = try? ShardMap(shardCount: serverCount) else { preconditionFailure("no shard map of \(serverCount)") }
        var servers: [Int] = []
        while (0..<serverCount).contains(where: { server in servers.count { $0 == server } < Self.usersPerServer }) {
            servers.append(map.shard(hashingInteger: Int64(servers.count + 1)).int)
        }
        maps[serverCount] = servers
        return servers
    }
}
