// CommitProtocol: which protocol a transaction needs, and which participant keeps the decision.

/// How a transaction commits, by the number of shards it wrote on.
public enum CommitProtocol: Sendable, Equatable {
    /// Nothing was written: each reader commits on its own.
    case none
    /// One writer: a plain COMMIT there is atomic, whatever was read elsewhere.
    case onePhase
    /// Two or more writers: `CommitCoordinator`.
    case twoPhase

    public static func choose(writers: Int) -> CommitProtocol {
        switch writers {
        case ...0: .none
        case 1: .onePhase
        default: .twoPhase
        }
    }

    /// The index of the participant whose own commit is the decision: the first writer, unless another writer
    /// cannot be prepared: that one never has to be.
    /// - Throws: `DeciderRefusal` when two writers cannot be prepared (SQLSTATE 0A000). O(participants).
    /// - Precondition: at least one participant wrote.
    public static func decider(among participants: [CommitParticipant]) throws(DeciderRefusal) -> Int {
        var decider: Int?
        var unpreparable: (index: Int, obstacle: PreparationObstacle)?
        for (index, participant) in participants.enumerated() {
            guard case .wrote(let obstacle) = participant else { continue }
            if decider == nil { decider = index }
            guard let obstacle else { continue }
            if let unpreparable {
                throw DeciderRefusal(
                    first: unpreparable.index, firstObstacle: unpreparable.obstacle, second: index,
                    secondObstacle: obstacle)
            }
            unpreparable = (index, obstacle)
            decider = index
        }
        guard let decider else { preconditionFailure("a distributed commit has writers") }
        return decider
    }
}

/// What one shard did in the transaction.
public enum CommitParticipant: Sendable, Equatable {
    /// It has a transaction id; the obstacle, when there is one, forbids PREPARE TRANSACTION.
    case wrote(PreparationObstacle?)
    /// It has none, and commits after the writers.
    case read
}

/// Why PostgreSQL would answer an error to PREPARE TRANSACTION (manual, PREPARE TRANSACTION, Notes).
public enum PreparationObstacle: Sendable, Equatable {
    case temporaryObjects
    case notifications
    case heldCursors
    case exportedSnapshot
    /// Session-level and transaction-level advisory locks on one object.
    case mixedAdvisoryLocks
    case foreignTables
    /// `max_prepared_transactions` is 0 there.
    case preparedTransactionsDisabled
}

/// Two writers that both cannot be prepared: refused before anything is prepared.
public struct DeciderRefusal: Error, Equatable, Sendable {
    public var first: Int
    public var firstObstacle: PreparationObstacle
    public var second: Int
    public var secondObstacle: PreparationObstacle
}
