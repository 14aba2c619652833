// DeliveryQueue: events of one aggregate leave in their order, whatever the broker says of them.
import Testing

@testable import OutboxRelay

@Suite("delivery queue")
struct DeliveryQueueTests {
    private let start = ContinuousClock.now

    /// "A1 B2": event 1 of aggregate A, event 2 of B.
    private func events(_ text: String) -> [OutboxEvent] {
        text.split(separator: " ").map {
            OutboxEvent(sequence: Int64($0.dropFirst())!, id: "\($0.dropFirst())", aggregate: String($0.prefix(1)), type: "t", data: "{}")
        }
    }

    private func queue(_ text: String, _ change: (inout DeliveryQueue.Limits) -> Void = { _ in }) -> DeliveryQueue {
        var limits = DeliveryQueue.Limits()
        limits.attempts = 3
        limits.delay = RetryDelay(first: .seconds(1), longest: .seconds(10))
        change(&limits)
        var queue = DeliveryQueue(limits)
        queue.add(events(text))
        return queue
    }

    /// Everything that may be published at a time.
    private func published(_ queue: inout DeliveryQueue, after seconds: Int = 0) -> String {
        var names: [String] = []
        while let event = queue.next(now: start + .seconds(seconds)) { names.append("\(event.aggregate)\(event.sequence)") }
        return names.joined(separator: " ")
    }

    @Test("the next of an aggregate waits for the confirmation of the one before") func lanes() {
        var queue = queue("A1 A2 B3 A4 C5")
        #expect(published(&queue) == "A1 B3 C5")
        queue.confirm(3)
        #expect(published(&queue) == "")
        queue.confirm(1)
        #expect(published(&queue) == "A2")
        queue.confirm(2)
        queue.confirm(5)
        #expect(published(&queue) == "A4")
        #expect(queue.confirmed.map(\.sequence) == [3, 1, 2, 5])
        queue.forgetConfirmed(4)
        queue.confirm(4)
        queue.forgetConfirmed(1)
        #expect(queue.isEmpty)
    }

    @Test("no more are on their way than the limit says") func window() {
        var queue = queue("A1 B2 C3 D4") { $0.inFlight = 2 }
        #expect(published(&queue) == "A1 B2")
        queue.confirm(2)
        #expect(published(&queue) == "C3")
    }

    @Test("what is read twice is published once") func readTwice() {
        var queue = queue("A1 B2")
        #expect(published(&queue) == "A1 B2")
        queue.add(events("A1 B2 A3"))
        queue.confirm(1)
        // Confirmed and not marked yet, so it is read again.
        queue.add(events("A1 B2 A3"))
        #expect(published(&queue) == "A3")
    }

    @Test("what was on its way when the broker was lost is published again, before all else") func lost() {
        var queue = queue("A1 A2 B3 C4") { $0.inFlight = 2 }
        #expect(published(&queue) == "A1 B3")
        queue.lose()
        queue.confirm(1)
        #expect(queue.confirmed.isEmpty)
        #expect(published(&queue) == "A1 B3")
    }

    @Test("a refused event is tried again, and what follows it is read again behind it") func refused() {
        var queue = queue("A1 A2 B3")
        #expect(published(&queue) == "A1 B3")
        queue.refuse(1, reason: "no", now: start)
        #expect(queue.refusals == [EventRefusal(mark: EventMark(sequence: 1, id: "1"), attempts: 1, reason: "no", isFinal: false)])
        queue.add(events("A2 A4"))
        queue.confirm(3)
        #expect(published(&queue) == "")
        #expect(!queue.wantsRereading)
        #expect(published(&queue, after: 1) == "A1")
        queue.confirm(1)
        #expect(queue.wantsRereading)
        queue.noteRereading()
        queue.add(events("A2 A4"))
        #expect(published(&queue, after: 1) == "A2")
    }

