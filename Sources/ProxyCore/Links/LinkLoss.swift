// LinkLoss: what happens when a link breaks, and when it falls quiet.
import Primitives
import QueryPlanning
import WireProtocol

extension Worker {
    /// Closes a link that cannot be used any more; its session or task learns why.
    func breakLink(_ index: Int32, reason: String) {
        guard links.at(index).pointee.isOpen else { return }
        let stream = links.at(index).pointee.stream
        streams.at(stream.index).pointee.owner = -1
        effects.append(.abort(stream))
        linkLost(index, reason: reason)
    }

    /// The link is gone.
    func linkLost(_ index: Int32, reason: String) {
        let link = links.at(index)
        let pool = link.pointee.pool
        let shard = link.pointee.shard
        let shardPool = pools[Int(pool)].shards + shard.int
        let state = link.pointee.state
        let session = link.pointee.session
        let task = link.pointee.task
        let login = link.pointee.login
        if state == .idle { shardPool.pointee.idle.remove(links.at(index).pointee.place) }
        if state != .leased || session >= 0 || task != nil {
            logger.info(
                "link lost", metadata: ["shard": "\(shard)", "state": "\(state)", "reason": "\(reason)", "user": "\(pools[Int(pool)].user)"])
        }
        let pending = pendingAnswers(link)
        let isFrameTorn = link.pointee.frameRemaining > 0 && link.pointee.frameIsForwarded
        if state == .connecting || state == .greeting || state == .authenticating { shardPool.pointee.connectingCount -= 1 }
        forget(index)
        if let login { return loginFailed(pool: pool, shard: shard, login.error?.message ?? reason, login.error) }
        let loss = linkLossMessage(shard, reason)
        let lostState = session >= 0 ? lostState(of: session, with: index, reason) : nil
        // The session lets go of the link first: what its execution does next must not reach for the freed record.
        if session >= 0 { sessionLetsGo(session, of: index, loss, isTold: task != nil || pending.any) }
        // The client has a part of a message: whatever followed would be read as the rest of it.
        if isFrameTorn, session >= 0 { dropSession(session) }
        if let lostState { endSession(session, lostState) }
        if let task { task.lost(index, reason: reason) }
        if session >= 0 { sessionLostLink(session, link: index, loss, pending, hadTask: task != nil) }
        openLinksAsNeeded(pool: pool, shard: shard)
        // Work of the proxy's own may have waited for just this link.
        if pool == adminPool.index { openAdminLink(shard) }
    }

    /// What ends a session whose link had more of it than a transaction: it would go on without, and not know.
    private func lostState(of session: Int32, with link: Int32, _ reason: String) -> DatabaseMessage? {
        guard let reasons = sessions.at(session).pointee.detail?.pinnedLinks.first(where: { $0.link == link })?.reasons, !reasons.isEmpty else {
            return nil
        }
        let names: [(PinReasons, String)] = [
            (.temporaryTable, "temporary tables"), (.listen, "LISTEN"), (.holdCursor, "cursors"), (.sessionAdvisoryLock, "advisory locks"),
        ]
        let lost = names.filter { reasons.contains($0.0) }.map(\.1).joined(separator: ", ")
        return DatabaseMessage(
            fatal: .adminShutdown, "terminating connection: shard \(links.at(link).pointee.shard) ended the server session behind it",
            detail: "It had this session's \(lost); it was lost: \(reason).")
    }

    /// What the client was still to hear from the link.
    struct PendingAnswers {
        var any = false
        /// How many ReadyForQuery were among it.
        var readyCount = 0
        /// Something of the client's comes behind the last of them.
        var isOpen = false
        /// The first of them was to end an answer whose error the client has heard.
        var isErrorTold = false
    }

