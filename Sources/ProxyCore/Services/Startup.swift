// Startup: before clients are let in: schema pgbraid on every shard that answers, identities, recovery, the catalog.
//
//     down ──> installed ──> reached ──> up ──> open                   each shard
//     recovering ──> readingCatalog ──> ready                           the worker (`StartupPhase`)
//
// A shard is reached when it has said who it is and holds the lock that shows this worker lives. Recovery acts on it from then on: what it
// is to end may hold the planning lock, without which the shard is not up, and locks for which reading the catalog waits. Once it is up
// and a round for it has ended well it opens.
//
// A shard that is down delays nobody: the proxy serves without it, and does the same for it when it returns.
import DistributedCommit
import Primitives
import QueryPlanning
import ShardMap
import WireProtocol

extension Worker {
    func beginStartup() {
        cluster.instance = hexadecimal(random.bytes(8))
        for shard in 0..<shardCount { install(ShardIndex(shard)) }
    }

    /// Installs the schema and learns who the shard is.
    func install(_ shard: ShardIndex) {
        guard !cluster.shards[shard.int].isInstalled else { return }
        runAdmin(shard, InternalSchema.installation) { [unowned self] answer in
            guard answer.isSuccess else { return installFailed(shard, answer) }
            identify(shard)
        }
    }

    private func installFailed(_ shard: ShardIndex, _ answer: AdminAnswer) {
        // Of a shard that cannot be reached the plain reason is known already.
        if !answer.isLost || cluster.shards[shard.int].lastFailure == nil { cluster.shards[shard.int].lastFailure = answer.error?.message }
        logger.warning(
            "shard is not usable", metadata: ["shard": "\(shard)", "reason": "\(answer.error?.message ?? "unknown")"])
        startupProgress()
        timers.add(.install(shard), at: now + settings.reconnectDelay)
    }

    private func identify(_ shard: ShardIndex) {
        let proposed = "s" + hexadecimal(random.bytes(6))
        runAdmin(shard, InternalSchema.identify(cluster: clusterIdentifier, shard: proposed, number: shard.int)) { [unowned self] answer in
            guard answer.isSuccess, let row = answer.results.last?.first, row.count >= 3 else { return installFailed(shard, answer) }
            let number = row.count > 3 ? row[3].flatMap { Int($0) } : nil
            if let mistake = mistakenIdentity(shard, cluster: row[0] ?? "", identifier: row[1] ?? "", number: number) {
                return refuse(shard, mistake)
            }
            forgetRefusal(shard)
            cluster.shards[shard.int].identifier = row[1]
            cluster.shards[shard.int].maximumPreparedTransactions = row[2].flatMap { Int($0) } ?? 0
            readHistory(shard) { [unowned self] history in
                guard let history else { return installFailed(shard, AdminAnswer(isLost: true)) }
                cluster.shards[shard.int].history = history
                readOIDs(shard) { [unowned self] isKnown in
                    guard isKnown else { return installFailed(shard, AdminAnswer(isLost: true)) }
                    cluster.shards[shard.int].isInstalled = true
                    holdInstanceLock(shard)
                }
            }
        }
    }

    /// Cluster names are made fit for gids: lower-case letters, digits, hyphens.
    var clusterIdentifier: String {
        let fit = settings.clusterName.lowercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" }
        return String(String(fit).prefix(63))
    }

    /// A session advisory lock on every shard says that this instance lives; its link is kept for that alone.
    private func holdInstanceLock(_ shard: ShardIndex) {
        guard keepers[shard.int] == nil, let instance = try? InstanceIdentifier(cluster.instance) else { return }
        let lock = InternalSchema.instanceLock(instance)
        let keeper = LockKeeper(worker: self, shard: shard)
        keepers[shard.int] = keeper
        keeper.hold(lock) { [unowned self] in
            cluster.shards[shard.int].isReached = true
            cluster.shards[shard.int].watchedSince = now
            cluster.shards[shard.int].lastFailure = nil
            if cluster.startup == .recovering { startupProgress() } else { openClosedShards() }
        }
    }

    /// All of the worker's locks are held there.
    func shardIsUp(_ shard: ShardIndex) {
        cluster.shards[shard.int].isUp = true
        translateOIDs()
        logger.info("shard is up", metadata: ["shard": "\(shard)", "identifier": "\(cluster.shardIdentifier(shard))"])
    }

    /// Once every shard has answered or failed: recovery, catalog, ready.
    func startupProgress() {
        guard cluster.startup == .recovering else { return }
        let settled = cluster.shards.allSatisfy { $0.isReached || $0.lastFailure != nil }
        guard settled, cluster.shards.contains(where: \.isReached) else { return }
        openClosedShards()
    }

