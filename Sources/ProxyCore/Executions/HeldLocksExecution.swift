// HeldLocksExecution: asks the server session whether it still has session advisory locks, and lets the link go if not.
//
// A session that took such a lock keeps its link, so that the lock stays its own. What unlocks does not tell whether that was the
// last one (they count, and a try may have failed), but PostgreSQL knows. It is asked when the session comes to rest outside a
// block; the client has its answer by then, and what it sends next waits.
import DistributedCommit
import Primitives
import QueryPlanning
import WireProtocol

final class HeldLocksExecution: Execution {
    private var wasAsked = false

    override var keepsRows: Bool { true }

    override func resume() {
        guard !wasAsked, let detail = worker.sessions.at(session).pointee.detail else { return }
        wasAsked = true
        detail.looksAfterLocks = false
        for pinned in detail.pinnedLinks where pinned.reasons.contains(.sessionAdvisoryLock) { ask(addLeg(link: pinned.link), InternalSchema.heldLocks) }
        if legs.isEmpty { finish(.success) }
    }

    override func allReady() {
        // A link whose session could not tell stays with the client.
        for leg in legs where !leg.isLost {
            worker.links.at(leg.link).pointee.task = nil
            if leg.rows == [["f"]] { worker.unpin(session, link: leg.link, reason: .sessionAdvisoryLock) }
        }
        finish(.success)
    }
}

extension Worker {
    /// What a session that comes to rest does before it serves its client again; nil when there is nothing.
    @inline(never)
    func executionAtRest(_ index: Int32) -> Execution? {
        guard let detail = sessions.at(index).pointee.detail else { return nil }
        if let transaction = detail.transaction { return letGo(of: transaction, index) }
        for pinned in detail.pinnedLinks where pinned.reasons.contains(.holdCursor) && !detail.cursors.keep(pinned.link) {
            unpin(index, link: pinned.link, reason: .holdCursor)
        }
        guard detail.looksAfterLocks else { return nil }
        return HeldLocksExecution(worker: self, session: index, parent: nil)
    }

    /// A reason for the session to keep the link has gone; with the last one the link goes back.
    func unpin(_ index: Int32, link: Int32, reason: PinReasons) {
        let session = sessions.at(index)
        guard let detail = session.pointee.detail, let place = detail.pinnedLinks.firstIndex(where: { $0.link == link }) else { return }
        detail.pinnedLinks[place].reasons.remove(reason)
        guard detail.pinnedLinks[place].reasons.isEmpty, settings.poolMode == .transaction else { return }
        detail.pinnedLinks.remove(at: place)
        session.pointee.isPlain = isPlainAtRest(index)
        release(link)
    }
}
