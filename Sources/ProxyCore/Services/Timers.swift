// Timers: what the worker waits for, and the housekeeping it does every second.
//
// A timer carries ids and generations; when it fires and what it named is gone or has moved on, it means nothing.
import DistributedCommit
import Primitives
import WireProtocol

enum Timer {
    case housekeeping
    /// A link must be logged in by now.
    case connect(link: Int32, generation: UInt32)
    /// A client must be logged in by now.
    case login(session: Int32, generation: UInt32)
    /// The first of those who wait for a link may have waited long enough.
    case queueWait(pool: Int32, shard: ShardIndex)
    /// A cancel request must have landed by now.
    case cancel(StreamID)
    /// The shard may be tried again.
    case retry(pool: Int32, shard: ShardIndex)
    /// The client left; its statement has had its time.
    case leaving(session: Int32, generation: UInt32, isCancelled: Bool)
    case deadlockScan
    /// The second look at what seemed to be a deadlock.
    case deadlockLook
    /// A snapshot window has lasted as long as it may.
    case gateLimit(serial: UInt64)
    case commit(session: Int32, generation: UInt32, hash: TransactionHash, timer: CommitTimer)
    case install(ShardIndex)
    case catalog
    case recovery
    /// Whether a saga has ended is to be looked at.
    case saga(session: Int32, generation: UInt32, serial: UInt64)
    case shutdownLimit
    case finishPrepared(shard: ShardIndex, text: String, owner: String, completion: (FinishAnswer) -> Void)
    /// The proxy's own statement should have been answered by now.
    case adminLimit(AdminTask)
}

extension Worker {
    static let housekeepingInterval = Span.seconds(1)
    /// How many seconds after a long text free memory is given back.
    static let memoryReleasesAfterLongText = 10
    /// How long the statement of a client that left may go on before it is cancelled.
    static let leavingPatience = Span.seconds(10)
    /// How long a statement of the proxy's services may take.
    static let adminPatience = Span.seconds(60)
    /// How many links to a shard the proxy's own work may have at a time.
    static let adminLinks = 8

    func fire(_ timer: Timer) {
        switch timer {
        case .housekeeping: housekeep()
        case .connect(let link, let generation):
            let record = links.at(link)
            guard record.pointee.generation == generation, record.pointee.login != nil else { return }
            breakLink(link, reason: "no connection within connect_timeout")
        case .login(let session, let generation):
            let record = sessions.at(session)
            guard record.pointee.generation == generation, record.pointee.detail != nil else { return }
            guard record.pointee.phase != .ready, record.pointee.phase != .console, record.pointee.phase != .leaving else { return }
            endSession(session, DatabaseMessage(fatal: .queryCanceled, "canceling authentication due to timeout"))
        case .queueWait(let pool, let shard): queueWaited(pool, shard)
        case .cancel(let stream): cancelTimedOut(stream)
        case .retry(let pool, let shard):
            if pool == adminPool.index { openAdminLink(shard) }
            openLinksAsNeeded(pool: pool, shard: shard)
        case .leaving(let session, let generation, let isCancelled):
            guard sessions.at(session).pointee.generation == generation else { return }
            hurryLeaving(session, isCancelled: isCancelled)
        case .deadlockScan: deadlockWatch?.scan()
        case .deadlockLook: deadlockWatch?.lookAgain()
        case .gateLimit(let serial): gateVisitors[serial]?.gateLimitIsOver()
        case .commit(let session, let generation, let hash, let timer):
            guard sessions.at(session).pointee.generation == generation, cluster.inFlight.contains(hash) else { return }
            (sessions.at(session).pointee.detail?.execution as? CommitExecution)?.tell(.timerFired(timer))
        case .install(let shard): reinstall(shard)
        case .catalog: loadCatalog()
        case .recovery: recoveryIsDue()
        case .saga(let session, let generation, let serial):
            guard sessions.at(session).pointee.generation == generation else { return }
            (sessions.at(session).pointee.detail?.execution as? SagaRunExecution)?.look(serial)
        case .shutdownLimit: endShutdown()
        case .finishPrepared(let shard, let text, let owner, let completion): runFinish(shard, text, owner: owner, completion)
        case .adminLimit(let task): task.giveUp()
        }
    }

    /// One timer a queue, for its head: whoever waits leaves within the same time, so that the order is that of deadlines.
    func timeQueue(_ shardPool: UnsafeMutablePointer<ShardPool>, pool: Int32, shard: ShardIndex) {
        guard !shardPool.pointee.isTimed, shardPool.pointee.firstWaiting >= 0 else { return }
        shardPool.pointee.isTimed = true
        let since = sessions.at(shardPool.pointee.firstWaiting).pointee.waitingSince
        timers.add(.queueWait(pool: pool, shard: shard), at: since + settings.queryWaitTimeout)
    }

