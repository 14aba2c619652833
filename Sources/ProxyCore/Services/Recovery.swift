// Recovery: finds prepared transactions of this cluster whose coordinator is gone and ends them as decided.
//
// When a round begins and what its outcome means for the shards is here; RecoveryDriver carries it out.
import DistributedCommit
import Primitives
import WireProtocol

enum RecoveryOccasion {
    case periodic
    /// A shard came back.
    case beforeOpening(ShardIndex)
}

extension Worker {
    /// Begins a round unless one is under way.
    func runRecovery(_ occasion: RecoveryOccasion) {
        guard !cluster.isRecovering, let name = try? ClusterIdentifier(clusterIdentifier),
            let instance = try? InstanceIdentifier(cluster.instance)
        else { return }
        let identifiers = cluster.shards.map { $0.identifier.flatMap { try? ShardIdentifier($0) } }
        let scope: RecoveryScope
        var watchedFor = Span.zero
        if case .beforeOpening(let shard) = occasion {
            scope = .reopening(shard)
            watchedFor = now - cluster.shards[shard.int].watchedSince
        } else {
            scope = .routine
        }
        cluster.isRecovering = true
        let context = RecoveryContext(
            cluster: name, instance: instance, shards: identifiers, databases: settings.shards.map(\.database), scope: scope,
            ownInFlight: cluster.inFlight, inDoubtTimeout: settings.inDoubtTimeout, watchedFor: watchedFor,
            decisionRetention: settings.decisionRetention, opensInDoubt: false)
        recovery = RecoveryDriver(worker: self, occasion: occasion, context: context, begun: cluster.fences.roundBegins())
        recovery?.tell(.start)
    }

    func recoveryFinished(
        _ occasion: RecoveryOccasion, _ summary: RecoverySummary, begun: UInt64,
        _ seen: [(shard: ShardIndex, gid: String, owner: String, ageSeconds: Double, state: String)]
    ) {
        cluster.isRecovering = false
        cluster.preparedSeen = seen
        reportOldTransactions()
        cluster.recoveries &+= 1
        cluster.recoveredCommits &+= UInt64(summary.committed)
        cluster.recoveredRollbacks &+= UInt64(summary.rolledBack)
        if summary.committed + summary.rolledBack + summary.remaining > 0 {
            logger.notice(
                "recovery round",
                metadata: [
                    "committed": "\(summary.committed)", "rolled back": "\(summary.rolledBack)", "remaining": "\(summary.remaining)",
                ])
        }
        if case .beforeOpening(let shard) = occasion {
            cluster.shards[shard.int].awaitsCoordinators = summary.awaitsCoordinators
            cluster.shards[shard.int].lastRound = (summary, begun)
            openRecovered(shard)
        }
        openClosedShards()
    }

    /// A shard opens when the last round for it has ended well and it is up, whichever comes later.
    func openRecovered(_ shard: ShardIndex) {
        guard cluster.shards[shard.int].isUp, let round = cluster.shards[shard.int].lastRound,
            cluster.fences.open(shard, after: round.summary, begun: round.begun)
        else { return }
        publishClosedShards()
        logger.info("shard is open", metadata: ["shard": "\(shard)"])
    }

    /// One line in the log for each prepared transaction that has grown old, whoever made it: it holds locks and keeps VACUUM
    /// from removing rows.
    private func reportOldTransactions() {
        let limit = settings.preparedAlertAge
        let old = cluster.preparedSeen.filter { limit > .zero && $0.ageSeconds >= limit.seconds }
        for entry in old where !cluster.preparedReported.contains("\(entry.shard) \(entry.gid)") {
            logger.warning(
                "a prepared transaction is old",
                metadata: [
                    "gid": "\(entry.gid)", "shard": "\(entry.shard)", "owner": "\(entry.owner)", "age": "\(Int(entry.ageSeconds)) s", "state": "\(entry.state)",
                ])
        }
        cluster.preparedReported = Set(old.map { "\($0.shard) \($0.gid)" })
    }

    /// The server's system identifier and timeline: another one after a promotion or a restore. Nil: it does not answer.
    func readHistory(_ shard: ShardIndex, completion: @escaping (String?) -> Void) {
        runAdmin(shard, InternalSchema.history, limit: Self.recoveryPatience) { answer in
            completion(answer.isSuccess ? answer.results.last?.first?.first ?? nil : nil)
        }
    }

    /// Shards that recovery can act on and clients are kept from.
    private var closedShards: [Int] {
        cluster.shards.indices.filter { cluster.shards[$0].isReached && cluster.fences.isClosed(ShardIndex($0)) }
    }

    /// A shard that came back, or could not be told a decision, is opened after a recovery round for it; at the start
    /// each is, before the catalog is read and clients are let in.
    func openClosedShards() {
        guard !cluster.isRecovering else { return }
        let closed = closedShards
        if let shard = closed.first(where: { lastOpeningAttempt[$0] + Self.openingInterval <= now }) {
            lastOpeningAttempt[shard] = now
            return runRecovery(.beforeOpening(ShardIndex(shard)))
        }
        let isAwaited = closed.contains { cluster.shards[$0].awaitsCoordinators || !cluster.shards[$0].isUp }
        if cluster.startup == .recovering, !isAwaited, cluster.shards.contains(where: \.isUp) {
            cluster.startup = .readingCatalog
            loadCatalog()
        }
        scheduleRecovery(closed.isEmpty ? settings.recoveryInterval : Self.openingInterval)
    }

    /// How long after a round that could not open a shard the next is tried.
    static var openingInterval: Span { .milliseconds(500) }

    /// The catalog is read: clients are let in.
    func becomeReady() {
        cluster.startup = .ready
        logger.info("ready", metadata: ["shards": "\(cluster.shards.count { $0.isUp }) of \(shardCount)"])
    }

    private func scheduleRecovery(_ delay: Span) {
        guard nextRecoveryAt <= now || nextRecoveryAt > now + delay else { return }
        nextRecoveryAt = now + delay
        timers.add(.recovery, at: nextRecoveryAt)
    }

    /// The timer of the next round is due.
    func recoveryIsDue() {
        guard nextRecoveryAt <= now, !cluster.isRecovering else { return }
        if closedShards.isEmpty { runRecovery(.periodic) } else { openClosedShards() }
    }

    /// Keeps everyone from the shard until recovery has finished its decided transactions.
    func fence(_ shard: ShardIndex) {
        logger.warning("shard is closed until its decided transactions are finished", metadata: ["shard": "\(shard)"])
        closeShard(shard)
        if hotSettings.isStrict { letGo(of: shard) }
        openClosedShards()
    }

    /// Blocks that are on the shard already end: what it would answer them shows half of the transaction that closed it, and with strict
    /// reads no single answer may.
    private func letGo(of shard: ShardIndex) {
        for index in 0..<links.highWater {
            let link = links.at(index)
            guard link.pointee.isOpen, link.pointee.session >= 0, link.pointee.shard == shard else { continue }
            breakLink(index, reason: "the shard is closed until its decided transactions are finished")
        }
    }

    /// From now on nobody gets a link to the shard, nor do those who wait for one.
    func closeShard(_ shard: ShardIndex) {
        cluster.fences.close(shard)
        cluster.shards[shard.int].watchedSince = now
        publishClosedShards()
        for pool in pools {
            let shardPool = pool.shards + shard.int
            while shardPool.pointee.firstWaiting >= 0 { failWait(shardPool.pointee.firstWaiting, closed(shard)) }
        }
    }
}
