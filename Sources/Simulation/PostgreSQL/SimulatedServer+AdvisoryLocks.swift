// Advisory locks of transactions: shared or alone, first come first served. They are the one lock here that several can hold,
// and so the one that several are waited for at once. (Of a row locked FOR SHARE by several PostgreSQL waits for one after the other.)
//
// A crash forgets them, those of prepared transactions too, which PostgreSQL keeps: worlds that have such locks have no crashes.

/// A lock that a transaction holds or waits for.
struct AdvisoryClaim {
    var key: Int
    var owner: Int
    var isShared: Bool
    var isGranted = false

    func conflicts(with other: AdvisoryClaim) -> Bool { key == other.key && owner != other.owner && !(isShared && other.isShared) }
}

extension SimulatedServer {
    /// Takes a lock until the end of the backend's transaction; nil: it has it.
    func lock(_ key: Int, isShared: Bool, _ backend: Backend) throws(StatementError) -> Progress? {
        guard let transaction = backend.transaction else { throw Self.failedBlock }
        if transaction.lockOwner == 0 { transaction.lockOwner = storage.newTransactionID() }
        let place = claim(AdvisoryClaim(key: key, owner: transaction.lockOwner, isShared: isShared))
        let claim = advisoryClaims[place]
        if claim.isGranted { return nil }
        let blockers = advisoryClaims.enumerated().filter { ($0.offset < place || $0.element.isGranted) && $0.element.conflicts(with: claim) }
        guard blockers.isEmpty else {
            let owners = blockers.map(\.element.owner)
            return wait(for: owners.indices.filter { owners.firstIndex(of: owners[$0]) == $0 }.map { owners[$0] }, backend)
        }
        advisoryClaims[place].isGranted = true
        return nil
    }

    /// The place of a claim, which is the last if it is new.
    private func claim(_ new: AdvisoryClaim) -> Int {
        let known = advisoryClaims.firstIndex { $0.key == new.key && $0.owner == new.owner && $0.isShared == new.isShared }
        if let known { return known }
        advisoryClaims.append(new)
        return advisoryClaims.count - 1
    }

    /// Ends all claims of a transaction.
    func releaseAdvisoryLocks(of owner: Int) {
        guard owner != 0 else { return }
        advisoryClaims.removeAll { $0.owner == owner }
        wakeWaiters(of: owner)
    }

    /// The statement that waited for a lock has failed, and its transaction may go on behind a savepoint.
    func giveUpAdvisoryLocks(of owner: Int) {
        guard owner != 0 else { return }
        advisoryClaims.removeAll { $0.owner == owner && !$0.isGranted }
    }
}
