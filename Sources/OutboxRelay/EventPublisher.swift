// EventPublisher: a broker that events are published to. RabbitPublisher and KafkaPublisher are the two.

/// What became of a published event.
public enum PublishOutcome: Equatable, Sendable {
    /// The broker has stored it and answers for it.
    case confirmed(sequence: Int64)
    /// The broker does not take this event; others it does.
    case refused(sequence: Int64, reason: String)
    /// The broker does not take this event now, for a reason of its own.
    case postponed(sequence: Int64, reason: String)
    /// The broker does not take one of those that are on their way, and has forgotten them all.
    case oneRefused(reason: String)
}

/// The broker is not there, or does not serve the relay: no fault of an event. What was on its way may have arrived or not.
public struct BrokerLost: Error, CustomStringConvertible, Equatable {
    public let description: String
}

/// One connection to a broker. Not thread safe.
public protocol EventPublisher: AnyObject {
    /// Sends an event; what becomes of it is told by `outcomes`.
    /// - Returns: why the event can not be sent at all; nil: it is on its way.
    /// - Throws: BrokerLost.
    func publish(_ event: OutboxEvent) throws(BrokerLost) -> String?

    /// What has become known, waiting for something up to a time.
    /// - Throws: BrokerLost.
    func outcomes(withinMilliseconds milliseconds: Int) throws(BrokerLost) -> [PublishOutcome]
}
