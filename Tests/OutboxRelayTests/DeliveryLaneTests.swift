// DeliveryLane: one aggregate's events, in their order.
import Testing

@testable import OutboxRelay

@Suite("delivery lane")
struct DeliveryLaneTests {
    private func event(_ sequence: Int) -> OutboxEvent {
        OutboxEvent(sequence: Int64(sequence), id: "\(sequence)", aggregate: "a", type: "t", data: "{}")
    }

    @Test("what is through takes no memory, however long others follow") func longLane() {
        var lane = DeliveryLane(event(1))
        for sequence in 2...100 { lane.append(event(sequence)) }
        var (isOrdered, most) = (true, 0)
        for sequence in 1...20_000 {
            isOrdered = isOrdered && lane.first.sequence == Int64(sequence)
            lane.append(event(sequence + 100))
            lane.removeFirst()
            most = max(most, lane.events.count)
        }
        #expect(isOrdered)
        #expect(most < 2000)
        while !lane.isEmpty { lane.removeFirst() }
    }

    @Test("what stands behind the first can be forgotten") func cut() {
        var lane = DeliveryLane(event(1))
        for sequence in 2...4 { lane.append(event(sequence)) }
        lane.removeFirst()
        lane.postponements = 3
        let forgotten = lane.cut().map(\.sequence)
        #expect(forgotten == [3, 4])
        #expect(lane.isCut && lane.first.sequence == 2 && lane.postponements == 3)
        let rest = lane.cut()
        #expect(rest.isEmpty)
        lane.removeFirst()
        #expect(lane.isEmpty)
    }
}
