// OutboxEvent: one row of an outbox table that waits to be told to a broker.

/// Which row of an outbox table is meant. The number alone would do, were it not for tables that are emptied or restored: then other events have it.
public struct EventMark: Hashable, Sendable {
    public var sequence: Int64
    /// nil where the row has none, or one that is too long to be read.
    public var id: String?

    public init(sequence: Int64, id: String?) {
        self.sequence = sequence
        self.id = id
    }
}

/// An event as its transaction has stored it.
public struct OutboxEvent: Sendable, Equatable {
    /// Its place in the order of its shard.
    public var sequence: Int64
    public var id: String
    /// What the event is about. Events of one aggregate are delivered in the order of their sequence numbers.
    public var aggregate: String
    public var type: String
    public var data: String
    /// How often the broker has refused it before.
    public var attempts: Int
    /// Seconds since 1970; 0 for an infinite time.
    public var createdAt: Int64
    /// Why the row cannot be told to any broker; nil: it can.
    public var flaw: String?
    /// What the row itself is known by; its id may be missing where there is a flaw.
    public var mark: EventMark

    public init(
        sequence: Int64, id: String?, aggregate: String, type: String, data: String, attempts: Int = 0, createdAt: Int64 = 0, flaw: String? = nil
    ) {
        self.sequence = sequence
        self.id = id ?? ""
        self.aggregate = aggregate
        self.type = type
        self.data = data
        self.attempts = attempts
        self.createdAt = createdAt
        self.flaw = flaw
        mark = EventMark(sequence: sequence, id: id)
    }

    /// What consumers tell a second delivery by: the same each time.
    public func messageID(shard: Int) -> String { "\(shard)/\(id)" }

    /// How much memory its texts take, in bytes.
    var bytes: Int { id.utf8.count + aggregate.utf8.count + type.utf8.count + data.utf8.count }
}

/// What the broker has said of an event that it does not take.
public struct EventRefusal: Equatable, Sendable {
    public var mark: EventMark
    public var attempts: Int
    public var reason: String
    /// No further attempt is made.
    public var isFinal: Bool
}
