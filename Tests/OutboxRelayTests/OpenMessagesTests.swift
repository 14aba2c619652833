// OpenMessages: which event a confirmation of RabbitMQ is about.
import Testing

@testable import OutboxRelay

@Suite("open messages")
struct OpenMessagesTests {
    private let start = ContinuousClock.now

    private func messages(_ sequences: ClosedRange<Int64>) -> OpenMessages {
        var messages = OpenMessages()
        for sequence in sequences { messages.add(sequence, now: start + .seconds(sequence)) }
        return messages
    }

    @Test("a confirmation is about one message, or all up to it") func confirmations() {
        var messages = messages(11...15)
        var outcomes: [PublishOutcome] = []
        messages.settle(2, isMultiple: false, isTaken: true, &outcomes)
        #expect(outcomes == [.confirmed(sequence: 12)])
        #expect(messages.oldest == start + .seconds(11))
        messages.settle(4, isMultiple: true, isTaken: true, &outcomes)
        #expect(outcomes == [.confirmed(sequence: 12), .confirmed(sequence: 11), .confirmed(sequence: 13), .confirmed(sequence: 14)])
        #expect(messages.oldest == start + .seconds(15) && messages.count == 1)
        // What is settled, or was never sent, is passed over.
        messages.settle(4, isMultiple: false, isTaken: true, &outcomes)
        messages.settle(9, isMultiple: true, isTaken: false, &outcomes)
        #expect(outcomes.count == 5 && outcomes.last == PublishOutcome.postponed(sequence: 15, reason: "it could not store an event (basic.nack)"))
        messages.settle(9, isMultiple: true, isTaken: true, &outcomes)
        #expect(outcomes.count == 5 && messages.oldest == nil)
    }

    @Test("what has come back is refused when it is confirmed, and not for ever") func returned() {
        var messages = messages(1...2)
        var outcomes: [PublishOutcome] = []
        messages.noteReturn(1, reason: "no queue")
        messages.settle(2, isMultiple: true, isTaken: true, &outcomes)
        messages.add(1, now: start)
        messages.settle(3, isMultiple: false, isTaken: true, &outcomes)
        #expect(outcomes == [.refused(sequence: 1, reason: "no queue"), .confirmed(sequence: 2), .confirmed(sequence: 1)])
    }
}
