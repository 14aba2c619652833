// RabbitPublisher: what a broker's words say of which event.
import Glibc
import Testing

@testable import OutboxRelay

@Suite("RabbitMQ publisher")
struct RabbitPublisherTests {
    private func publisher(_ rabbit: FakeRabbit, patience: Duration = .seconds(30)) throws -> RabbitPublisher {
        var settings = RabbitSettings()
        settings.port = rabbit.port
        settings.routingKey = NameTemplate("{event_type}")!
        settings.patience = patience
        return try RabbitPublisher(settings, shard: 0)
    }

    private func publish(_ publisher: RabbitPublisher, _ sequence: Int64, id: String = "id", to routingKey: String = "queue", data: String = "{}") throws {
        let reason = try publisher.publish(OutboxEvent(sequence: sequence, id: id, aggregate: "a\(sequence)", type: routingKey, data: data))
        #expect(reason == nil)
    }

    /// The outcomes up to a number.
    private func outcomes(_ publisher: RabbitPublisher, count: Int) throws -> [PublishOutcome] {
        let limit = ContinuousClock.now + .seconds(10)
        var outcomes: [PublishOutcome] = []
        while outcomes.count < count, ContinuousClock.now < limit { outcomes += try publisher.outcomes(withinMilliseconds: 100) }
        return outcomes
    }

    /// Ids need not differ; the second pair is the same text for Swift.
    @Test("what comes back is known by its number", arguments: [("one", "two"), ("same", "same"), ("\u{E9}", "e\u{301}")])
    func returned(first: String, second: String) throws {
        let rabbit = try FakeRabbit()
        let publisher = try publisher(rabbit)
        try publish(publisher, 1, id: first, to: "nowhere")
        try publish(publisher, 2, id: second)
        // Without data there is no frame of it.
        try publish(publisher, 9_000_000_000_000_000_000, id: first, to: "nowhere", data: "")
        let reason = "the broker has no queue for it: 312 NO_ROUTE"
        let wanted: [PublishOutcome] = [
            .refused(sequence: 1, reason: reason), .confirmed(sequence: 2), .refused(sequence: 9_000_000_000_000_000_000, reason: reason),
        ]
        #expect(try outcomes(publisher, count: 3) == wanted)
    }

    @Test("a confirmation that does not come is noticed while others do, and these are not lost") func overdue() throws {
        let rabbit = try FakeRabbit()
        let publisher = try publisher(rabbit, patience: .milliseconds(50))
        try publish(publisher, 1, to: "silence")
        usleep(100_000)
        try publish(publisher, 2)
        let outcomes = try publisher.outcomes(withinMilliseconds: 10_000)
        #expect(outcomes == [.confirmed(sequence: 2)])
        try publish(publisher, 3)
        #expect(throws: BrokerLost.self) { try publisher.outcomes(withinMilliseconds: 10_000) }
    }
}
