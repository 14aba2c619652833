// SpaceSaving against exact counts of the same stream.
import Primitives
import Testing

@Suite struct SpaceSavingTests {
    /// A stream in which value n has a part of 1 / n^1.1, of 5,000 values, in 200 places: no count is too low or too high by more than it says, all
    /// that have more than one in 200 are there, and the heaviest are in their order.
    @Test(arguments: [UInt64(1), 2, 3, 4, 5]) func countsAreBounded(_ seed: UInt64) {
        let source = SeededRandomSource(seed: seed)
        var sums: [Double] = []
        for value in 1...5_000 { sums.append((sums.last ?? 0) + 1 / Double(value).power(1.1)) }
        var exact: [Int: UInt64] = [:]
        var kept = SpaceSaving<Int>(capacity: 200)
        for _ in 0..<100_000 {
            let drawn = Double(source.next() >> 11) * 0x1p-53 * (sums.last ?? 0)
            let value = sums.partitioningIndex(above: drawn) + 1
            exact[value, default: 0] += 1
            kept.count(value)
        }
        let entries = kept.top(200)
        #expect(kept.total == 100_000 && entries.count == 200)
        for entry in entries {
            let truth = exact[entry.element] ?? 0
            #expect(entry.count >= truth && entry.count - entry.error <= truth)
        }
        let present = Set(entries.map(\.element))
        #expect(exact.filter { $0.value > 500 }.allSatisfy { present.contains($0.key) })
        #expect(entries.prefix(5).map(\.element) == [1, 2, 3, 4, 5])
    }

    @Test func halvesCountHalf() {
        var kept = SpaceSaving<String>(capacity: 2)
        kept.count("old", weight: 8)
        kept.halve()
        kept.count("new", weight: 5)
        #expect(kept.top(2).map(\.element) == ["new", "old"] && kept.top(2).map(\.count) == [5, 4] && kept.total == 9)
    }

    @Test func whatIsNewTakesTheLeastsPlace() {
        var kept = SpaceSaving<String>(capacity: 2)
        for word in ["a", "a", "a", "b", "c"] { kept.count(word) }
        #expect(kept.top(2).map(\.element) == ["a", "c"])
        #expect(kept.top(2)[1].count == 2 && kept.top(2)[1].error == 1)
    }
}

extension Double {
    /// By repeated square roots, without a library.
    fileprivate func power(_ exponent: Double) -> Double {
        var (result, rest, root) = (1.0, exponent, self)
        while rest >= 1 { (result, rest) = (result * self, rest - 1) }
        for _ in 0..<40 {
            (root, rest) = (root.squareRoot(), rest * 2)
            if rest >= 1 { (result, rest) = (result * root, rest - 1) }
        }
        return result
    }
}

extension [Double] {
    /// The first place whose value is above `value`.
    fileprivate func partitioningIndex(above value: Double) -> Int {
        var (low, high) = (0, count - 1)
        while low < high {
            let middle = (low + high) / 2
            if self[middle] > value { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
