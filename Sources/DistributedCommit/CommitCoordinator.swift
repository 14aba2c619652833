// CommitCoordinator: the order of one two-phase commit whose decision lies inside a participant.
//
// One writer is the decider D, the other writers are prepared. Once all of them are, D commits its own work
// together with a row that says so: that single local commit is the decision. Before it everything can be rolled
// back, after it everything will be committed, and whoever comes later reads the row. There is no log of the
// coordinator's own; it may vanish at any moment.
//
//     idle ──> preparing ──> enteringWindow ──> deciding ──> committing ──> committingReaders ──> finished
//      │           │               │             │    │          ▲
//      │           │               │             │    └─> resolving ──> finished (unknown)
//      ▼           ▼               ▼             ▼            │
//      └────────────────────> aborting <──────────────────────┘ ──> finished
//
// The coordinator is a plain value: inputs in, actions out, no clock, no randomness, nothing to clean up. Its
// phases are in the files CommitCoordinator+*.swift, one each.
import Primitives

/// The state machine of one distributed commit of two or more writers.
public struct CommitCoordinator: Sendable {
    /// How far the commit has come.
    public enum Phase: Sendable, Equatable {
        /// Nothing sent. `start` -> preparing; no decider to be found, or a link lost -> aborting.
        case idle
        /// PREPAREs are out. All prepared and D's constraints satisfied -> enteringWindow; any failure -> aborting.
        case preparing
        /// Waiting at the gate. Entered -> deciding; D or a reader lost, cancel, limit -> aborting.
        case enteringWindow
        /// D's COMMIT is out. Tag COMMIT -> committing; rolled back -> aborting; anything unclear -> resolving.
        case deciding
        /// The outcome is looked up. Commit -> committing; abort -> aborting; limit -> finished, unknown.
        case resolving
        /// COMMIT PREPAREDs are out. All acknowledged or fenced -> committingReaders. There is no way back.
        case committing
        /// The readers' COMMITs are out. All ended -> finished.
        case committingReaders
        /// Rolling back. All acknowledged, or limit -> finished (unknown, if only looked up and nobody confirms).
        case aborting
        /// The client has its answer; later events are ignored.
        case finished
    }

    public internal(set) var phase = Phase.idle
    /// The participant whose commit is the decision; nil when two writers cannot be prepared.
    public let decider: Int?

    let participants: [CommitParticipant]
    let refusal: DeciderRefusal?
    let timing: CommitTiming
    var progress: [ParticipantProgress]
    var warnings: [CommitWarning] = []
    var failure: CommitFailure?
    /// The decision row may still be needed by recovery.
    var keepsDecision = false
    var isInWindow = false
    /// The look-up said abort, and no participant has confirmed it yet (see `answerFailedIfReleased`).
    var lacksProofOfAbort = false

    /// - Precondition: at least two participants wrote; otherwise see `CommitProtocol.choose`.
    public init(participants: [CommitParticipant], timing: CommitTiming = CommitTiming()) {
        precondition(participants.count { $0 != .read } >= 2, "two-phase commit is for two or more writers")
        self.participants = participants
        self.timing = timing
        progress = participants.map { _ in ParticipantProgress() }
        do {
            decider = try CommitProtocol.decider(among: participants)
            refusal = nil
        } catch {
            decider = nil
            refusal = error
        }
    }

    /// The coordinator has nothing left to do and its gids are left to recovery, if any remain.
    public var isFinished: Bool { phase == .finished }

    /// Takes one event and appends what is to be done. O(participants).
    public mutating func handle(_ input: CommitInput, into actions: inout [CommitAction]) {
        switch input {
        case .start: start(&actions)
        case .prepareAnswered(let index, let answer): prepareAnswered(index, answer, &actions)
        case .constraintsChecked(let answer): constraintsChecked(answer, &actions)
        case .commitWindowEntered: commitWindowEntered(&actions)
        case .decisionAnswered(let answer): decisionAnswered(answer, &actions)
        case .decisionResolved(let status): decisionResolved(status, &actions)
        case .finishAnswered(let index, let answer): finishAnswered(index, answer, &actions)
        case .transactionEnded(let index, let sqlState): transactionEnded(index, sqlState, &actions)
        case .linkLost(let index): linkLost(index, &actions)
        case .timerFired(let timer): timerFired(timer, &actions)
        case .cancelRequested: cancelRequested(&actions)
        }
    }

    private mutating func cancelRequested(_ actions: inout [CommitAction]) {
        switch phase {
        case .preparing, .enteringWindow: abort(.cancelled, &actions)
        case .idle, .deciding, .resolving, .committing, .committingReaders, .aborting, .finished: return
        }
    }

    private mutating func timerFired(_ timer: CommitTimer, _ actions: inout [CommitAction]) {
        switch timer {
        case .prepareLimit: if phase == .preparing || phase == .enteringWindow { abort(.timedOut, &actions) }
        case .decisionLimit: if phase == .deciding { giveUpDeciderLink(&actions) }
        case .resolveInterval: if phase == .resolving { actions.append(.resolveDecision) }
        case .unknownLimit: if phase == .resolving { endUnknown(&actions) }
        case .commitWindowLimit: if phase == .committing { fenceSilentParticipants(&actions) }
        case .rollbackLimit: if phase == .aborting { abandonRollbacks(&actions) }
        }
    }

    /// Sends COMMIT or ROLLBACK PREPARED once more on an admin link; false when it has failed too often. The first
    /// repetition after a failure goes out at once, "busy" always waits.
    mutating func retryFinish(
        _ index: Int, countsAsFailure: Bool, _ actions: inout [CommitAction]
    ) -> Bool {
        guard case .finishing(_, var failures) = progress[index].state else { return false }
        if countsAsFailure { failures += 1 }
        if failures >= timing.finishAttempts { return false }
        progress[index].state = .finishing(onLink: false, failures: failures)
        let intervals = countsAsFailure ? failures - 1 : 1
        let delay = Span(nanoseconds: timing.retryInterval.nanoseconds * Int64(intervals))
        actions.append(
            phase == .aborting
                ? .retryRollbackPrepared(index, after: delay) : .retryCommitPrepared(index, after: delay))
        return true
    }

    mutating func leaveWindow(_ actions: inout [CommitAction]) {
        guard isInWindow else { return }
        isInWindow = false
        actions.append(.leaveCommitWindow)
    }
}
