// KafkaPublisher: publishes to Kafka with acks=all and an idempotent producer, by librdkafka. The key of a message is its aggregate, so that all
// events of one are in one partition, in order.
//
// Delivery reports come as events of the producer's main queue; the number that travels with a message is the event's sequence number. What the
// broker finds wrong with a message is the event's fault, all else the broker's.
import CRdKafka
import Glibc

/// Where the brokers are, and where events go.
public struct KafkaSettings: Sendable {
    public var brokers = ["127.0.0.1:9092"]
    public var topic = NameTemplate("outbox_events")!
    /// Further settings by librdkafka's names: security.protocol, sasl.username, linger.ms ...
    public var settings: [String: String] = [:]

    public init() {}
}

public final class KafkaPublisher: EventPublisher {
    /// What holds unless the settings say otherwise.
    static let defaults = [
        "acks": "all", "enable.idempotence": "true", "client.id": "pgbraid-relay", "linger.ms": "2", "message.timeout.ms": "30000", "compression.type": "lz4",
        "queue.buffering.max.messages": "100000", "log.queue": "true",
    ]
    private static let topicPatience = "topic.metadata.propagation.max.ms"
    /// A topic that the brokers do not know may be so new that not all of them have heard of it: this long they are asked for it. librdkafka's own
    /// default, 30 s, is as long as messages wait here: they would run out of time, as if no broker answered, before the topic is said to be missing.
    private static let topicMilliseconds = 10_000
    /// How long to wait for what is on its way when the producer is left.
    static let farewellMilliseconds: Int32 = 100
    static let outcomesAtATime = 10_000

    private let settings: KafkaSettings
    private let shard: Int
    private let producer: OpaquePointer
    private let queue: OpaquePointer

    /// Makes a producer; it connects by itself.
    /// - Throws: BrokerLost for settings that librdkafka does not take.
    public init(_ settings: KafkaSettings, shard: Int) throws(BrokerLost) {
        self.settings = settings
        self.shard = shard
        let configuration = rd_kafka_conf_new()
        var text = [CChar](repeating: 0, count: 512)
        for (name, value) in Self.values(settings).sorted(by: { $0.key < $1.key }) {
            guard rd_kafka_conf_set(configuration, name, value, &text, text.count) == RD_KAFKA_CONF_OK else {
                rd_kafka_conf_destroy(configuration)
                throw BrokerLost(description: "kafka.settings: \(Self.text(text))")
            }
        }
        rd_kafka_conf_set_events(configuration, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG)
        guard let producer = rd_kafka_new(RD_KAFKA_PRODUCER, configuration, &text, text.count) else {
            rd_kafka_conf_destroy(configuration)
            throw BrokerLost(description: Self.text(text))
        }
        self.producer = producer
        queue = rd_kafka_queue_get_main(producer)
        rd_kafka_set_log_queue(producer, nil)
    }

    /// Everything that librdkafka is told, by its names.
    static func values(_ settings: KafkaSettings) -> [String: String] {
        var values = defaults.merging(settings.settings) { _, own in own }
        // Two names of one setting.
        if let timeout = values.removeValue(forKey: "delivery.timeout.ms"), settings.settings["message.timeout.ms"] == nil { values["message.timeout.ms"] = timeout }
        if values[topicPatience] == nil {
            // librdkafka asks each second, so that short times need room. 0: messages have no end of time.
            let timeout = values["message.timeout.ms"].flatMap { Int($0) } ?? 0
            values[topicPatience] = "\(timeout > 0 ? min(topicMilliseconds, timeout / 3) : topicMilliseconds)"
        }
        values["bootstrap.servers"] = settings.brokers.joined(separator: ",")
        return values
    }

    deinit {
        rd_kafka_purge(producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING)
        rd_kafka_flush(producer, Self.farewellMilliseconds)
        rd_kafka_queue_destroy(queue)
        rd_kafka_destroy(producer)
    }

    // MARK: EventPublisher

    public func publish(_ event: OutboxEvent) throws(BrokerLost) -> String? {
        let topic = settings.topic.name(of: event, shard: shard)
        let headers = ["message_id", event.messageID(shard: shard), "event_type", event.type, "shard", "\(shard)", "sequence", "\(event.sequence)"]
        let error = headers.withPointers { headers in
            var (key, data) = (event.aggregate, event.data)
            return key.withUTF8 { key in
                data.withUTF8 { data in
                    crdkafka_produce(
                        producer, topic, key.baseAddress, key.count, data.baseAddress, data.count, event.createdAt * 1000, headers, 4,
                        UInt(bitPattern: Int(event.sequence)))
                }
            }
        }
        if error == RD_KAFKA_RESP_ERR_NO_ERROR { return nil }
        guard Self.isOfEvent(error, topicVaries: settings.topic.dependsOnEvent) else { throw BrokerLost(description: Self.text(error)) }
        return Self.text(error)
    }

    public func outcomes(withinMilliseconds milliseconds: Int) throws(BrokerLost) -> [PublishOutcome] {
        var outcomes: [PublishOutcome] = []
        var patience = Int32(clamping: milliseconds)
        while outcomes.count < Self.outcomesAtATime, let event = rd_kafka_queue_poll(queue, patience) {
            defer { rd_kafka_event_destroy(event) }
            switch rd_kafka_event_type(event) {
            case RD_KAFKA_EVENT_DR: try take(event, &outcomes)
            case RD_KAFKA_EVENT_ERROR where rd_kafka_event_error_is_fatal(event) != 0:
                throw BrokerLost(description: "the producer must begin anew: \(String(cString: rd_kafka_event_error_string(event)))")
            default: break
            }
            if !outcomes.isEmpty { patience = 0 }
        }
        return outcomes
    }

    /// Delivery reports.
    private func take(_ event: OpaquePointer, _ outcomes: inout [PublishOutcome]) throws(BrokerLost) {
        var lost: rd_kafka_resp_err_t?
        while let message = rd_kafka_event_message_next(event)?.pointee {
            let sequence = Int64(Int(bitPattern: message._private))
            if message.err == RD_KAFKA_RESP_ERR_NO_ERROR {
                outcomes.append(.confirmed(sequence: sequence))
            } else if Self.isOfEvent(message.err, topicVaries: settings.topic.dependsOnEvent) {
                outcomes.append(.refused(sequence: sequence, reason: Self.text(message.err)))
            } else {
                lost = message.err
            }
        }
        // What is confirmed beside it is published again.
        if let lost { throw BrokerLost(description: "delivery failed: \(Self.text(lost))") }
    }

    /// Whether an error is about the message itself. A right to write to a topic is missing for some messages only where the topic depends on them.
    static func isOfEvent(_ error: rd_kafka_resp_err_t, topicVaries: Bool) -> Bool {
        if error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED { return topicVaries }
        return [
            RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE, RD_KAFKA_RESP_ERR_INVALID_RECORD, RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
            RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, RD_KAFKA_RESP_ERR__INVALID_ARG,
            RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
        ].contains(error)
    }

    private static func text(_ error: rd_kafka_resp_err_t) -> String { String(cString: rd_kafka_err2str(error)) }

    private static func text(_ characters: [CChar]) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
