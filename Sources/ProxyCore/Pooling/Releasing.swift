// Releasing: what happens to a link that a session is done with: to who waits, to the idle stack, or cleaned or closed first.
import Primitives
import WireProtocol

extension Worker {
    /// The session does not need the link for what it did on it: back it goes, unless the session keeps it. Whoever gave back a
    /// pinned link would let two sessions use it.
    func giveBack(_ link: Int32, from index: Int32) {
        guard sessions.at(index).pointee.detail?.pinnedLinks.contains(where: { $0.link == link }) != true else { return }
        release(link)
    }

    /// The session is done with the link: it goes to who waits, to the idle stack, or is cleaned or closed first.
    func release(_ index: Int32) {
        let link = links.at(index)
        guard link.pointee.isOpen else { return }
        if link.pointee.task != nil { link.pointee.task = nil }
        link.pointee.isCancelDelayed = false
        if link.pointee.cancelsUnderWay > 0 {
            link.pointee.isReleasePending = true
            link.pointee.session = -1
            return
        }
        if !link.pointee.expectations.isEmpty { return releaseBehindAnswers(index) }
        if link.pointee.injectedFailed { return breakLink(index, reason: "a statement of the proxy failed on it") }
        if link.pointee.status != TransactionStatus.idle.rawValue || link.pointee.isTainted || link.pointee.hasUnknownSettings {
            return clean(index)
        }
        makeIdle(index)
    }

    /// Whoever had the link next would be told the answers that are still due, or be in the block that they open.
    private func releaseBehindAnswers(_ index: Int32) {
        let link = links.at(index)
        link.pointee.session = -1
        guard !pendingAnswers(link).any else { return breakLink(index, reason: "it was given back while its client's answers were due") }
        link.pointee.isReleasePending = true
    }

    /// Settings may be in force on the link that its session has not: they are made anew, before the session uses it again or when it goes.
    func distrustSettings(ofLink link: Int32) {
        links.at(link).pointee.isTainted = true
        links.at(link).pointee.settings = settingsTable.number(of: .unknown)
    }

    /// Ends what is open on the server session and forgets its state.
    private func clean(_ index: Int32) {
        let link = links.at(index)
        link.pointee.session = -1
        link.pointee.state = .leased
        link.pointee.askedSince = now
        let task = CleanTask(worker: self, link: index)
        link.pointee.task = task
        if link.pointee.status != TransactionStatus.idle.rawValue { task.ask("ROLLBACK") }
        if link.pointee.hasUnknownSettings || link.pointee.isTainted {
            task.ask(link.pointee.isTainted ? "DISCARD ALL" : Self.forgetting)
            task.holdInstanceLock()
        }
    }

    /// All that a trigger may have left on a server session; prepared statements, which it cannot make anew, stay. RESET ALL leaves the
    /// role, and the user that SET SESSION AUTHORIZATION has put there.
    private static let forgetting = """
        RESET SESSION AUTHORIZATION;RESET ROLE;RESET ALL;CLOSE ALL;UNLISTEN *;SELECT pg_catalog.pg_advisory_unlock_all();DISCARD SEQUENCES;DISCARD TEMP
        """

    /// The link is clean and nobody has it.
    func makeIdle(_ index: Int32) {
        let link = links.at(index)
        let shardPool = link.pointee.shardPool.unsafelyUnwrapped
        if link.pointee.isRetiring || isShuttingDown && sessions.takenCount == 0
            || now - link.pointee.connectedAt > hotSettings.linkLifetime
        {
            return closeAged(index)
        }
        if hasAdminWork, takeAdminWork(index) { return }
        let waiting = shardPool.pointee.firstWaiting
        if waiting >= 0 {
            leaveQueue(waiting)
            claim(index, for: waiting)
            if case .link = settle(waiting, index) {
                sessions.at(waiting).pointee.link = index
                sessions.at(waiting).pointee.isLinkReserved = true
                wake(waiting)
            }
            return
        }
        link.pointee.state = .idle
        link.pointee.session = -1
        link.pointee.idleSince = now
        shardPool.pointee.idle.insert(link.pointee.place)
    }

    /// The link is too old, or what it was given at its login is: who waits gets another one.
    private func closeAged(_ index: Int32) {
        let (pool, shard) = (links.at(index).pointee.pool, links.at(index).pointee.shard)
        closeLink(index)
        openLinksAsNeeded(pool: pool, shard: shard)
        if pool == adminPool.index { openAdminLink(shard) }
    }

    /// Says goodbye to the shard and frees the record.
    func closeLink(_ index: Int32) {
        let stream = links.at(index).pointee.stream
        streams.at(stream.index).pointee.output.writeTerminate()
        streams.at(stream.index).pointee.owner = -1
        streams.markDirty(stream.index)
        effects.append(.close(stream))
        forget(index)
    }

    func forget(_ index: Int32) {
        let link = links.at(index)
        let shardPool = pools[Int(link.pointee.pool)].shards + link.pointee.shard.int
        shardPool.pointee.linkCount -= 1
        shardPool.pointee.idle.close(link.pointee.place)
        link.pointee.generation &+= 1
        link.pointee.isOpen = false
        link.pointee.session = -1
        link.pointee.task = nil
        link.pointee.login = nil
        link.pointee.describing = []
        link.pointee.translation = nil
        link.pointee.prepared.removeAll()
        links.giveBack(index)
    }
}
