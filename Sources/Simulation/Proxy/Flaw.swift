// Flaw: protocols that are wrong on purpose. If the simulation does not catch each of them, its silence about the real
// one means nothing.
import DistributedCommit
import ProxyCore

/// A way to break the protocol, put between its machines and the worker.
public enum Flaw: String, CaseIterable, Sendable {
    /// The commit window is never asked for: readers may take their snapshots in the middle of a commit.
    case skipsGate
    /// Recovery reads the decision row, and takes its absence for an abort.
    case recoversWithoutFencing
    /// D commits as soon as one participant is prepared.
    case commitsBeforePrepared
    /// The last participant's COMMIT PREPARED is never sent.
    case forgetsParticipant
    /// D's link breaks after COMMIT was sent; that is taken for an abort.
    case guessesAbort
    /// The same, taken for a success.
    case guessesCommit
    /// PREPARE TRANSACTION that failed or was answered with ROLLBACK is taken for success.
    case believesAnyPrepare
    /// Recovery rolls back what it finds without asking the decider.
    case presumesAbort
    /// Every instance but one's own is taken for dead: abort rows are deleted while their coordinators can still decide.
    case ignoresInstanceLocks
    /// Each worker of a proxy has a gate of its own: shows where there are several.
    case splitsGate

    /// What the coordinator is told instead.
    func inputs(for input: CommitInput, _ commit: ProbedCommit) -> [CommitInput] {
        switch (self, input) {
        case (.commitsBeforePrepared, .prepareAnswered(_, .prepared)) where commit.phase == .preparing:
            [.constraintsChecked(.satisfied)] + commit.prepared.map { .prepareAnswered($0, .prepared) }
        case (.commitsBeforePrepared, .constraintsChecked(.satisfied)) where commit.phase == .preparing:
            [input] + commit.prepared.map { .prepareAnswered($0, .prepared) }
        case (.believesAnyPrepare, .prepareAnswered(let leg, .rolledBack)), (.believesAnyPrepare, .prepareAnswered(let leg, .failed)):
            [.prepareAnswered(leg, .prepared)]
        case (.guessesAbort, .linkLost(let leg)) where leg == commit.decider && commit.phase == .deciding:
            [.decisionAnswered(.rolledBack)]
        case (.guessesCommit, .linkLost(let leg)) where leg == commit.decider && commit.phase == .deciding:
            [.decisionAnswered(.committed)]
        default: [input]
        }
    }

    /// What the coordinator is told instead of carrying out an order of its; nil: it is carried out.
    func inputs(insteadOf action: CommitAction, _ commit: ProbedCommit) -> [CommitInput]? {
        switch (self, action) {
        case (.skipsGate, .enterCommitWindow): [.commitWindowEntered]
        case (.forgetsParticipant, .commitPrepared(let leg)) where leg == commit.prepared.last: [.finishAnswered(leg, .done)]
        default: nil
        }
    }

    func inputs(for input: RecoveryInput) -> [RecoveryInput] {
        guard self == .ignoresInstanceLocks, case .decisionsListed(let shard, var listing) = input else { return [input] }
        listing.presentInstances = []
        return [.decisionsListed(shard, listing)]
    }

    func inputs(insteadOf action: RecoveryAction, _ world: World) -> [RecoveryInput]? {
        switch (self, action) {
        case (.recoversWithoutFencing, .fenceAndRead(let decider, let hash, _)):
            let isDecided = world.servers[decider.int].storage.decisions["\(hash)"]?.outcome == "commit"
            return [.decisionRead(decider: decider, hash, isDecided ? .commit : .abort)]
        case (.presumesAbort, .fenceAndRead(let decider, let hash, _)): return [.decisionRead(decider: decider, hash, .abort)]
        default: return nil
        }
    }
}