    private func queueWaited(_ pool: Int32, _ shard: ShardIndex) {
        let shardPool = pools[Int(pool)].shards + shard.int
        while case let first = shardPool.pointee.firstWaiting, first >= 0,
            sessions.at(first).pointee.waitingSince + settings.queryWaitTimeout <= now
        {
            statistics.queueTimeouts &+= 1
            failWait(first, queueTimeout(shard, shardPool.pointee.lastFailure))
        }
        shardPool.pointee.isTimed = false
        timeQueue(shardPool, pool: pool, shard: shard)
    }

    /// - Parameter failure: why the last attempt to open a link failed, if it did.
    private func queueTimeout(_ shard: ShardIndex, _ failure: String?) -> DatabaseMessage {
        DatabaseMessage(
            error: .tooManyConnections,
            "timed out after \(settings.queryWaitTimeout.seconds) s waiting for a link to shard \(shard)",
            detail: failure.map { "Another link could not be opened: \($0)" },
            hint: failure == nil
                ? "All links are in use: raise pool_size, or end transactions sooner."
                : "The links that are open are in use: let the shard take more connections, or end transactions sooner.")
    }

    private func housekeep() {
        timers.add(.housekeeping, at: now + Self.housekeepingInterval)
        statistics.closeSecond()
        for pool in pools {
            for shard in 0..<shardCount { ageLinks(pool.shards + shard) }
        }
        breakSilentLinks()
        for keeper in keepers { keeper?.lookForLife() }
        endLongCatalogWaits()
        endStalledClients()
        endIdleClients()
        forgetDecisions()
        sweepTables()
        endForgottenPause()
        endForgottenRenewals()
        streams.at(sink.index).pointee.output.free()
        releaseMemory()
        if isShuttingDown { shutdownProgress() }
    }

    /// What long texts took goes back to the system, at once and again while their statements may still run.
    private func releaseMemory() {
        if planner.takeLongTextMark() { memoryReleases = Self.memoryReleasesAfterLongText }
        guard memoryReleases > 0 else { return }
        memoryReleases -= 1
        effects.append(.releaseMemory)
    }

    /// Closes links that do not answer what the proxy itself asked: a session or a service waits for it, and a hung shard
    /// must not keep it for ever.
    private func breakSilentLinks() {
        for index in 0..<links.highWater {
            let link = links.at(index)
            guard link.pointee.isOpen, link.pointee.state == .leased else { continue }
            if link.pointee.session >= 0, sessions.at(link.pointee.session).pointee.detail == nil {
                logger.error("a link belongs to a session that has ended", metadata: ["link": "\(index)"])
                breakLink(index, reason: "its session has ended")
                continue
            }
            guard !link.pointee.expectations.isEmpty else { continue }
            let patience: Span
            if link.pointee.task is CleanTask || link.pointee.task is LinkPreparation {
                patience = settings.connectTimeout
            } else if link.pointee.task is AdminTask {
                patience = Self.adminPatience
            } else if link.pointee.session >= 0, case let session = sessions.at(link.pointee.session),
                session.pointee.activity == .waiting, session.pointee.isLinkReserved, session.pointee.link == index
            {
                patience = settings.connectTimeout
            } else {
                continue
            }
            if now - link.pointee.askedSince > patience { breakLink(index, reason: "no answer to a statement of the proxy") }
        }
    }

    /// Settings lists and planning environments that no session and no link has any more.
    private func sweepTables() {
        if settingsTable.isDueForSweep {
            var used: Set<UInt32> = []
            for index in 0..<sessions.highWater {
                guard let detail = sessions.at(index).pointee.detail else { continue }
                used.insert(sessions.at(index).pointee.settings)
                if let number = settingsTable.known(detail.settings) { used.insert(number) }
            }
            for index in 0..<links.highWater where links.at(index).pointee.isOpen { used.insert(links.at(index).pointee.settings) }
            settingsTable.sweep(used: used)
            for pool in pools { pool.reported = pool.reported.filter { used.contains($0.key) } }
        }
        if environments.isDueForSweep {
            var used: Set<UInt32> = []
            for index in 0..<sessions.highWater where sessions.at(index).pointee.detail != nil {
                used.insert(sessions.at(index).pointee.environment)
            }
            for number in environments.sweep(used: used) { planner.forget(environment: number) }
        }
    }

    /// Ends clients that take nothing of what waits for them: they hold links and, in a block, locks.
    private func endStalledClients() {
        guard settings.clientStallTimeout > .zero else { return }
        for index in 0..<sessions.highWater {
            let session = sessions.at(index)
            guard session.pointee.detail != nil, session.pointee.phase != .leaving,
                streams.at(session.pointee.stream.index).pointee.wantsDrained
            else { continue }
            if session.pointee.stalledSince == .origin { session.pointee.stalledSince = now }
            guard now - session.pointee.stalledSince > settings.clientStallTimeout else { continue }
            endSession(
                index,
                DatabaseMessage(
                    fatal: .connectionFailure, "terminating connection because the client takes no data",
                    hint: "The limit is client_stall in section [timeouts] of proxy.conf."))
        }
    }

