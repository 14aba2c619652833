// Rolling back: possible at any time before the decision, and after it once the abort row is known to be there.
// What cannot be told to roll back is found by recovery, which writes the abort row itself.

extension CommitCoordinator {
    mutating func abort(_ reason: CommitFailure, _ actions: inout [CommitAction]) {
        phase = .aborting
        failure = reason
        leaveWindow(&actions)
        actions.append(.setTimer(.rollbackLimit, after: timing.rollbackLimit))
        for index in progress.indices { askRelease(index, &actions) }
        answerFailedIfReleased(&actions)
    }

    /// Releases a participant at once, or, with a command outstanding, cancels that and waits for its answer.
    private mutating func askRelease(_ index: Int, _ actions: inout [CommitAction]) {
        switch progress[index].state {
        case .preparing where progress[index].isLinkAlive, .checkingConstraints: actions.append(.cancel(index))
        case .preparing: finish(index, &actions)
        case .open, .prepared: release(index, &actions)
        case .deciding, .finishing, .ending, .settled: return
        }
    }

    /// Rolls back what is known to stand on this participant.
    mutating func release(_ index: Int, _ actions: inout [CommitAction]) {
        switch progress[index].state {
        case .prepared: finish(index, &actions)
        case .open:
            progress[index].state = .ending
            actions.append(.rollback(index))
        case .checkingConstraints, .preparing, .deciding, .finishing, .ending, .settled: break
        }
        answerFailedIfReleased(&actions)
    }

    mutating func rollbackPreparedAnswered(
        _ index: Int, _ answer: FinishAnswer, _ actions: inout [CommitAction]
    ) {
        switch answer {
        case .done, .doneWithoutReplication: lacksProofOfAbort = false
        case .notFound: break
        case .failed(let sqlState):
            if retryFinish(index, countsAsFailure: sqlState != "55000", &actions) { return }
        case .unreachable:
            if retryFinish(index, countsAsFailure: true, &actions) { return }
        }
        settleRolledBack(index, &actions)
        answerFailedIfReleased(&actions)
    }

    private mutating func settleRolledBack(_ index: Int, _ actions: inout [CommitAction]) {
        progress[index].state = .settled
        if progress[index].isLinkAlive { actions.append(.resynchronizeSettings(index)) }
    }

    /// Someone has not acknowledged in time: its link is given up, the rest is recovery's.
    mutating func abandonRollbacks(_ actions: inout [CommitAction]) {
        for index in progress.indices {
            switch progress[index].state {
            case .finishing(onLink: false, _): settleRolledBack(index, &actions)
            case .open, .prepared, .settled: progress[index].state = .settled
            case .checkingConstraints, .preparing, .deciding, .finishing, .ending:
                progress[index].state = .settled
                actions.append(.closeLink(index))
            }
        }
        answerFailedIfReleased(&actions)
    }

    /// Answers the client once all is released.
    ///
    /// An abort that was only looked up needs a witness: while we were asking, another proxy's recovery may have
    /// found the commit row, committed every participant and deleted the row, and ours was then the first abort row
    /// of a committed transaction. A participant that was still there to be rolled back proves that it was not so.
    mutating func answerFailedIfReleased(_ actions: inout [CommitAction]) {
        guard phase == .aborting, let failure, progress.allSatisfy({ $0.state == .settled }) else { return }
        phase = .finished
        // Our own transaction on D is over, so the row that fenced it has done its work.
        if failure == .fencedByRecovery { actions.append(.deleteDecision(.abort)) }
        actions.append(lacksProofOfAbort ? .answerUnknown : .answerFailed(failure))
    }
}
