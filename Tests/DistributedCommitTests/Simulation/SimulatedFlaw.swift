// SimulatedFlaw: protocols that are wrong on purpose. If the simulation does not catch each of them, its silence
// about the real one means nothing.

@testable import DistributedCommit

/// A way to break the protocol, put between the machines and the world.
enum SimulatedFlaw: CaseIterable {
    /// D commits as soon as one participant is prepared.
    case decidesBeforeAllArePrepared
    /// The last participant's COMMIT PREPARED is never sent.
    case forgetsParticipant
    /// Recovery deletes the abort row as soon as it has rolled back.
    case deletesAbortRowsEarly
    /// Recovery reads the decision row, and takes its absence for an abort.
    case recoversWithoutFencing
    /// D's link breaks before the decision; COMMIT goes out on a new one.
    case commitsOnNewLink
    /// D's link breaks after COMMIT was sent; that is taken for an abort.
    case guessesAbort
    /// The same, taken for a success.
    case guessesCommit
    /// CommandComplete ROLLBACK after PREPARE is taken for success.
    case believesAnyTag
    /// Recovery acts on a row that is not on the standby.
    case believesUnreplicatedRows
    /// A dead instance is recognised by something else than the links that could still decide.
    case ignoresLinkLocks
    /// Prepared transactions were listed before the decision rows: the listing of the round before is used.
    case usesOldListings
    /// The row is deleted though a participant may still need it.
    case alwaysDeletesTheRow
}

extension SimulatedWorld {
    /// The inputs the coordinator gets instead of this one.
    func perturb(_ index: Int, _ input: CommitInput) -> [CommitInput] {
        let transaction = transactions[index]
        let phase = transaction.coordinator.phase
        switch (flaw, input) {
        case (.decidesBeforeAllArePrepared, .prepareAnswered(_, .prepared)) where phase == .preparing:
            return [.constraintsChecked(.satisfied)] + transaction.writers.map { .prepareAnswered($0, .prepared) }
        case (.believesAnyTag, .prepareAnswered(let participant, .rolledBack)):
            return [.prepareAnswered(participant, .prepared)]
        case (.guessesAbort, .linkLost(transaction.decider)) where phase == .deciding:
            return [.decisionAnswered(.rolledBack)]
        case (.guessesCommit, .linkLost(transaction.decider)) where phase == .deciding:
            return [.decisionAnswered(.committed)]
        case (.commitsOnNewLink, .linkLost(transaction.decider)) where phase == .preparing || phase == .enteringWindow:
            reconnect(index, transaction.decider)
            return phase == .preparing ? [.constraintsChecked(.satisfied)] : []
        default: return [input]
        }
    }

    private func reconnect(_ index: Int, _ participant: Int) {
        let transaction = transactions[index]
        let link = open(
            transaction.shards[participant], transaction.process,
            .link(transaction: index, participant: participant), .work(nil))
        transactions[index].links[participant] = link
    }
}
