// What librdkafka is told.
import Testing

@testable import OutboxRelay

@Suite("Kafka settings")
struct KafkaSettingsTests {
    private func value(_ name: String, _ own: [String: String]) -> String? {
        var settings = KafkaSettings()
        settings.settings = own
        return KafkaPublisher.values(settings)[name]
    }

    @Test(
        "a missing topic is told before messages run out of time",
        arguments: [
            ([:], "10000"), (["message.timeout.ms": "300000"], "10000"), (["message.timeout.ms": "0"], "10000"), (["message.timeout.ms": "6000"], "2000"),
            (["delivery.timeout.ms": "6000"], "2000"), (["topic.metadata.propagation.max.ms": "500"], "500"),
        ] as [([String: String], String)])
    func topicPatience(own: [String: String], wanted: String) {
        #expect(value("topic.metadata.propagation.max.ms", own) == wanted)
    }

    @Test("own settings go before, by either name") func ownSettings() {
        #expect(value("message.timeout.ms", [:]) == "30000")
        #expect(value("message.timeout.ms", ["delivery.timeout.ms": "5000"]) == "5000")
        #expect(value("delivery.timeout.ms", ["delivery.timeout.ms": "5000"]) == nil)
        #expect(value("linger.ms", ["linger.ms": "20"]) == "20")
        #expect(value("bootstrap.servers", [:]) == "127.0.0.1:9092")
    }
}
