// Leasing: which session gets which link (Releasing has how it goes back).
//
// A link is leased for a transaction (or for as long as the session is pinned to it). A session that finds none free
// waits in the shard's queue with its frame unread; it is resumed holding a reserved link and handles the frame anew.
import DistributedCommit
import Primitives
import WireProtocol

/// What asking for a link comes to.
enum Lease {
    case link(Int32)
    /// The session waits and will be resumed.
    case waiting
    /// Boxed, so that the usual answers fit into registers.
    indirect case failed(DatabaseMessage)
}

extension Worker {
    /// A link of the session's role to `shard`, with the session's settings in force.
    func lease(_ index: Int32, shard: ShardIndex) -> Lease {
        let session = sessions.at(index)
        if session.pointee.isLinkReserved {
            let link = session.pointee.link
            session.pointee.isLinkReserved = false
            session.pointee.link = -1
            // Cancelled while the link was prepared.
            if session.pointee.hasWaitFailure, let failure = takeWaitFailure(session) {
                if link >= 0 { giveBack(link, from: index) }
                return .failed(failure)
            }
            // The link may have been lost just now: another is asked for.
            if link >= 0 {
                if links.at(link).pointee.shard == shard {
                    if hotSettings.poolsSessions { pin(index, link: link, reasons: []) }
                    return .link(link)
                }
                giveBack(link, from: index)
            }
        }
        if !session.pointee.isPlain, let pinned = session.pointee.detail?.pinnedLinks.first(where: {
            links.at($0.link).pointee.shard == shard
        }) { return settle(index, pinned.link) }
        if session.pointee.hasWaitFailure, let failure = takeWaitFailure(session) { return .failed(failure) }
        guard !cluster.fences.hasClosed || !cluster.fences.isClosed(shard) else { return .failed(closed(shard)) }
        let shardPool = session.pointee.shardPools.unsafelyUnwrapped + shard.int
        let first = shardPool.pointee.idle.first
        if first >= 0 {
            let link = takeIdle(shardPool, first, settings: session.pointee.settings)
            claim(link, for: index)
            if hotSettings.poolsSessions { pin(index, link: link, reasons: []) }
            return settle(index, link)
        }
        return wait(index, shard: shard, shardPool)
    }

    /// Replays the session's settings where the link has others, once nothing is open there; the session waits for the answer.
    func settle(_ index: Int32, _ link: Int32) -> Lease {
        let session = sessions.at(index)
        let record = links.at(link)
        let isOpen = record.pointee.status != TransactionStatus.idle.rawValue
        if record.pointee.settings == session.pointee.settings, !isOpen { return .link(link) }
        record.pointee.askedSince = now
        if isOpen {
            // The ROLLBACK of a block was hit by the cancel of what it undid, on a link that the session keeps.
            outputEndingUnnamed(ofLink: link).pointee.output.writeQuery("ROLLBACK")
            record.pointee.expectations.append(.dropQuery)
        }
        let scripts = record.pointee.settings == session.pointee.settings
            ? [] : settingsTable.scripts(from: record.pointee.settings, to: session.pointee.settings)
        for script in scripts {
            outputEndingUnnamed(ofLink: link).pointee.output.writeQuery(script)
            record.pointee.expectations.append(.dropQuery)
        }
        record.pointee.settings = session.pointee.settings
        streams.markDirty(record.pointee.stream.index)
        session.pointee.link = link
        session.pointee.isLinkReserved = true
        session.pointee.activity = .waiting
        session.pointee.waitingShard = -1
        return .waiting
    }

    /// How many idle links are looked at for one with the session's settings.
    private static let settingsSearched = 16

    /// Takes the idle link that has the wanted settings, if one is among the first, else the first.
    @inline(__always)
    private func takeIdle(_ shardPool: UnsafeMutablePointer<ShardPool>, _ first: Int32, settings: UInt32) -> Int32 {
        let link = links.at(first).pointee.settings == settings ? first : idleLink(shardPool, settings: settings) ?? first
        shardPool.pointee.idle.remove(links.at(link).pointee.place)
        return link
    }

    @inline(never)
    private func idleLink(_ shardPool: UnsafeMutablePointer<ShardPool>, settings: UInt32) -> Int32? {
        var found: Int32?
        var searched = 0
        shardPool.pointee.idle.forEach { link in
            if links.at(link).pointee.settings == settings { found = link }
            searched += 1
            return found == nil && searched < Self.settingsSearched
        }
        return found
    }

    @inline(__always)
    func claim(_ link: Int32, for session: Int32) {
        links.at(link).pointee.state = .leased
        links.at(link).pointee.session = session
    }

