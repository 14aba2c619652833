// OpenMessages: the messages of a channel of RabbitMQ that are not settled yet. Delivery tags count the messages of the channel from 1; they are
// matched with the events here. A message that comes back (basic.return) has no tag: it is known by the number of its event, which travels with it
// and is that of one open message. Its confirmation follows.
struct OpenMessages {
    private struct Message {
        var sequence: Int64
        var since: ContinuousClock.Instant
    }

    private var messages: [UInt64: Message] = [:]
    /// The delivery tag of the next message.
    private var nextTag: UInt64 = 1
    /// All tags below this one are settled.
    private var firstTag: UInt64 = 1
    /// Why events came back, by their numbers.
    private var returned: [Int64: String] = [:]

    var count: Int { messages.count }

    /// Since when the oldest message has been open; nil: none is.
    var oldest: ContinuousClock.Instant? { messages[firstTag]?.since }

    /// An event was published.
    mutating func add(_ sequence: Int64, now: ContinuousClock.Instant) {
        messages[nextTag] = Message(sequence: sequence, since: now)
        nextTag += 1
    }

    /// The message of an event has come back.
    mutating func noteReturn(_ sequence: Int64, reason: String) { returned[sequence] = reason }

    /// The broker has answered for a message, or for all up to it.
    /// - Parameter isTaken: false: basic.nack, by which the broker says that something is wrong with itself.
    mutating func settle(_ tag: UInt64, isMultiple: Bool, isTaken: Bool, _ outcomes: inout [PublishOutcome]) {
        guard isMultiple, tag >= firstTag, firstTag < nextTag else { return settle(tag, isTaken, &outcomes) }
        for each in firstTag...min(tag, nextTag - 1) { settle(each, isTaken, &outcomes) }
    }

    private mutating func settle(_ tag: UInt64, _ isTaken: Bool, _ outcomes: inout [PublishOutcome]) {
        guard let sequence = messages.removeValue(forKey: tag)?.sequence else { return }
        while firstTag < nextTag, messages[firstTag] == nil { firstTag += 1 }
        let reason = returned.removeValue(forKey: sequence)
        if !isTaken {
            outcomes.append(.postponed(sequence: sequence, reason: "it could not store an event (basic.nack)"))
        } else if let reason {
            outcomes.append(.refused(sequence: sequence, reason: reason))
        } else {
            outcomes.append(.confirmed(sequence: sequence))
        }
    }
}
