// SagaUndoing: undoes one saga: closes its doors, then runs the undo of each step in reverse order, each in one transaction behind its mark in
// the journal. So it does not matter who does it, how often it is begun, or where it is cut off.
import DatabaseClient
import WireProtocol

struct SagaUndoing {
    let store: SagaStore
    let journal: SagaJournal
    let sessions: RoleSessions
    let limits: SagaLimits

    /// What became of it, which is stored.
    enum Outcome: Equatable {
        case compensated
        /// Others have their turn.
        case released
        /// To be tried again later.
        case postponed(reason: String)
        case stuck(reason: String)
    }

    /// - Throws: ConnectionLost and DatabaseMessage where what became of it cannot be stored.
    func undo(_ saga: ClaimedSaga) throws -> Outcome {
        var present = "its doors"
        var undoneCount = 0
        let begun = ContinuousClock.now
        do {
            try journal.closeDoors(of: saga)
            let owners = try journal.owners(of: saga, store)
            var latest: JournalledStep?
            while true {
                let steps = try journal.steps(of: saga)
                if steps.isEmpty { break }
                for step in steps {
                    present = "undo of step \"\(step.name)\""
                    if step == latest { throw SagaFailure("the step is not marked as undone", .mistake) }
                    if begun.duration(to: .now) > .seconds(limits.turnSeconds) {
                        try store.released(saga)
                        return .released
                    }
                    guard let role = try store.role(step.owner, on: step.shard) else { throw SagaFailure("the role that made it has been dropped", .mistake) }
                    latest = step
                    try store.renew(saga, seconds: limits.claimSeconds)
                    try journal.awaitPrepared(by: owners, limits)
                    try undo(step, as: role)
                    undoneCount += 1
                }
            }
            present = "its end"
            // What the last undo did elsewhere may be prepared still, though it was run by somebody else.
            try journal.awaitPrepared(by: owners, limits)
            try store.compensated(saga)
            return .compensated
        } catch let error as DatabaseMessage {
            // Of the journal or the saga: not what a step does.
            return try postpone(saga, SagaFailure("\(present): \(error.message)", .circumstance), undoneCount, begun)
        } catch let error as SagaFailure {
            return try postpone(saga, SagaFailure("\(present): \(error.description)", error.kind), undoneCount, begun)
        }
    }

    /// Undoes a step in one transaction of the role that has made it, behind its mark.
    private func undo(_ step: JournalledStep, as role: String) throws {
        let (text, searchPath) = try journal.undo(of: step)
        try sessions.transaction(as: role) { session in
            let mark = try session.execute(SagaStore.on(step.shard, "SELECT pgbraid.saga_undone($1::pg_catalog.int8)"), ["\(step.id)"])
            return mark.rows.first?.first == "t"
        } body: { session in
            if let text {
                try session.execute("SELECT pg_catalog.set_config('search_path', $1, true)", [searchPath])
                try session.run(text)
            }
        }
    }

    /// Circumstances (a shard that is down, a lock, a deadlock) are tried again for ever, mistakes so many times in a row.
    private func postpone(_ saga: ClaimedSaga, _ failure: SagaFailure, _ undoneCount: Int, _ begun: ContinuousClock.Instant) throws -> Outcome {
        let attempts = (undoneCount > 0 ? 0 : saga.attempts) + (failure.kind == .mistake ? 1 : 0)
        let isStuck = failure.kind == .mistake && attempts >= limits.attempts
        let delay: Int
        switch failure.kind {
        case .mistake: delay = min(limits.firstDelayMilliseconds << min(attempts, 20), limits.longestDelayMilliseconds)
        case .circumstance: delay = limits.circumstanceDelay(behind: begun.duration(to: .now))
        }
        try store.postponed(saga, reason: failure.description, attempts: attempts, delayMilliseconds: delay, isStuck: isStuck)
        return isStuck ? .stuck(reason: failure.description) : .postponed(reason: failure.description)
    }
}
