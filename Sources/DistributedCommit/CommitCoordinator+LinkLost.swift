// A participant's own link breaks: what that means depends on what was outstanding on it.

extension CommitCoordinator {
    mutating func linkLost(_ index: Int, _ actions: inout [CommitAction]) {
        guard progress[index].isLinkAlive else { return }
        progress[index].isLinkAlive = false
        switch progress[index].state {
        case .open: openTransactionLost(index, &actions)
        case .checkingConstraints:
            progress[index].state = .settled
            if phase == .aborting { answerFailedIfReleased(&actions) } else { abort(.linkLost(index), &actions) }
        case .preparing:
            // Prepared or not, now or a moment later: nobody knows.
            if phase == .aborting { finish(index, &actions) } else { abort(.linkLost(index), &actions) }
        case .deciding: deciderLost(&actions)
        case .finishing(onLink: true, _): finishLost(index, &actions)
        case .ending:
            progress[index].state = .settled
            if phase == .committingReaders { warnings.append(.readerFailed(index, sqlState: nil)) }
            answerCommittedIfEnded(&actions)
            answerFailedIfReleased(&actions)
        case .prepared, .finishing, .settled: return
        }
    }

    /// The transaction is rolled back with its link. Before the decision that is a failure, for a reader as well
    /// (its locks are gone); after it only readers are still open, and only a warning is left.
    private mutating func openTransactionLost(_ index: Int, _ actions: inout [CommitAction]) {
        progress[index].state = .settled
        switch phase {
        case .idle, .preparing, .enteringWindow: abort(.linkLost(index), &actions)
        case .deciding, .resolving, .committing: warnings.append(.readerFailed(index, sqlState: nil))
        case .committingReaders, .aborting, .finished: return
        }
    }

    private mutating func finishLost(_ index: Int, _ actions: inout [CommitAction]) {
        if phase == .aborting {
            rollbackPreparedAnswered(index, .unreachable, &actions)
        } else {
            finishAnswered(index, .unreachable, &actions)
        }
    }
}