    @Test("an event that is refused too often is given up, and what follows it is forgotten") func givenUp() {
        var queue = queue("A1 A2 B3")
        for (attempt, second) in [(1, 0), (2, 1), (3, 3)] {
            #expect(published(&queue, after: second).hasPrefix("A1"))
            queue.refuse(1, reason: "no", now: start + .seconds(second))
            #expect(queue.refusals.last == EventRefusal(mark: EventMark(sequence: 1, id: "1"), attempts: attempt, reason: "no", isFinal: attempt == 3))
        }
        // While it is not stored, the row counts as pending, and nothing may be read in its stead.
        queue.add(events("A1 A2"))
        #expect(!queue.wantsRereading)
        #expect(published(&queue, after: 100) == "")
        #expect(queue.count == 1)
        while !queue.refusals.isEmpty { queue.forgetRefusal(isStored: true) }
        #expect(queue.wantsRereading)
        #expect(queue.count == 1)
    }

    @Test("where one of many is refused and it is not known which, they go singly") func suspects() {
        var queue = queue("A1 B2 C3 D4") { $0.inFlight = 3 }
        #expect(published(&queue) == "A1 B2 C3")
        queue.refuseOne(reason: "too large", now: start)
        #expect(queue.refusals.isEmpty)
        #expect(published(&queue) == "A1")
        queue.confirm(1)
        #expect(published(&queue) == "B2")
        queue.refuseOne(reason: "too large", now: start)
        #expect(queue.refusals.map(\.mark.sequence) == [2])
        #expect(published(&queue) == "C3")
        queue.confirm(3)
        #expect(published(&queue) == "D4")
    }

    @Test("an event that no broker can be told is given up at its turn, unless its row is locked") func flaw() {
        var queue = queue("A1")
        var flawed = events("A2")[0]
        (flawed.flaw, flawed.attempts) = ("it lacks something", Int(Int32.max))
        queue.add([flawed] + events("A3 B4"))
        #expect(published(&queue) == "A1 B4")
        #expect(queue.refusals.isEmpty)
        queue.confirm(1)
        #expect(published(&queue) == "")
        #expect(queue.refusals == [EventRefusal(mark: flawed.mark, attempts: Int(Int32.max), reason: "it lacks something", isFinal: true)])
        queue.forgetRefusal(isStored: false)
        #expect(queue.refusals.isEmpty && queue.withheldCount == 1 && !queue.wantsRereading)
        queue.retryWithheld()
        queue.forgetRefusal(isStored: true)
        #expect(queue.withheldCount == 0 && queue.wantsRereading)
        queue.add(events("A3"))
        #expect(published(&queue) == "A3")
    }

    @Test("what is sent and cannot be marked is neither sent again nor in the way") func locked() {
        var queue = queue("A1 A2 B3")
        #expect(published(&queue) == "A1 B3")
        queue.confirm(1)
        queue.confirm(3)
        queue.forgetConfirmed(2, locked: [1])
        #expect(queue.confirmed.isEmpty && queue.withheldCount == 1 && queue.count == 1)
        queue.add(events("A1"))
        #expect(published(&queue) == "A2")
        queue.retryWithheld()
        #expect(queue.confirmed == [EventMark(sequence: 1, id: "1")])
    }

    @Test("what the broker puts off is tried without end, after longer and longer delays") func postponed() {
        var queue = queue("A1 A2 B3")
        #expect(published(&queue) == "A1 B3")
        for (second, delay) in [(0, 1), (1, 2), (3, 4), (7, 8), (15, 10)] {
            queue.postpone(1, now: start + .seconds(second))
            #expect(queue.nextWake == start + .seconds(second + delay))
            #expect(published(&queue, after: second + delay) == "A1")
        }
        #expect(queue.refusals.isEmpty)
    }

    @Test("events that wait for another attempt do not take the room of others") func room() {
        var queue = queue("A1 B2 C3")
        #expect(published(&queue) == "A1 B2 C3")
        let bytes = queue.heldBytes
        queue.refuse(1, reason: "no", now: start)
        queue.postpone(2, now: start)
        #expect(queue.count == 1)
        #expect(queue.countedBytes == events("C3")[0].bytes)
        queue.confirm(3)
        #expect(queue.count == 0)
        #expect(queue.heldBytes == bytes - events("C3")[0].bytes)
        #expect(queue.countedBytes == 0)
        #expect(published(&queue, after: 1) == "A1 B2")
        #expect(queue.countedBytes == queue.heldBytes)
    }

