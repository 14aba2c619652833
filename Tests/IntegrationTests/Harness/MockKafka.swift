// MockKafka: Kafka brokers within the test process (librdkafka's mock cluster), and a consumer that keeps what arrives.
import CRdKafka
import Foundation

/// One message as it has arrived.
struct KafkaMessage: Equatable {
    var identifier: String
    var key: String
    var data: String
}

final class MockKafka {
    private static let partitions: Int32 = 4
    private let owner: OpaquePointer
    private let cluster: OpaquePointer
    private let consumer: OpaquePointer
    /// In the order of arrival.
    private(set) var messages: [KafkaMessage] = []

    var bootstraps: [String] { String(cString: rd_kafka_mock_cluster_bootstraps(cluster)).split(separator: ",").map(String.init) }

    init(topic: String) throws {
        owner = try Self.client(RD_KAFKA_PRODUCER, ["bootstrap.servers": "127.0.0.1:1"])
        guard let cluster = rd_kafka_mock_cluster_new(owner, 1) else { throw ConditionNotMet(description: "no mock cluster") }
        self.cluster = cluster
        rd_kafka_mock_topic_create(cluster, topic, Self.partitions, 1)
        consumer = try Self.client(
            RD_KAFKA_CONSUMER, ["bootstrap.servers": String(cString: rd_kafka_mock_cluster_bootstraps(cluster)), "group.id": "test", "auto.offset.reset": "earliest"])
        rd_kafka_poll_set_consumer(consumer)
        let list = rd_kafka_topic_partition_list_new(Self.partitions)
        for partition in 0..<Self.partitions {
            rd_kafka_topic_partition_list_add(list, topic, partition)
            rd_kafka_topic_partition_list_set_offset(list, topic, partition, Int64(RD_KAFKA_OFFSET_BEGINNING))
        }
        rd_kafka_assign(consumer, list)
        rd_kafka_topic_partition_list_destroy(list)
    }

    deinit {
        rd_kafka_consumer_close(consumer)
        rd_kafka_destroy(consumer)
        rd_kafka_mock_cluster_destroy(cluster)
        rd_kafka_destroy(owner)
    }

    /// Whether the brokers can be reached.
    func set(up isUp: Bool) { _ = isUp ? rd_kafka_mock_broker_set_up(cluster, 1) : rd_kafka_mock_broker_set_down(cluster, 1) }

    /// From now on the brokers say of a topic that there is none.
    func refuse(topic: String) { rd_kafka_mock_topic_set_error(cluster, topic, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) }

    /// Takes what has arrived, waiting a moment for more.
    func receive() -> [KafkaMessage] {
        while let message = rd_kafka_consumer_poll(consumer, 50) {
            defer { rd_kafka_message_destroy(message) }
            guard message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR else { continue }
            messages.append(
                KafkaMessage(
                    identifier: Self.header("message_id", of: message), key: Self.text(message.pointee.key, message.pointee.key_len),
                    data: Self.text(message.pointee.payload, message.pointee.len)))
        }
        return messages
    }

    private static func client(_ kind: rd_kafka_type_t, _ settings: [String: String]) throws -> OpaquePointer {
        let configuration = rd_kafka_conf_new()
        for (name, value) in settings { rd_kafka_conf_set(configuration, name, value, nil, 0) }
        rd_kafka_conf_set(configuration, "log_level", "0", nil, 0)
        guard let client = rd_kafka_new(kind, configuration, nil, 0) else { throw ConditionNotMet(description: "no Kafka client") }
        return client
    }

    private static func header(_ name: String, of message: UnsafeMutablePointer<rd_kafka_message_t>) -> String {
        var (headers, value, length) = (OpaquePointer?.none, UnsafeRawPointer?.none, 0)
        guard rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR, rd_kafka_header_get_last(headers, name, &value, &length) == RD_KAFKA_RESP_ERR_NO_ERROR
        else { return "" }
        return text(value, length)
    }

    private static func text(_ bytes: UnsafeRawPointer?, _ count: Int) -> String {
        String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
    }
}
