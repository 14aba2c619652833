// WriterHorizon: nothing is let pass that an open transaction might still come before.
import Testing

@testable import OutboxRelay

@Suite("writer horizon")
struct WriterHorizonTests {
    private let start = ContinuousClock.now

    /// One look; the horizon behind it.
    private func look(_ horizon: inout WriterHorizon, _ newest: Int64?, _ writers: Set<String> = [], server: String = "s", after seconds: Int = 0) -> Int64 {
        horizon.look(newest: newest, writers: writers, origin: server, now: start + .seconds(seconds))
        return horizon.sequence
    }

    @Test("without writers all that is visible is complete") func nobodyWrites() {
        var horizon = WriterHorizon()
        #expect(look(&horizon, nil) == 0)
        #expect(look(&horizon, 7) == 7)
        #expect(look(&horizon, nil) == 7)
        #expect(!horizon.isWaiting)
    }

    @Test("a writer holds up what was visible beside it, also when others come") func lateWriter() {
        var horizon = WriterHorizon()
        #expect(look(&horizon, 5) == 5)
        #expect(look(&horizon, 9, ["3/1"]) == 5)
        #expect(look(&horizon, 12, ["3/1", "4/1"]) == 5)
        #expect(look(&horizon, 12, ["4/1", "5/1"]) == 9)
        #expect(look(&horizon, 12, ["5/1"]) == 12)
    }

    @Test("writers without end that are never the same do not hold anything up for long") func busy() {
        var horizon = WriterHorizon()
        for number in 1...100 {
            let passed = look(&horizon, Int64(number * 10), ["3/\(number)", "4/\(number)"])
            #expect(passed == Int64((number - 1) * 10))
        }
    }

    @Test("looks are bounded, and all wait for a writer that stays") func bounded() {
        var horizon = WriterHorizon()
        for number in 1...1000 { #expect(look(&horizon, Int64(number), ["3/1"]) == 0) }
        #expect(look(&horizon, 1000) == 1000)
    }

    @Test("how long a writer holds events up is known") func age() {
        var horizon = WriterHorizon()
        _ = look(&horizon, 1, ["3/1"], after: 0)
        _ = look(&horizon, 2, ["3/1", "4/2"], after: 10)
        #expect(horizon.oldestWriter?.identifier == "3/1")
        #expect(horizon.oldestWriter?.since == start)
        _ = look(&horizon, 2, ["4/2"], after: 20)
        #expect(horizon.oldestWriter?.since == start + .seconds(10))
    }

    @Test("a server that was started anew begins anew: its prepared transactions are called otherwise") func restart() {
        var horizon = WriterHorizon()
        #expect(look(&horizon, 9, ["3/1"]) == 0)
        #expect(look(&horizon, 9, ["-1/700"], server: "t") == 0)
        #expect(look(&horizon, 9, ["-1/700"], server: "t") == 0)
        #expect(look(&horizon, 9, [], server: "t") == 9)
    }

    @Test("numbers that begin anew are waited for as the first ones were") func restartedNumbers() {
        var horizon = WriterHorizon()
        #expect(look(&horizon, 9, server: "s 1") == 9)
        #expect(look(&horizon, 2, ["3/1"], server: "s 2") == 0)
        #expect(look(&horizon, 3, ["3/1"], server: "s 2") == 0)
        #expect(look(&horizon, 3, server: "s 2") == 3)
    }

    @Test("a server that recovered from a crash begins anew, though it says that it was started long ago") func crash() {
        var horizon = WriterHorizon()
        #expect(look(&horizon, 5) == 5)
        #expect(look(&horizon, 9, ["3/1", "4/7"]) == 5)
        // 3/1 was prepared and 4/7 was lost: nobody of this name is left, and yet 9 may not pass.
        let isOther1 = horizon.look(newest: 9, writers: ["-1/700"], origin: "s", now: start)
        #expect(isOther1)
        #expect(horizon.sequence == 0)
        let isOther2 = horizon.look(newest: 9, writers: ["-1/700", "3/1"], origin: "s", now: start)
        #expect(!isOther2)
        #expect(look(&horizon, 12, ["-1/700", "4/8"]) == 0)
        #expect(look(&horizon, 12, ["4/9"]) == 12)
    }

    @Test("prepared transactions that were found at the first look are writers like others") func foundAtFirst() {
        var horizon = WriterHorizon()
        let isOther3 = horizon.look(newest: 3, writers: ["-1/700", "-1/701"], origin: "s", now: start)
        #expect(!isOther3)
        let isOther4 = horizon.look(newest: 3, writers: ["-1/701"], origin: "s", now: start)
        #expect(!isOther4)
        #expect(look(&horizon, 3, []) == 3)
    }

    /// Transactions lock, draw, and end in any order; the relay looks in between. Whatever the horizon lets pass must be all there will ever be.
    @Test("no course of transactions lets anything appear below the horizon", arguments: 0..<500)
    func randomCourse(seed: UInt64) {
        var random = Generator(state: seed &+ 7)
        var horizon = WriterHorizon()
        var (drawn, clock) = (Int64(0), 0)
        var open: [String: [Int64]] = [:]
        var visible: Set<Int64> = []
        for _ in 0..<400 {
            switch random.next() % 8 {
            case 0, 1:
                clock += 1
                open["3/\(clock)"] = []
            case 2, 3, 4:
                guard let writer = open.keys.sorted().randomElement(using: &random) else { continue }
                drawn += 1
                open[writer]?.append(drawn)
            case 5:
                guard let writer = open.keys.sorted().randomElement(using: &random), let numbers = open.removeValue(forKey: writer) else { continue }
                if random.next() % 4 > 0 {
                    #expect(numbers.allSatisfy { $0 > horizon.sequence }, "\(numbers) appeared below \(horizon.sequence)")
                    visible.formUnion(numbers)
                }
            default:
                // The first statement of a look.
                let newest = visible.max()
                // Between the two, anything may happen.
                if random.next() % 2 == 0, let writer = open.keys.sorted().randomElement(using: &random), let numbers = open.removeValue(forKey: writer) {
                    #expect(numbers.allSatisfy { $0 > horizon.sequence })
                    visible.formUnion(numbers)
                }
                horizon.look(newest: newest, writers: Set(open.keys), origin: "s", now: start)
            }
        }
    }
}
