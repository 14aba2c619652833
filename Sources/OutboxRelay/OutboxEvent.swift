// OutboxEvent: one row of an outbox table that waits to be told to a broker.

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
    /// Seconds since 1970.
    public var createdAt: Int64

    public init(sequence: Int64, id: String, aggregate: String, type: String, data: String, attempts: Int = 0, createdAt: Int64 = 0) {
        self.sequence = sequence
        self.id = id
        self.aggregate = aggregate
        self.type = type
        self.data = data
        self.attempts = attempts
        self.createdAt = createdAt
    }

    /// What consumers tell a second delivery by: the same each time.
    public func messageID(shard: Int) -> String { "\(shard)/\(id)" }
}
