// After the decision: it is carried to every participant. A shard that cannot be told is fenced and left to
// recovery; the client's COMMIT has succeeded all the same.

extension CommitCoordinator {
    mutating func commit(_ actions: inout [CommitAction]) {
        phase = .committing
        actions.append(.setTimer(.commitWindowLimit, after: timing.commitWindowLimit))
        for index in progress.indices where progress[index].state == .prepared { finish(index, &actions) }
        commitReadersIfFinished(&actions)
    }

    /// Sends the first COMMIT or ROLLBACK PREPARED to a prepared participant.
    func finishAction(_ index: Int) -> CommitAction {
        switch (progress[index].isLinkAlive, phase == .aborting) {
        case (true, false): .commitPrepared(index)
        case (false, false): .retryCommitPrepared(index, after: .zero)
        case (true, true): .rollbackPrepared(index)
        case (false, true): .retryRollbackPrepared(index, after: .zero)
        }
    }

    mutating func finish(_ index: Int, _ actions: inout [CommitAction]) {
        actions.append(finishAction(index))
        progress[index].state = .finishing(onLink: progress[index].isLinkAlive, failures: 0)
    }

    mutating func finishAnswered(_ index: Int, _ answer: FinishAnswer, _ actions: inout [CommitAction]) {
        guard case .finishing = progress[index].state else { return }
        switch phase {
        case .committing: commitPreparedAnswered(index, answer, &actions)
        case .aborting: rollbackPreparedAnswered(index, answer, &actions)
        case .idle, .preparing, .enteringWindow, .deciding, .resolving, .committingReaders, .finished: return
        }
    }

    private mutating func commitPreparedAnswered(
        _ index: Int, _ answer: FinishAnswer, _ actions: inout [CommitAction]
    ) {
        switch answer {
        case .done: break
        // Not replicated, or finished by someone whose commit may not be: a failover can bring the prepared
        // transaction back, and recovery must then find the row.
        case .doneWithoutReplication:
            keepsDecision = true
            warnings.append(.notReplicated(index))
        case .notFound(let sameHistory):
            keepsDecision = true
            if !sameHistory { warnings.append(.participantLost(index)) }
        case .failed(let sqlState):
            if retryFinish(index, countsAsFailure: sqlState != "55000", &actions) { return }
            fenceParticipant(index, &actions)
        case .unreachable:
            if retryFinish(index, countsAsFailure: true, &actions) { return }
            fenceParticipant(index, &actions)
        }
        progress[index].state = .settled
        commitReadersIfFinished(&actions)
    }

    private mutating func fenceParticipant(_ index: Int, _ actions: inout [CommitAction]) {
        progress[index].state = .settled
        keepsDecision = true
        warnings.append(.participantFenced(index))
        actions.append(.fence(index))
    }

    mutating func fenceSilentParticipants(_ actions: inout [CommitAction]) {
        for index in progress.indices {
            guard case .finishing(let onLink, _) = progress[index].state else { continue }
            if onLink { actions.append(.closeLink(index)) }
            fenceParticipant(index, &actions)
        }
        commitReadersIfFinished(&actions)
    }

    /// Writers first: who waits for a lock that only a reader holds must then find the whole transaction.
    private mutating func commitReadersIfFinished(_ actions: inout [CommitAction]) {
        let isFinishing = progress.contains { if case .finishing = $0.state { true } else { false } }
        guard phase == .committing, !isFinishing else { return }
        phase = .committingReaders
        leaveWindow(&actions)
        for index in progress.indices where progress[index].state == .open {
            progress[index].state = .ending
            actions.append(.commitReader(index))
        }
        answerCommittedIfEnded(&actions)
    }

    mutating func transactionEnded(_ index: Int, _ sqlState: String?, _ actions: inout [CommitAction]) {
        guard progress[index].state == .ending else { return }
        progress[index].state = .settled
        switch phase {
        case .committingReaders:
            if let sqlState { warnings.append(.readerFailed(index, sqlState: sqlState)) }
            answerCommittedIfEnded(&actions)
        case .aborting: answerFailedIfReleased(&actions)
        case .idle, .preparing, .enteringWindow, .deciding, .resolving, .committing, .finished: return
        }
    }

    mutating func answerCommittedIfEnded(_ actions: inout [CommitAction]) {
        guard phase == .committingReaders, progress.allSatisfy({ $0.state == .settled }) else { return }
        phase = .finished
        if !keepsDecision { actions.append(.deleteDecision(.commit)) }
        actions.append(.answerCommitted(warnings))
    }
}
