// Transcripts from the decision on: lost answers, late rivals, shards that cannot be told.
import Primitives
import Testing

@testable import DistributedCommit

@Suite struct DecisionTranscripts {
    @Test func aDecisionWithoutAnAnswerIsLookedUpAndNeverGuessed() {
        var commit = CommitTranscript()
        commit.decide()
        #expect(commit.on(.linkLost(0)) == [.resolveDecision])
        #expect(commit.on(.decisionResolved(.waiting)) == [])
        #expect(commit.on(.timerFired(.resolveInterval)) == [.resolveDecision])
        #expect(commit.on(.decisionResolved(.commit)) == [.commitPrepared(1), .commitPrepared(2)])
    }

    @Test func aDecisionThatWasNotReplicatedIsLookedUp() {
        var commit = CommitTranscript()
        commit.decide()
        #expect(commit.on(.decisionAnswered(.committedWithoutReplication)) == [.resolveDecision])
    }

    @Test func anAbortRowFoundByTheLookUpRollsBack() {
        var commit = CommitTranscript([.wrote(nil), .wrote(nil), .read])
        commit.decide()
        _ = commit.on(.linkLost(0))
        #expect(
            commit.on(.decisionResolved(.abort)) == [.leaveCommitWindow, .rollbackPrepared(1), .rollback(2)])
        #expect(
            commit.on(.transactionEnded(2, sqlState: nil), .finishAnswered(1, .done))
                == [.resynchronizeSettings(1), .answerFailed(.linkLost(0))])
    }

    @Test func anAbortThatIsOnlyLookedUpNeedsAWitness() {
        // Another proxy may have committed everything and deleted the row before we looked.
        var commit = CommitTranscript([.wrote(nil), .wrote(nil)])
        commit.decide()
        _ = commit.on(.linkLost(0), .decisionResolved(.abort))
        #expect(
            commit.on(.finishAnswered(1, .notFound(sameHistory: true)))
                == [.resynchronizeSettings(1), .answerUnknown])
    }

    @Test func aRivalsAbortRowFencesTheDecision() {
        var commit = CommitTranscript([.wrote(nil), .wrote(nil)])
        commit.decide()
        #expect(
            commit.on(.decisionAnswered(.refused(sqlState: "23505"))) == [.leaveCommitWindow, .rollbackPrepared(1)])
        #expect(
            commit.on(.finishAnswered(1, .notFound(sameHistory: true)))
                == [.resynchronizeSettings(1), .deleteDecision(.abort), .answerFailed(.fencedByRecovery)])
    }

    @Test func aUniqueViolationInTheClientsOwnWorkIsTheClientsError() {
        var commit = CommitTranscript([.wrote(nil), .wrote(nil)])
        commit.decide()
        _ = commit.on(.decisionAnswered(.failed(sqlState: "23505")))
        #expect(
            commit.on(.finishAnswered(1, .done))
                == [.resynchronizeSettings(1), .answerFailed(.participantFailed(0, sqlState: "23505"))])
    }

    @Test func aSilentDeciderLosesItsLinkAndTheOutcomeIsLookedUp() {
        var commit = CommitTranscript()
        commit.decide()
        #expect(commit.on(.timerFired(.decisionLimit)) == [.closeLink(0), .resolveDecision])
        #expect(commit.on(.linkLost(0), .decisionAnswered(.committed)) == [])
    }

    @Test func anOutcomeNobodyCanTellIsAnsweredAsUnknownWithTheDeciderFenced() {
        var commit = CommitTranscript([.wrote(nil), .wrote(nil), .read])
        commit.decide()
        _ = commit.on(.linkLost(0), .decisionResolved(.unreachable))
        #expect(
            commit.on(.timerFired(.unknownLimit))
                == [.fence(0), .leaveCommitWindow, .resynchronizeSettings(1), .rollback(2), .answerUnknown])
        #expect(commit.on(.decisionResolved(.commit), .timerFired(.resolveInterval)) == [])
    }

    @Test func aLostAcknowledgementIsAskedForOnAnAdminLink() {
        var commit = CommitTranscript([.wrote(nil), .wrote(nil)])
        commit.decide()
        _ = commit.on(.decisionAnswered(.committed))
        #expect(commit.on(.linkLost(1)) == [.retryCommitPrepared(1, after: .zero)])
        // Found gone: committed, but who knows whether replicated, so the row stays for a while.
        #expect(
            commit.on(.finishAnswered(1, .notFound(sameHistory: true))) == [.leaveCommitWindow, .answerCommitted([])])
    }

    @Test func aBusyPreparedTransactionIsTriedAgainHoweverOften() {
        var commit = CommitTranscript([.wrote(nil), .wrote(nil)])
        commit.decide()
        _ = commit.on(.decisionAnswered(.committed))
        for _ in 0..<20 {
            #expect(
                commit.on(.finishAnswered(1, .failed(sqlState: "55000")))
                    == [.retryCommitPrepared(1, after: .milliseconds(20))])
        }
    }

    @Test func aRoleThatMayNotFinishIsReplacedByTheOwnerOnAnAdminLink() {
        var commit = CommitTranscript([.wrote(nil), .wrote(nil)])
        commit.decide()
        _ = commit.on(.decisionAnswered(.committed))
        #expect(
            commit.on(.finishAnswered(1, .failed(sqlState: "42501"))) == [.retryCommitPrepared(1, after: .zero)])
        #expect(
            commit.on(.finishAnswered(1, .done))
                == [.leaveCommitWindow, .deleteDecision(.commit), .answerCommitted([])])
    }

    @Test func aParticipantThatCannotBeToldIsFencedAndTheCommitSucceedsWithAWarning() {
        var commit = CommitTranscript()
        commit.decide()
        _ = commit.on(.decisionAnswered(.committed), .finishAnswered(2, .done))
        #expect(commit.on(.linkLost(1)) == [.retryCommitPrepared(1, after: .zero)])
        #expect(commit.on(.finishAnswered(1, .unreachable)) == [.retryCommitPrepared(1, after: .milliseconds(20))])
        #expect(commit.on(.finishAnswered(1, .unreachable)) == [.retryCommitPrepared(1, after: .milliseconds(40))])
        #expect(
            commit.on(.finishAnswered(1, .unreachable))
                == [.fence(1), .leaveCommitWindow, .answerCommitted([.participantFenced(1)])])
    }

    @Test func silentParticipantsAreFencedWhenTheCommitWindowIsOver() {
        var commit = CommitTranscript()
        commit.decide()
        _ = commit.on(.decisionAnswered(.committed), .finishAnswered(1, .done))
        #expect(
            commit.on(.timerFired(.commitWindowLimit))
                == [.closeLink(2), .fence(2), .leaveCommitWindow, .answerCommitted([.participantFenced(2)])])
        #expect(commit.on(.linkLost(2), .finishAnswered(2, .done)) == [])
    }

    @Test func aGidMissingFromAShardWithAnotherHistoryIsReportedLost() {
        var commit = CommitTranscript([.wrote(nil), .wrote(nil)])
        commit.decide()
        _ = commit.on(.decisionAnswered(.committed))
        #expect(
            commit.on(.finishAnswered(1, .notFound(sameHistory: false)))
                == [.leaveCommitWindow, .answerCommitted([.participantLost(1)])])
    }

    @Test func aReaderThatFailsAfterTheDecisionIsOnlyAWarning() {
        var commit = CommitTranscript([.wrote(nil), .wrote(nil), .read, .read])
        commit.decide()
        _ = commit.on(.linkLost(2), .decisionAnswered(.committed), .finishAnswered(1, .done))
        #expect(
            commit.on(.transactionEnded(3, sqlState: "34000")) == [
                .deleteDecision(.commit),
                .answerCommitted([.readerFailed(2, sqlState: nil), .readerFailed(3, sqlState: "34000")]),
            ])
    }

    @Test func aReaderThatIsLostBeforeTheDecisionAborts() {
        var commit = CommitTranscript([.wrote(nil), .wrote(nil), .read])
        _ = commit.on(.start, .constraintsChecked(.satisfied), .prepareAnswered(1, .prepared))
        #expect(commit.on(.linkLost(2)) == [.leaveCommitWindow, .rollback(0), .rollbackPrepared(1)])
    }

    @Test func anUnacknowledgedRollbackDoesNotKeepTheClientWaiting() {
        var commit = CommitTranscript([.wrote(nil), .wrote(nil)])
        _ = commit.on(.start, .cancelRequested)
        #expect(
            commit.on(.timerFired(.rollbackLimit)) == [.closeLink(0), .closeLink(1), .answerFailed(.cancelled)])
    }
}
