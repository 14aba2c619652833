// Operation: one thing a client wants, with the requests that do it and what may be true afterwards.
import Primitives

/// One statement with its parameters.
struct Call {
    var text: String
    var parameters: [Int] = []

    /// The one user whose balance it asks for.
    var userLookedAt: Int? {
        let look = "SELECT balance FROM accounts WHERE user_id = "
        return text.hasPrefix(look) ? Int(text.dropFirst(look.count)) : nil
    }

    /// It asks for some users only.
    var isOfSome: Bool { text.contains(" WHERE ") }
}

/// What a client sends in one write and awaits the ReadyForQuery of.
struct Request {
    enum Kind {
        /// One Query with all texts.
        case simple
        /// Parse, Bind, Describe, Execute of each, and one Sync.
        case extended
    }

    var calls: [Call]
    var kind: Kind
    /// With this the operation is done, one way or the other.
    var isFinal = false
    /// The client thinks for so long before it.
    var pause = Span.zero

    static func simple(_ texts: String..., isFinal: Bool = false) -> Request {
        Request(calls: texts.map { Call(text: $0) }, kind: .simple, isFinal: isFinal)
    }
}

/// What a client can know of an operation's end.
enum Outcome {
    case open, committed, aborted
    /// All or nothing, but nobody told which.
    case unknown
}

/// One operation of a client.
struct Operation {
    enum Kind: Int, CaseIterable {
        /// Between two shards, in a block or in one text or pipeline.
        case transfer
        /// One UPDATE of all rows.
        case broadcast
        /// Between two users of one shard.
        case localTransfer
        /// One UPDATE of one row.
        case deposit
        /// Updates in a block that the client rolls back.
        case abandoned
        /// The sum, or all rows, in one statement or several of one REPEATABLE READ block.
        case read
    }

    var kind: Kind
    var requests: [Request]
    /// What it changes: users and amounts. No other operation has these amounts.
    var changes: [(user: Int, amount: Int)] = []
    /// It commits on its one shard by a statement of its own: of a lost connection nothing follows.
    var isSingleStatement = false
    /// It begins again when it has ended, as long as things go wrong.
    var isRepeated = false
    /// The request that sets a savepoint to which the client may go back after an error.
    var savepoint: Int?

    /// It writes on several shards and means to commit.
    var isCrossShard: Bool { kind == .transfer || kind == .broadcast }
    var outcome = Outcome.open
}