    /// Closes links that were idle or are alive for too long.
    private func ageLinks(_ shardPool: UnsafeMutablePointer<ShardPool>) {
        var old: [Int32] = []
        shardPool.pointee.idle.forEach { link in
            let record = links.at(link)
            let isOld = now - record.pointee.connectedAt > hotSettings.linkLifetime
            if isOld || record.pointee.isRetiring || now - record.pointee.idleSince > hotSettings.linkIdleTimeout { old.append(link) }
            return true
        }
        for link in old {
            shardPool.pointee.idle.remove(links.at(link).pointee.place)
            closeLink(link)
        }
    }

    /// idle_in_transaction and client_idle timeouts, checked once a second. The proxy's own sessions are no clients: in a comparison one side waits for
    /// the other.
    private func endIdleClients() {
        guard settings.clientIdleTimeout > .zero || settings.idleInTransactionTimeout > .zero else { return }
        for index in 0..<sessions.highWater {
            let session = sessions.at(index)
            guard session.pointee.phase == .ready, let detail = session.pointee.detail, detail.facts.ownRole == nil, session.pointee.activity == .idle else { continue }
            let idle = now - session.pointee.lastActive
            if detail.transaction != nil {
                guard settings.idleInTransactionTimeout > .zero, idle > settings.idleInTransactionTimeout else { continue }
                endSession(
                    index, DatabaseMessage(fatal: SQLState("25P03"), "terminating connection due to idle-in-transaction timeout"))
            } else if settings.clientIdleTimeout > .zero, idle > settings.clientIdleTimeout {
                endSession(index, DatabaseMessage(fatal: .idleSessionTimeout, "terminating connection due to idle-session timeout"))
            }
        }
    }

    private func forgetDecisions() {
        for shard in 0..<shardCount where !cluster.decisionsToForget[shard].isEmpty && cluster.shards[shard].isUp {
            let hashes = cluster.decisionsToForget[shard]
            cluster.decisionsToForget[shard] = []
            runAdmin(ShardIndex(shard), InternalSchema.forget(hashes)) { _ in }
        }
    }

    // MARK: Reload and shutdown

    func applyReload(_ new: ProxySettings) {
        guard new.shards.count == settings.shards.count else {
            return logger.error("reload refused: shards cannot be added or removed while running")
        }
        let moved = zip(new.shards, settings.shards).map { $0 != $1 }
        settings = new
        cluster.reload(rules: new.rules)
        for index in 0..<links.highWater where links.at(index).pointee.pool >= 0 {
            if moved[links.at(index).pointee.shard.int] { links.at(index).pointee.isRetiring = true }
        }
        for pool in pools { refreshCredentials(of: pool) }
        loadCatalog()
        logger.info("configuration reloaded")
    }

    func beginShutdown() {
        guard !isShuttingDown else { return endShutdown() }
        isShuttingDown = true
        if settings.shutdownTimeout > .zero { timers.add(.shutdownLimit, at: now + settings.shutdownTimeout) }
        shutdownProgress()
    }

    /// What a session is told that ends with the proxy.
    var shutdownMessage: DatabaseMessage {
        DatabaseMessage(fatal: .adminShutdown, "terminating connection due to administrator command")
    }

    /// The session runs nothing and has no transaction.
    func hasNothingOpen(_ index: Int32) -> Bool {
        let session = sessions.at(index)
        return session.pointee.activity == .idle && session.pointee.detail?.transaction == nil && !session.pointee.isBatchOpen
    }

    /// Lets go of sessions with nothing open; the rest go when their next message finds their transaction ended. The proxy's own go with the last
    /// client: what they have open, such as a comparison, others do anew.
    func shutdownProgress() {
        endSessions { hasNothingOpen($0) }
        let hasClients = (0..<sessions.highWater).contains(where: { index in
            guard let detail = sessions.at(index).pointee.detail else { return false }
            return detail.facts.ownRole == nil
        })
        if !hasClients { endSessions { _ in true } }
        finishIfEmpty()
    }

    private func endSessions(where isOver: (Int32) -> Bool) {
        for index in 0..<sessions.highWater {
            let session = sessions.at(index)
            guard session.pointee.detail != nil, session.pointee.phase != .leaving, isOver(index) else { continue }
            endSession(index, shutdownMessage)
        }
    }

    /// A worker that shuts down has no session any more. The others may have, and look for deadlocks without waiting for it.
    func finishIfEmpty() {
        if isShuttingDown, sessions.takenCount == 0 { finish() }
    }

    private func finish() {
        hasFinished = true
        sessionTable.leave(number)
        effects.append(.finished)
    }

    private func endShutdown() {
        for index in 0..<sessions.highWater where sessions.at(index).pointee.detail != nil {
            if sessions.at(index).pointee.phase != .leaving { endSession(index, shutdownMessage) }
        }
        finish()
    }
}
