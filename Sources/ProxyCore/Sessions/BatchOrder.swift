// BatchOrder: which link a batch of the extended protocol is on, and what happens when it moves to another shard.
//
// To PostgreSQL a batch (the messages up to Sync) is one transaction. So when it goes on at another shard, what it did on the first
// becomes part of a block that is opened late and committed at Sync (BatchSnapshots: where it is opened early).
import Primitives
import QueryPlanning
import WireProtocol

extension Worker {
    /// All that was sent to the session's link is answered. Otherwise the answers are asked for and the frame waits.
    @inline(__always)
    func isDrained(_ session: UnsafeMutablePointer<Session>) -> Bool {
        let link = session.pointee.link
        guard link >= 0, !links.at(link).pointee.expectations.isEmpty else { return true }
        session.pointee.activity = .passing
        if session.pointee.isLinkUnsynced, !session.pointee.isFlushSent {
            session.pointee.isFlushSent = true
            output(ofLink: link).pointee.output.writeFlush()
            streams.markDirty(links.at(link).pointee.stream.index)
        }
        return false
    }

    /// An error of the proxy itself: the batch is skipped to Sync, the block has failed.
    func raise(_ index: Int32, _ message: DatabaseMessage) -> FrameResult {
        let session = sessions.at(index)
        if let result = settleHeldParse(index, session) { return result }
        guard isDrained(session) else { return .blocked }
        statistics.errors &+= 1
        returnReserved(index)
        output(ofSession: index).pointee.output.writeErrorResponse(firstUntold(session, message))
        failBatch(index)
        return .consumed
    }

    /// Tells why a wait was cut short. The Parse that is held for the frame fails with it: its answer may need what could not be had.
    func raiseEndedWait(_ index: Int32, _ failure: DatabaseMessage) -> FrameResult {
        let session = sessions.at(index)
        guard isDrained(session) else {
            noteWaitFailure(session, failure)
            return .blocked
        }
        undoHeldParse(index)
        return raise(index, failure)
    }

    /// What follows from an error that was told: skip to Sync, and the block has failed.
    func failBatch(_ index: Int32) {
        let session = sessions.at(index)
        session.pointee.skipsUntilSync = true
        session.pointee.isFailedHere = true
        if session.pointee.detail?.transaction?.isExplicit == true {
            session.pointee.status = TransactionStatus.failed.rawValue
        }
    }

    /// Nothing of the batch is left on the session's link: everything answered and synced. What was executed there
    /// outside a block stays open in one that begins late. False: the frame waits.
    func isQuiescent(_ index: Int32) -> Bool {
        let session = sessions.at(index)
        guard isDrained(session) else { return false }
        // A link that was only reserved has nothing of the batch; whoever asks for a link next takes it, or gives it back.
        guard session.pointee.link >= 0, !session.pointee.isLinkReserved else { return true }
        let link = session.pointee.link
        if session.pointee.isLinkUnsynced {
            let output = output(ofLink: link)
            // After an error the shard skips everything up to Sync, and has undone the batch.
            if session.pointee.detail?.transaction == nil, !session.pointee.skipsUntilSync,
                session.pointee.hasBatchExecuted || hasNamedPortal(session, on: link)
            {
                beginLate(index, link)
            }
            if session.pointee.hasPortals { closeChecked(session, on: link) }
            output.pointee.output.writeSync()
            links.at(link).pointee.expectations.append(.dropSync)
            streams.markDirty(links.at(link).pointee.stream.index)
            session.pointee.isLinkUnsynced = false
            session.pointee.hasBatchExecuted = false
            session.pointee.activity = .passing
            return false
        }
        session.pointee.link = -1
        session.pointee.unnamedPortalLink = -1
        session.pointee.activity = .idle
        if session.pointee.hasPortals, let detail = session.pointee.detail {
            detail.checkNumber += 1
            // The unnamed portal of the shard is soon the proxy's own.
            if let portal = detail.portals[[]], portal.link >= 0 { detail.portals[[]] = nil }
        }
        if session.pointee.detail?.transaction == nil { giveBack(link, from: index) }
        return true
    }

