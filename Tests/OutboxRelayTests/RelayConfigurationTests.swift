// The relay's configuration file, and names that depend on the event.
import Testing

@testable import OutboxRelay

@Suite("relay configuration")
struct RelayConfigurationTests {
    @Test("all keys") func allKeys() throws {
        let settings = try RelayConfiguration.parse(
            """
            [proxy]
            host = "db"
            port = 6000
            user = "relay"
            password = "p"
            database = "shop"
            [outbox]
            table = "shop.outbox"
            shards = [0, 2]
            batch = 10
            max_event_bytes = 2000
            poll_interval = "20ms"
            lease = "5s"
            retention = "0s"
            attempts = 3
            after_failure = "go on"
            [kafka]
            brokers = ["a:1", "b:2"]
            topic = "events.{event_type}"
            [kafka.settings]
            "linger.ms" = 20
            """)
        #expect(settings.proxy.user == "relay" && settings.proxy.address == .host("db", port: 6000))
        #expect(settings.shards == [0, 2] && settings.batch == 10 && settings.maximumEventBytes == 2000 && settings.pollInterval == .milliseconds(20) && settings.retention == nil)
        #expect(!settings.delivery.failureBlocks && settings.delivery.attempts == 3)
        guard case .kafka(let kafka) = settings.broker else { return #expect(Bool(false), "no Kafka") }
        #expect(kafka.brokers == ["a:1", "b:2"] && kafka.settings == ["linger.ms": "20"])
        let event = OutboxEvent(sequence: 1, id: "7", aggregate: "a", type: "paid", data: "")
        #expect(kafka.topic.name(of: event, shard: 3) == "events.paid")
        #expect(event.messageID(shard: 3) == "3/7")
    }

    @Test(
        "mistakes are told",
        arguments: [
            ("", "there must be one section [rabbitmq] or [kafka]"), ("[rabbitmq]\n[kafka]", "there must be one section"),
            ("[rabbitmq]\nprot = 1", "rabbitmq.prot: is not a known key"), ("[rabbitmq]\nport = 0", "rabbitmq.port: must be a whole number from 1 to 65535"),
            ("[rabbitmq]\nrouting_key = \"{x}\"", "may have the placeholders"), ("[outbox]\nlease = \"5\"\n[rabbitmq]", "outbox.lease: must be a time"),
            ("[kafka]\nsettings = {acks = 1}", "acks is not for choice"), ("[rabbitmq", "not TOML"), ("[outbox]\nmax_event_bytes = 1\n[kafka]", "must be a whole number from 1000"), ("[outbox]\nafter_failure = \"x\"\n[kafka]", "must be one of block, go on"),
        ])
    func mistakes(text: String, said: String) {
        #expect { try RelayConfiguration.parse(text) } throws: { "\($0)".contains(said) }
    }

    @Test("delays double up to their limit") func delays() {
        let delay = RetryDelay(first: .milliseconds(100), longest: .seconds(1))
        #expect([1, 2, 3, 4, 5, 1000].map { delay.duration(after: $0) } == [100, 200, 400, 800, 1000, 1000].map { .milliseconds($0) })
    }

    @Test("placeholders") func placeholders() {
        let event = OutboxEvent(sequence: 1, id: "7", aggregate: "a{b}", type: "paid", data: "")
        #expect(NameTemplate("{shard}.{aggregate_id}-{event_type}")?.name(of: event, shard: 2) == "2.a{b}-paid")
        #expect(["a", "{shard}", "{event_type}", "x.{aggregate_id}"].map { NameTemplate($0)?.dependsOnEvent } == [false, false, true, true])
        for wrong in ["{", "}", "{shard", "a}b", "{Shard}"] { #expect(NameTemplate(wrong) == nil) }
    }
}
