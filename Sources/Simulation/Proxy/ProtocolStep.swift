// ProtocolStep: the named steps of two-phase commit and recovery: what is counted, and what faults are aimed at.
import DistributedCommit

/// A step of the protocol as a proxy takes it.
enum ProtocolStep: Int, CaseIterable {
    case prepare, checkConstraints, enterCommitWindow, decideAndCommit, resolveDecision, commitPrepared, retryCommitPrepared
    case rollbackPrepared, retryRollbackPrepared, rollback, commitReader, cancel, closeLink, resynchronizeSettings, fence
    case leaveCommitWindow, deleteDecision, answerCommitted, answerFailed, answerUnknown
    case prepared, constraintsChecked, decided, decisionResolved, finished
    case recoveryListDecisions, recoveryListPrepared, recoveryFenceAndRead, recoveryCommitPrepared, recoveryRollbackPrepared
    case recoveryDeleteDecision, recoveryFinished

    /// The step that carries out this order; nil for timers and the like.
    init?(_ action: CommitAction) {
        switch action {
        case .prepare: self = .prepare
        case .checkConstraints: self = .checkConstraints
        case .enterCommitWindow: self = .enterCommitWindow
        case .decideAndCommit: self = .decideAndCommit
        case .resolveDecision: self = .resolveDecision
        case .commitPrepared: self = .commitPrepared
        case .retryCommitPrepared: self = .retryCommitPrepared
        case .rollbackPrepared: self = .rollbackPrepared
        case .retryRollbackPrepared: self = .retryRollbackPrepared
        case .rollback: self = .rollback
        case .commitReader: self = .commitReader
        case .cancel: self = .cancel
        case .closeLink: self = .closeLink
        case .resynchronizeSettings: self = .resynchronizeSettings
        case .fence: self = .fence
        case .leaveCommitWindow: self = .leaveCommitWindow
        case .deleteDecision: self = .deleteDecision
        case .setTimer: return nil
        case .answerCommitted: self = .answerCommitted
        case .answerFailed: self = .answerFailed
        case .answerUnknown: self = .answerUnknown
        }
    }

    init?(_ input: CommitInput) {
        switch input {
        case .prepareAnswered: self = .prepared
        case .constraintsChecked: self = .constraintsChecked
        case .decisionAnswered: self = .decided
        case .decisionResolved: self = .decisionResolved
        case .finishAnswered: self = .finished
        case .start, .commitWindowEntered, .transactionEnded, .linkLost, .timerFired, .cancelRequested: return nil
        }
    }

    init?(_ action: RecoveryAction) {
        switch action {
        case .listDecisions: self = .recoveryListDecisions
        case .listPrepared: self = .recoveryListPrepared
        case .fenceAndRead: self = .recoveryFenceAndRead
        case .commitPrepared: self = .recoveryCommitPrepared
        case .rollbackPrepared: self = .recoveryRollbackPrepared
        case .deleteDecision: self = .recoveryDeleteDecision
        case .show: return nil
        case .finished: self = .recoveryFinished
        }
    }

    var isRecovery: Bool { rawValue >= ProtocolStep.recoveryListDecisions.rawValue }

    /// Steps taken only when something was away for long.
    static let rare: [ProtocolStep] = [
        .closeLink, .fence, .answerUnknown, .resolveDecision, .decisionResolved, .retryCommitPrepared, .retryRollbackPrepared,
        .recoveryFenceAndRead, .recoveryCommitPrepared, .recoveryRollbackPrepared, .recoveryDeleteDecision,
    ]
    /// Steps that all but every distributed commit takes: faults are aimed at these more often.
    static let ordinary: [ProtocolStep] = [.prepare, .prepared, .decideAndCommit, .decided, .commitPrepared, .finished, .answerCommitted]
}