    /// Reads tables, types and functions from the catalog shard.
    func loadCatalog() {
        cluster.catalogRequests += 1
        if cluster.isCatalogLoading {
            cluster.isCatalogStale = true
            return
        }
        cluster.isCatalogLoading = true
        cluster.isCatalogStale = false
        runAdmin(cluster.catalogShard, CatalogQuery.script) { [unowned self] answer in
            guard answer.isSuccess else { return catalogAnswered(answer) }
            readAllOIDs { [unowned self] in catalogAnswered(answer) }
        }
    }

    private func catalogAnswered(_ answer: AdminAnswer) {
        cluster.isCatalogLoading = false
        guard answer.isSuccess, answer.results.count == CatalogQuery.allCases.count else {
            logger.warning("cannot read the catalog", metadata: ["reason": "\(answer.error?.message ?? "unexpected answer")"])
            return readCatalogLater(settings.reconnectDelay)
        }
        guard let catalog = catalog(from: answer.results) else { return readCatalogLater(.seconds(10)) }
        takeCatalog(catalog)
        if cluster.isCatalogStale { loadCatalog() }
    }

    /// Until then what is known is older than what was asked for: rows may have moved.
    private func readCatalogLater(_ delay: Span) {
        cluster.isCatalogStale = true
        timers.add(.catalog, at: now + delay)
    }

    private func takeCatalog(_ catalog: Catalog) {
        if !cluster.isPlanningPaused, !cluster.isCatalogStale { cluster.isMoveUnread = false }
        let former = cluster.catalog
        cluster.catalog = catalog
        cluster.catalogEpoch += 1
        for number in environments.forget(olderThan: cluster.catalogEpoch) { planner.forget(environment: number) }
        for index in 0..<sessions.highWater where sessions.at(index).pointee.detail != nil {
            guard sessions.at(index).pointee.phase == .ready else { continue }
            // A block's own catalog may be old as well, which it sees when it plans.
            if sessions.at(index).pointee.detail?.transaction?.catalog != nil {
                sessions.at(index).pointee.environment = 0
            } else {
                renewEnvironment(of: index)
            }
        }
        settingsTable.renewRoles()
        endBlocksBeforeMove(from: former, to: catalog)
        catalogLoaded()
    }

    /// The catalog that the answers to `CatalogQuery` describe.
    /// - Parameter known: what is missing was not asked for, and is as in this one.
    func catalog(from results: [[[String?]]], filledFrom known: Catalog? = nil) -> Catalog? {
        var builder = CatalogBuilder()
        do throws(CatalogError) {
            for (query, rows) in zip(CatalogQuery.allCases, results) {
                for row in rows { try builder.add(query, row: row) }
            }
        } catch {
            logger.error("the catalog cannot be understood", metadata: ["reason": "\(error)"])
            return nil
        }
        if let known { builder.fill(from: known) }
        return builder.build(rules: settings.rules)
    }

    private func catalogLoaded() {
        resumeCatalogWaiters()
        if cluster.startup == .readingCatalog { becomeReady() }
    }

    /// Two lower-case digits a byte.
    func hexadecimal(_ bytes: [UInt8]) -> String {
        String(unsafeUninitializedCapacity: 2 * bytes.count) { buffer in
            for (index, byte) in bytes.enumerated() {
                buffer[2 * index] = Self.digit(byte >> 4)
                buffer[2 * index + 1] = Self.digit(byte & 15)
            }
            return 2 * bytes.count
        }
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }

    // MARK: Shards coming and going

    func noteShardDown(_ shard: ShardIndex, _ reason: String) {
        cluster.shards[shard.int].lastFailure = reason
        if adminPool.shards[shard.int].linkCount == 0 { failAdminWork(shard, unreachable(shard, reason)) }
    }

    /// The link that holds the instance lock, or was to hold it, is gone: the shard restarted, or the network did.
    func lockKeeperLost(_ shard: ShardIndex, retryAfter delay: Span) {
        keepers[shard.int] = nil
        if cluster.shards[shard.int].isReached {
            let wasUp = cluster.shards[shard.int].isUp
            cluster.shards[shard.int].isReached = false
            cluster.shards[shard.int].isUp = false
            if wasUp { translateOIDs() }
            logger.warning("shard is down", metadata: ["shard": "\(shard)"])
            closeShard(shard)
        }
        endPauseIfPossible()
        resumeLogins()
        if !isShuttingDown { timers.add(.install(shard), at: now + delay) }
    }
}

extension Worker {
    /// A shard that was down is tried again: its schema first, then the lock that shows this instance lives.
    func reinstall(_ shard: ShardIndex) {
        guard !isShuttingDown, !cluster.shards[shard.int].isReached else { return }
        cluster.shards[shard.int].isInstalled = false
        install(shard)
    }
}
