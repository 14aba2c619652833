// SagaLimits: how much time sagas get, and what failures mean.
import DatabaseClient
import WireProtocol

/// How often and how soon what failed is tried again, and how long anything of it may take.
public struct SagaLimits: Sendable {
    /// Failures of an undo in a row after which its saga is stuck.
    public var attempts = 6
    public var firstDelayMilliseconds = 200
    public var longestDelayMilliseconds = 60_000
    /// After a failure that says nothing of the undo.
    public var circumstanceDelayMilliseconds = 2_000
    /// Then it is left alone at least so many times as long as the try has taken: what waits for locks keeps others from their turns.
    public var restFactor = 5
    /// How long one saga is worked on in a row.
    public var turnSeconds = 5
    /// How long a saga is left alone by others behind the beginning of an undo. Who comes too soon waits for the mark, and does nothing twice.
    public var claimSeconds = 15
    /// Sagas that one proxy works on at a time.
    public var threads = 4
    /// Between two looks for something to do.
    public var pauseMilliseconds = 500
    /// How often it is looked whether what is half committed is finished, before the saga is left for later, and the pauses between.
    public var preparedLooks = 20
    public var firstLookMilliseconds = 5
    public var longestLookMilliseconds = 200
    /// How long sagas that have ended are known.
    public var keptDays = 7
    /// Between two looks for those that ended longer ago.
    public var forgettingMinutes = 10
    /// What a statement of a step or its undo may take, and wait for locks.
    public var stepSeconds = 60
    public var lockSeconds = 10
    /// By which all of them together may take longer. More than `query_wait`, so that the proxy says it first when a shard has no connection left.
    public var waitSeconds = 150

    public init() {}

    /// How long a saga is left alone behind a failure of circumstances, in milliseconds.
    func circumstanceDelay(behind duration: Duration) -> Int {
        let milliseconds = Int(duration.components.seconds) * 1000 + Int(duration.components.attoseconds / 1_000_000_000_000_000)
        return min(max(circumstanceDelayMilliseconds, restFactor * milliseconds), longestDelayMilliseconds)
    }
}

extension SQLState {
    /// The error says nothing of the statement: connections (08), logins (28), resources (53, but not 53400, a limit that it passes each time), operators
    /// (57, but not 57014, by which a statement ends that takes too long), files (58), serialization and deadlocks (40), locks (55P03), a server that
    /// is a standby yet (25006).
    var isOfCircumstances: Bool {
        let state = rawValue
        if ["53400", "57014"].contains(state) { return false }
        return ["08", "28", "53", "57", "58", "40"].contains { state.hasPrefix($0) } || ["55P03", "25006"].contains(state)
    }
}

/// Why a step was not made or undone.
struct SagaFailure: Error {
    enum Kind {
        /// It will fail again.
        case mistake
        /// It says nothing of the step.
        case circumstance
    }

    let description: String
    let kind: Kind

    init(_ description: String, _ kind: Kind) {
        self.description = description
        self.kind = kind
    }

    /// - Parameter isUnderWay: the step itself has begun; before, it is the proxy that keeps it waiting.
    init(_ lost: ConnectionLost, isUnderWay: Bool) {
        self.init(lost.description, lost.isTooLarge || lost.isTimeout && isUnderWay ? .mistake : .circumstance)
    }

    init(_ message: DatabaseMessage) { self.init(message.message, message.sqlState.isOfCircumstances ? .circumstance : .mistake) }
}
