// The first phase: everybody who must be able to commit later promises it now, and the gate is asked.

extension CommitCoordinator {
    mutating func start(_ actions: inout [CommitAction]) {
        guard phase == .idle else { return }
        guard let decider, refusal == nil else { return refuse(&actions) }
        phase = .preparing
        for (index, participant) in participants.enumerated() where participant != .read && index != decider {
            progress[index].state = .preparing
            actions.append(.prepare(index))
        }
        progress[decider].state = .checkingConstraints
        actions.append(.checkConstraints(decider))
        actions.append(.setTimer(.prepareLimit, after: timing.prepareLimit))
    }

    private mutating func refuse(_ actions: inout [CommitAction]) {
        guard let refusal else { return }
        abort(.refused(refusal), &actions)
    }

    mutating func prepareAnswered(_ index: Int, _ answer: PrepareAnswer, _ actions: inout [CommitAction]) {
        guard progress[index].state == .preparing, progress[index].isLinkAlive else { return }
        switch answer {
        case .prepared, .preparedWithoutReplication: progress[index].state = .prepared
        case .rolledBack, .failed: progress[index].state = .settled
        }
        if phase == .aborting { return release(index, &actions) }
        switch answer {
        case .prepared: enterWindowIfReady(&actions)
        case .preparedWithoutReplication: abort(.replicationInterrupted(index), &actions)
        case .rolledBack: abort(.participantRolledBack(index), &actions)
        case .failed(let sqlState): abort(.participantFailed(index, sqlState: sqlState), &actions)
        }
    }

    mutating func constraintsChecked(_ answer: ConstraintsAnswer, _ actions: inout [CommitAction]) {
        guard let decider, progress[decider].state == .checkingConstraints else { return }
        progress[decider].state = .open
        if phase == .aborting { return release(decider, &actions) }
        switch answer {
        case .satisfied: enterWindowIfReady(&actions)
        case .failed(let sqlState): abort(.participantFailed(decider, sqlState: sqlState), &actions)
        }
    }

    /// The one condition of the whole protocol: nothing is decided before every other writer is prepared.
    private mutating func enterWindowIfReady(_ actions: inout [CommitAction]) {
        let isReady = progress.indices.allSatisfy { index in
            progress[index].state == (participants[index] == .read || index == decider ? .open : .prepared)
        }
        guard phase == .preparing, isReady else { return }
        phase = .enteringWindow
        isInWindow = true
        actions.append(.enterCommitWindow)
    }
}
