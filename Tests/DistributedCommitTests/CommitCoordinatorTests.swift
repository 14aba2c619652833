// Transcripts of single commits: what happens, and what the coordinator then asks for. Participant 0 is the
// decider unless the test says otherwise.
import Primitives
import Testing

@testable import DistributedCommit

/// Feeds a coordinator and returns what each event made it ask for.
struct CommitTranscript {
    var coordinator: CommitCoordinator

    init(_ participants: [CommitParticipant] = [.wrote(nil), .wrote(nil), .wrote(nil)]) {
        coordinator = CommitCoordinator(participants: participants)
    }

    /// The actions without the timers.
    mutating func on(_ inputs: CommitInput...) -> [CommitAction] {
        var actions: [CommitAction] = []
        for input in inputs { coordinator.handle(input, into: &actions) }
        return actions.filter { if case .setTimer = $0 { false } else { true } }
    }

    /// Up to the point where the decision is out.
    mutating func decide() {
        _ = on(.start, .constraintsChecked(.satisfied))
        for index in coordinator.progress.indices { _ = on(.prepareAnswered(index, .prepared)) }
        _ = on(.commitWindowEntered)
    }
}

@Suite struct CommitTranscripts {
    @Test func allGoesWell() {
        var commit = CommitTranscript([.wrote(nil), .read, .wrote(nil), .wrote(nil)])
        #expect(commit.on(.start) == [.prepare(2), .prepare(3), .checkConstraints(0)])
        #expect(commit.on(.prepareAnswered(3, .prepared), .constraintsChecked(.satisfied)) == [])
        #expect(commit.on(.prepareAnswered(2, .prepared)) == [.enterCommitWindow])
        #expect(commit.on(.commitWindowEntered) == [.decideAndCommit(0)])
        #expect(commit.on(.decisionAnswered(.committed)) == [.commitPrepared(2), .commitPrepared(3)])
        #expect(commit.on(.finishAnswered(2, .done)) == [])
        #expect(commit.on(.finishAnswered(3, .done)) == [.leaveCommitWindow, .commitReader(1)])
        #expect(
            commit.on(.transactionEnded(1, sqlState: nil)) == [.deleteDecision(.commit), .answerCommitted([])])
        #expect(commit.coordinator.isFinished)
    }

    @Test func nothingIsDecidedBeforeEveryWriterIsPrepared() {
        var commit = CommitTranscript()
        _ = commit.on(.start)
        #expect(commit.on(.prepareAnswered(1, .prepared), .prepareAnswered(2, .prepared)) == [])
        #expect(commit.on(.commitWindowEntered, .decisionAnswered(.committed)) == [])
        #expect(commit.on(.constraintsChecked(.satisfied)) == [.enterCommitWindow])
    }

    @Test func twoUnpreparableWritersAreRefusedBeforeAnythingIsPrepared() {
        var commit = CommitTranscript([.wrote(.temporaryObjects), .wrote(.notifications), .read])
        #expect(commit.on(.start) == [.rollback(0), .rollback(1), .rollback(2)])
        let refusal = DeciderRefusal(
            first: 0, firstObstacle: .temporaryObjects, second: 1, secondObstacle: .notifications)
        #expect(
            commit.on(
                .transactionEnded(0, sqlState: nil), .transactionEnded(1, sqlState: nil),
                .transactionEnded(2, sqlState: nil)) == [.answerFailed(.refused(refusal))])
    }

    @Test func aFailedPrepareRollsTheOthersBack() {
        var commit = CommitTranscript()
        _ = commit.on(.start, .constraintsChecked(.satisfied), .prepareAnswered(1, .prepared))
        #expect(
            commit.on(.prepareAnswered(2, .failed(sqlState: "23503"))) == [.rollback(0), .rollbackPrepared(1)])
        #expect(commit.on(.finishAnswered(1, .done)) == [.resynchronizeSettings(1)])
        #expect(
            commit.on(.transactionEnded(0, sqlState: nil))
                == [.answerFailed(.participantFailed(2, sqlState: "23503"))])
    }

    @Test func theTagROLLBACKIsAFailureAndNotASuccess() {
        var commit = CommitTranscript()
        _ = commit.on(.start, .constraintsChecked(.satisfied), .prepareAnswered(1, .prepared))
        #expect(commit.on(.prepareAnswered(2, .rolledBack)) == [.rollback(0), .rollbackPrepared(1)])
    }

    @Test func aPrepareWhoseReplicationWasInterruptedIsRolledBack() {
        var commit = CommitTranscript()
        _ = commit.on(.start, .constraintsChecked(.satisfied), .prepareAnswered(1, .prepared))
        #expect(
            commit.on(.prepareAnswered(2, .preparedWithoutReplication))
                == [.rollback(0), .rollbackPrepared(1), .rollbackPrepared(2)])
    }

    @Test func aForeignHolderOfTheGidIsNeverRolledBack() {
        var commit = CommitTranscript([.wrote(nil), .wrote(nil)])
        _ = commit.on(.start, .constraintsChecked(.satisfied))
        #expect(commit.on(.prepareAnswered(1, .failed(sqlState: "42710"))) == [.rollback(0)])
    }

    @Test func aFailedConstraintOnTheDeciderAbortsAndCancelsOutstandingPrepares() {
        var commit = CommitTranscript()
        _ = commit.on(.start, .prepareAnswered(1, .prepared))
        #expect(
            commit.on(.constraintsChecked(.failed(sqlState: "23503")))
                == [.rollback(0), .rollbackPrepared(1), .cancel(2)])
        #expect(commit.on(.prepareAnswered(2, .prepared)) == [.rollbackPrepared(2)])
    }

    @Test func aPrepareWhoseLinkBreaksIsRolledBackOnAnAdminLinkAsItMayHaveSucceeded() {
        var commit = CommitTranscript()
        _ = commit.on(.start, .constraintsChecked(.satisfied), .prepareAnswered(1, .prepared))
        #expect(
            commit.on(.linkLost(2)) == [.rollback(0), .rollbackPrepared(1), .retryRollbackPrepared(2, after: .zero)])
        #expect(commit.on(.finishAnswered(2, .notFound(sameHistory: true))) == [])
    }

    @Test func aCancelBeforeTheDecisionAborts() {
        var commit = CommitTranscript()
        _ = commit.on(.start, .prepareAnswered(1, .prepared))
        #expect(commit.on(.cancelRequested) == [.cancel(0), .rollbackPrepared(1), .cancel(2)])
        #expect(commit.on(.prepareAnswered(2, .failed(sqlState: "57014"))) == [])
        #expect(commit.on(.constraintsChecked(.failed(sqlState: "57014"))) == [.rollback(0)])
        #expect(
            commit.on(.transactionEnded(0, sqlState: nil), .finishAnswered(1, .done))
                == [.resynchronizeSettings(1), .answerFailed(.cancelled)])
    }

    @Test func aCancelAfterTheDecisionWasSentIsIgnored() {
        var commit = CommitTranscript()
        commit.decide()
        #expect(commit.on(.cancelRequested) == [])
        #expect(commit.on(.decisionAnswered(.committed)) == [.commitPrepared(1), .commitPrepared(2)])
        #expect(commit.on(.cancelRequested) == [])
    }

    @Test func theDecidersLinkLostBeforeTheDecisionAborts() {
        var commit = CommitTranscript([.wrote(nil), .wrote(nil)])
        _ = commit.on(.start, .constraintsChecked(.satisfied), .prepareAnswered(1, .prepared))
        #expect(commit.on(.linkLost(0)) == [.leaveCommitWindow, .rollbackPrepared(1)])
        #expect(commit.on(.commitWindowEntered) == [])
        #expect(commit.on(.finishAnswered(1, .done)) == [.resynchronizeSettings(1), .answerFailed(.linkLost(0))])
    }
}