    @Test("nor do those that are given up, and all of them only up to a limit of memory") func roomOfLargeEvents() {
        var limits = DeliveryQueue.Limits()
        limits.attempts = 1
        var queue = DeliveryQueue(limits)
        let data = String(repeating: "x", count: DeliveryQueue.sparedBytesLimit / 8)
        queue.add((1...12).map { OutboxEvent(sequence: Int64($0), id: "\($0)", aggregate: "\($0)", type: "t", data: data) })
        while queue.next(now: start) != nil {}
        for sequence in 1...4 { queue.refuse(Int64(sequence), reason: "no", now: start) }
        #expect(queue.countedBytes < queue.heldBytes - 4 * data.utf8.count)
        for sequence in 5...12 { queue.postpone(Int64(sequence), now: start) }
        #expect(queue.countedBytes == queue.heldBytes - DeliveryQueue.sparedBytesLimit)
        while !queue.refusals.isEmpty { queue.forgetRefusal(isStored: true) }
        #expect(queue.countedBytes > 0 && queue.countedBytes < data.utf8.count)
    }

    @Test("any course of events keeps each aggregate's order", arguments: 0..<200)
    func randomCourse(seed: UInt64) {
        var random = Generator(state: seed &+ 1)
        let all = (1...60).map { OutboxEvent(sequence: Int64($0), id: "\($0)", aggregate: "\(random.next() % 7)", type: "t", data: "{}") }
        var limits = DeliveryQueue.Limits()
        limits.inFlight = 8
        limits.delay = RetryDelay(first: .milliseconds(1), longest: .milliseconds(4))
        limits.attempts = 1000
        var queue = DeliveryQueue(limits)
        var (flying, told, sent, cursor, now) = ([Int64](), [Int64](), Set<Int64>(), 0, start)
        while sent.count < all.count {
            now += .milliseconds(1)
            if queue.wantsRereading {
                queue.noteRereading()
                cursor = 0
            }
            let read = all[cursor...].prefix(5)
            queue.add(read.filter { !sent.contains($0.sequence) })
            cursor += read.count
            while let event = queue.next(now: now) {
                flying.append(event.sequence)
                if !told.contains(event.sequence) { told.append(event.sequence) }
            }
            guard !flying.isEmpty else {
                queue.retryWithheld()
                let marks = queue.confirmed(atMost: 60).map(\.sequence)
                sent.formUnion(marks)
                queue.forgetConfirmed(marks.count)
                continue
            }
            let chosen = flying.remove(at: Int(random.next() % UInt64(flying.count)))
            switch random.next() % 10 {
            case 0: queue.refuse(chosen, reason: "no", now: now)
            case 3: queue.postpone(chosen, now: now)
            case 1:
                queue.lose()
                flying = []
            case 2:
                queue.refuseOne(reason: "no", now: now)
                flying = []
            default: queue.confirm(chosen)
            }
            // Now and then somebody has locked the row of the first of them.
            if random.next() % 4 == 0 { queue.retryWithheld() }
            let marks = queue.confirmed(atMost: 3).map(\.sequence)
            let locked = random.next() % 8 == 0 ? Set(marks.prefix(1)) : []
            sent.formUnion(Set(marks).subtracting(locked))
            queue.forgetConfirmed(marks.count, locked: locked)
            while !queue.refusals.isEmpty { queue.forgetRefusal(isStored: true) }
        }
        for aggregate in Set(all.map(\.aggregate)) {
            let own = Set(all.filter { $0.aggregate == aggregate }.map(\.sequence))
            let order = told.filter { own.contains($0) }
            #expect(order == order.sorted())
        }
        #expect(queue.isEmpty && queue.heldBytes == 0 && queue.countedBytes == 0)
    }
}

/// SplitMix64.
struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