    /// A portal is bound on the link that is not executed to its end perhaps: without a block it would end with Sync. The unnamed one
    /// does, since BEGIN takes its place.
    private func hasNamedPortal(_ session: UnsafeMutablePointer<Session>, on link: Int32) -> Bool {
        guard session.pointee.hasPortals, let detail = session.pointee.detail else { return false }
        return detail.portals.contains { !$0.key.isEmpty && $0.value.link == link }
    }

    /// The portal is open on the session's link, where it was bound for a check.
    func isChecked(_ portal: Portal, _ session: UnsafeMutablePointer<Session>, _ detail: SessionDetail) -> Bool {
        portal.checkLink >= 0 && portal.checkLink == session.pointee.link && portal.checkNumber == detail.checkNumber
    }

    /// Closes named portals that were bound for a check: those of queries keep their tables in use (PostgreSQL: CheckTableNotInUse).
    func closeChecked(_ session: UnsafeMutablePointer<Session>, on link: Int32) {
        guard let detail = session.pointee.detail, !session.pointee.skipsUntilSync else { return }
        for (name, portal) in detail.portals where !name.isEmpty && isChecked(portal, session, detail) {
            name.withUnsafeBytes { output(ofLink: link).pointee.output.writeClose(.portal, name: $0) }
            links.at(link).pointee.expectations.append(.dropClose)
            detail.portals[name]?.checkLink = -1
        }
    }

    /// BEGIN behind what the batch already executed: the implicit transaction becomes a block with that inside.
    func beginLate(_ index: Int32, _ link: Int32) {
        let session = sessions.at(index)
        let queue = links.at(link)
        let stream = outputEndingUnnamed(ofLink: link)
        stream.pointee.output.writeParse(name: "", text: "BEGIN")
        stream.pointee.output.writeBind()
        stream.pointee.output.writeExecute(portal: "")
        for expectation in [Expectation.dropParse, .dropBind, .dropExecute] { queue.pointee.expectations.append(expectation) }
        openTransaction(index, isExplicit: false, modes: "")
        session.pointee.detail?.transaction?.participants.append(
            Participant(link: link, shard: queue.pointee.shard, effect: session.pointee.batchEffect))
    }

    /// The link on which the batch goes on at `shard`; nil: the frame waits, or the error was told.
    @inline(__always)
    func batchLink(_ index: Int32, shard: ShardIndex, effect: DataEffect, _ result: inout FrameResult) -> Int32? {
        let session = sessions.at(index)
        let current = session.pointee.link
        let opensBlock = session.pointee.bindsInBlock || needsOwnCommit(effect, session)
        if current >= 0, !session.pointee.isLinkReserved, links.at(current).pointee.shard == shard, !opensBlock {
            if !session.pointee.isPlain { session.pointee.detail?.transaction?.note(effect, on: shard) }
            session.pointee.batchEffect = session.pointee.batchEffect.joined(effect)
            return current
        }
        if current >= 0, !session.pointee.isLinkReserved, !isQuiescent(index) {
            result = .blocked
            return nil
        }
        if opensBlock { openTransaction(index, isExplicit: false, modes: "") }
        switch session.pointee.isPlain ? lease(index, shard: shard) : enlist(index, shard: shard, effect: effect) {
        case .link(let link):
            session.pointee.link = link
            session.pointee.batchEffect = effect
            session.pointee.hasBatchExecuted = false
            if statistics.isSampled(shard: shard) {
                statistics.drawSample()
                isKeySampleDue = true
            }
            session.pointee.askedAt = now
            return link
        case .waiting: result = .blocked
        case .failed(let message):
            undoHeldParse(index)
            result = raise(index, message)
        }
        return nil
    }

    /// Notes that something for the client went to the link.
    @inline(__always)
    func sent(_ session: UnsafeMutablePointer<Session>, _ link: UnsafeMutablePointer<Link>, _ expectation: Expectation) {
        link.pointee.expectations.append(expectation)
        session.pointee.activity = .passing
        session.pointee.isLinkUnsynced = true
        session.pointee.isFlushSent = false
        streams.markDirty(link.pointee.stream.index)
    }
}