    func pendingAnswers(_ link: UnsafeMutablePointer<Link>) -> PendingAnswers {
        var pending = PendingAnswers()
        pending.isErrorTold = link.pointee.isErrorTold
        for offset in 0..<link.pointee.expectations.count {
            let entry = link.pointee.expectations.entry(offset)
            if entry.isPassed {
                pending.any = true
                pending.isOpen = true
            }
            if entry == .passQuery || entry == .passSync {
                pending.readyCount += 1
                pending.isOpen = false
            }
        }
        return pending
    }

    /// A link could not be opened: who waits for this shard hears why, and the next attempt is put off.
    func loginFailed(pool: Int32, shard: ShardIndex, _ reason: String, _ error: DatabaseMessage?) {
        let shardPool = pools[Int(pool)].shards + shard.int
        let isFirst = shardPool.pointee.lastFailure == nil
        shardPool.pointee.lastFailure = reason
        shardPool.pointee.retryAt = now + settings.reconnectDelay
        logger.log(
            level: isFirst ? .warning : .debug, "cannot open a link",
            metadata: ["shard": "\(shard)", "user": "\(pools[Int(pool)].user)", "reason": "\(reason)"])
        noteShardDown(shard, reason)
        endRenewal(of: pools[Int(pool)])
        if pool == adminPool.index, !adminQueue[shard.int].isEmpty {
            timers.add(.retry(pool: pool, shard: shard), at: shardPool.pointee.retryAt)
        }
        guard shardPool.pointee.linkCount == 0 else {
            openLinksAsNeeded(pool: pool, shard: shard)
            return loginsWaiting(on: pools[Int(pool)])
        }
        while shardPool.pointee.firstWaiting >= 0 {
            failWait(shardPool.pointee.firstWaiting, unreachable(shard, reason))
        }
        failLoginsWaiting(on: pools[Int(pool)], error ?? unreachable(shard, reason))
    }

    /// All answers a link owed are in and the last was ReadyForQuery.
    @inline(__always)
    func linkQuiet(_ index: Int32) {
        let link = links.at(index)
        let session = link.pointee.session
        guard session >= 0 else { return releaseIfPending(index) }
        switch sessions.at(session).pointee.activity {
        case .passing:
            if sessions.at(session).pointee.link == index { passingQuiet(session, link: index) }
        case .waiting:
            if sessions.at(session).pointee.isLinkReserved, sessions.at(session).pointee.link == index {
                settledQuiet(session, link: index)
            }
        case .executing: sessions.at(session).pointee.detail?.execution?.passedQuiet(index)
        case .idle: break
        }
    }

    /// The link was given back, and now nothing is due on it.
    @inline(never)
    private func releaseIfPending(_ index: Int32) {
        let link = links.at(index)
        guard link.pointee.isReleasePending, link.pointee.cancelsUnderWay == 0 else { return }
        link.pointee.isReleasePending = false
        release(index)
    }

    /// The settings a waiting session needs are in force, or could not be.
    private func settledQuiet(_ session: Int32, link: Int32) {
        if links.at(link).pointee.injectedFailed {
            sessions.at(session).pointee.isLinkReserved = false
            sessions.at(session).pointee.link = -1
            let failure = DatabaseMessage(
                error: .connectionFailure, "the session's settings could not be applied on shard \(links.at(link).pointee.shard)",
                hint: "The shards differ in configuration; see the log of that server.")
            noteWaitFailure(sessions.at(session), failure)
            sessions.at(session).pointee.detail?.pinnedLinks.removeAll { $0.link == link }
            links.at(link).pointee.session = -1
            breakLink(link, reason: "session settings failed")
        }
        wake(session)
    }

    func linkDrained(_ index: Int32) {
        let session = links.at(index).pointee.session
        guard session >= 0 else { return }
        let record = sessions.at(session)
        if record.pointee.activity == .executing { record.pointee.detail?.execution?.linkDrained(index) }
        if streams.at(record.pointee.stream.index).pointee.isReadPaused { resumeReading(record.pointee.stream) }
    }
}
