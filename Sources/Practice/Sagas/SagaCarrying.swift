// SagaCarrying: carries out a saga's script: step by step, each in one transaction that counts it and journals its undo. So it does not matter who does
// it, how often it is begun, or where it is cut off.
import DatabaseClient
import QueryPlanning
import WireProtocol

struct SagaCarrying {
    let store: SagaStore
    let journal: SagaJournal
    let sessions: RoleSessions
    let limits: SagaLimits

    enum Outcome: Equatable {
        case completed
        /// Somebody has ended it, or its time is over.
        case ended
        /// Others have their turn.
        case released
        /// A step cannot be made: it is undone from now on.
        case aborted(reason: String)
        /// To be tried again later.
        case postponed(reason: String)
    }

    /// - Throws: ConnectionLost and DatabaseMessage where what became of it cannot be stored.
    func carryOut(_ saga: ClaimedSaga) throws -> Outcome {
        var present = "its beginning"
        let begun = ContinuousClock.now
        do {
            while let step = try store.nextStep(of: saga) {
                present = "step \(step.number + 1)"
                if step.isOverdue { throw SagaFailure("timed out", .mistake) }
                if begun.duration(to: .now) > .seconds(limits.turnSeconds) {
                    try store.released(saga)
                    return .released
                }
                guard let role = try store.role(step.owner, on: saga.shard) else { throw SagaFailure("the role whose saga it is has been dropped", .mistake) }
                try store.renew(saga, seconds: limits.claimSeconds)
                // A step is made when the one before it is there for all to see.
                try journal.awaitPrepared(by: [role], limits)
                guard let work = step.work else {
                    try store.completed(saga)
                    return .completed
                }
                try make(step, of: saga, work, as: role)
            }
            return .ended
        } catch let error as DatabaseMessage {
            // Of the journal or the saga: not what a step does.
            return try end(saga, SagaFailure("\(present): \(error.message)", .circumstance), begun)
        } catch let error as SagaFailure {
            return try end(saga, SagaFailure("\(present): \(error.description)", error.kind), begun)
        }
    }

    private func make(_ step: ScriptStep, of saga: ClaimedSaga, _ work: String, as role: String) throws {
        do throws(Refusal) {
            try SagaStepCall.check(work, called: "the work")
        } catch {
            throw SagaFailure(error.message, .mistake)
        }
        try sessions.transaction(as: role) { session in
            let counted = try session.execute("SELECT pgbraid.saga_advance($1, $2::pg_catalog.int4)", [saga.name, "\(step.number)"])
            return counted.rows.first?.first == "t"
        } body: { session in
            try session.execute("SELECT pg_catalog.set_config('search_path', $1, true)", [step.searchPath])
            try session.run(work)
            try session.execute("SELECT pgbraid.saga_step($1, $2, $3)", [saga.name, "step \(step.number + 1)", step.undo])
        }
    }

    private func end(_ saga: ClaimedSaga, _ failure: SagaFailure, _ begun: ContinuousClock.Instant) throws -> Outcome {
        let reason = failure.description
        if failure.kind == .circumstance {
            let delay = limits.circumstanceDelay(behind: begun.duration(to: .now))
            try store.postponed(saga, reason: reason, attempts: saga.attempts, delayMilliseconds: delay, isStuck: false)
            return .postponed(reason: reason)
        }
        try store.aborted(saga, reason: reason)
        return .aborted(reason: reason)
    }
}
