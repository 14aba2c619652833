// The decision: D's own commit. Its answer is believed only as the tag COMMIT on the link that did the work; a
// lost answer is never guessed but looked up, which at the same time settles it for good.

extension CommitCoordinator {
    mutating func commitWindowEntered(_ actions: inout [CommitAction]) {
        guard phase == .enteringWindow, let decider else { return }
        phase = .deciding
        progress[decider].state = .deciding
        actions.append(.decideAndCommit(decider))
        actions.append(.setTimer(.decisionLimit, after: timing.decisionLimit))
    }

    mutating func decisionAnswered(_ answer: DecisionAnswer, _ actions: inout [CommitAction]) {
        guard phase == .deciding, let decider else { return }
        progress[decider].state = .settled
        switch answer {
        case .committed: commit(&actions)
        case .committedWithoutReplication: resolve(&actions)
        case .rolledBack: abort(.participantRolledBack(decider), &actions)
        case .refused(sqlState: "23505"): abort(.fencedByRecovery, &actions)
        case .refused(let sqlState), .failed(let sqlState):
            abort(.participantFailed(decider, sqlState: sqlState), &actions)
        }
    }

    /// The decider is silent for too long: what its link would say is asked over another one.
    mutating func giveUpDeciderLink(_ actions: inout [CommitAction]) {
        guard let decider else { return }
        actions.append(.closeLink(decider))
        deciderLost(&actions)
    }

    mutating func deciderLost(_ actions: inout [CommitAction]) {
        guard let decider else { return }
        progress[decider].state = .settled
        progress[decider].isLinkAlive = false
        resolve(&actions)
    }

    private mutating func resolve(_ actions: inout [CommitAction]) {
        phase = .resolving
        actions.append(.resolveDecision)
        actions.append(.setTimer(.unknownLimit, after: timing.unknownLimit))
    }

    mutating func decisionResolved(_ status: DecisionStatus, _ actions: inout [CommitAction]) {
        guard phase == .resolving, let decider else { return }
        switch status {
        case .commit: commit(&actions)
        case .abort:
            lacksProofOfAbort = true
            abort(.linkLost(decider), &actions)
        case .waiting, .unreachable: actions.append(.setTimer(.resolveInterval, after: timing.resolveInterval))
        }
    }

    /// The client has waited long enough. D is fenced: what it may have committed is not to be seen before
    /// recovery has committed the rest, which it does before D opens again.
    mutating func endUnknown(_ actions: inout [CommitAction]) {
        guard let decider else { return }
        phase = .finished
        actions.append(.fence(decider))
        leaveWindow(&actions)
        for index in progress.indices where progress[index].isLinkAlive {
            switch progress[index].state {
            case .prepared: actions.append(.resynchronizeSettings(index))
            case .open: actions.append(.rollback(index))
            case .checkingConstraints, .preparing, .deciding, .finishing, .ending, .settled: continue
            }
        }
        actions.append(.answerUnknown)
    }
}