    /// Puts the session at the end of the shard's queue.
    private func wait(_ index: Int32, shard: ShardIndex, _ shardPool: UnsafeMutablePointer<ShardPool>) -> Lease {
        if shardPool.pointee.linkCount == 0, shardPool.pointee.retryAt > now, let reason = shardPool.pointee.lastFailure {
            return .failed(unreachable(shard, reason))
        }
        let session = sessions.at(index)
        assert(session.pointee.waitingShard < 0, "a session waits in one queue")
        session.pointee.activity = .waiting
        session.pointee.waitingShard = Int16(shard.value)
        session.pointee.waitingSince = now
        session.pointee.nextWaiting = -1
        session.pointee.previousWaiting = shardPool.pointee.lastWaiting
        if shardPool.pointee.lastWaiting >= 0 {
            sessions.at(shardPool.pointee.lastWaiting).pointee.nextWaiting = index
        } else {
            shardPool.pointee.firstWaiting = index
        }
        shardPool.pointee.lastWaiting = index
        shardPool.pointee.waitingCount += 1
        timeQueue(shardPool, pool: session.pointee.pool, shard: shard)
        openLinksAsNeeded(pool: session.pointee.pool, shard: shard)
        return .waiting
    }

    /// Opens links while more sessions wait than are being opened, up to the pool's size.
    func openLinksAsNeeded(pool: Int32, shard: ShardIndex) {
        let shardPool = pools[Int(pool)].shards + shard.int
        while shardPool.pointee.connectingCount < shardPool.pointee.waitingCount,
            Int(shardPool.pointee.linkCount) < settings.poolSize
        {
            guard shardPool.pointee.retryAt <= now else {
                timers.add(.retry(pool: pool, shard: shard), at: shardPool.pointee.retryAt)
                return
            }
            openLink(pool: pool, shard: shard)
        }
    }

    /// Takes the session out of the queue it waits in.
    func leaveQueue(_ index: Int32) {
        let session = sessions.at(index)
        guard session.pointee.waitingShard >= 0 else { return }
        let shardPool = pools[Int(session.pointee.pool)].shards + Int(session.pointee.waitingShard)
        let (previous, next) = (session.pointee.previousWaiting, session.pointee.nextWaiting)
        if previous >= 0 { sessions.at(previous).pointee.nextWaiting = next } else { shardPool.pointee.firstWaiting = next }
        if next >= 0 { sessions.at(next).pointee.previousWaiting = previous } else { shardPool.pointee.lastWaiting = previous }
        shardPool.pointee.waitingCount -= 1
        session.pointee.waitingShard = -1
    }

    /// Ends the session's wait with an error, which its frame or execution meets when it asks for the link again.
    func failWait(_ index: Int32, _ message: DatabaseMessage) {
        leaveQueue(index)
        noteWaitFailure(sessions.at(index), message)
        wake(index)
    }

    /// Why the session does not get the link it waited for: met when it asks again.
    func noteWaitFailure(_ session: UnsafeMutablePointer<Session>, _ message: DatabaseMessage) {
        session.pointee.detail?.waitFailure = message
        session.pointee.hasWaitFailure = true
    }

    @inline(never)
    func takeWaitFailure(_ session: UnsafeMutablePointer<Session>) -> DatabaseMessage? {
        session.pointee.hasWaitFailure = false
        return session.pointee.detail?.takeWaitFailure()
    }

    /// What is told of a frame or an execution that may have waited. Its wait's failure ends with it, whichever check came first, and a client
    /// that does not know yet why its block has failed hears that.
    func firstUntold(_ session: UnsafeMutablePointer<Session>, _ message: DatabaseMessage) -> DatabaseMessage {
        let waitFailure = session.pointee.hasWaitFailure ? takeWaitFailure(session) : nil
        guard message.sqlState == .inFailedSQLTransaction else { return message }
        return session.pointee.detail?.transaction?.takeUntoldLoss() ?? waitFailure ?? message
    }

    /// A waiting session goes on: its execution, or the frame it has not consumed.
    func wake(_ index: Int32) {
        let session = sessions.at(index)
        if let execution = session.pointee.detail?.execution {
            session.pointee.activity = .executing
            execution.resume()
        } else {
            session.pointee.activity = session.pointee.isBatchOpen ? .passing : .idle
            resumeReading(session.pointee.stream)
        }
    }

    /// Why a shard takes no statements now.
    func closed(_ shard: ShardIndex) -> DatabaseMessage {
        if cluster.shards[shard.int].isReached {
            return DatabaseMessage(
                error: .cannotConnectNow, "shard \(shard) is finishing transactions that were decided before it failed",
                hint: "Try again in a moment.")
        }
        return unreachable(shard, cluster.shards[shard.int].lastFailure ?? "the connection was lost")
    }

    func unreachable(_ shard: ShardIndex, _ reason: String) -> DatabaseMessage {
        let place = settings.shards[shard.int]
        return DatabaseMessage(
            error: .unableToEstablishConnection, "shard \(shard) (\(place.host):\(place.port)) is not reachable: \(reason)",
            hint: "Statements that do not need this shard still run. It is used again by itself once it answers.")
    }
}
