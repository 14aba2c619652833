// Dice: every choice of a simulated world, drawn from its seed.
import Primitives

/// Draws from a seed. All chance of a world comes from one of these, in the order of its events, so that the same
/// seed is the same world.
final class Dice {
    let source: SeededRandomSource

    /// Spans below a millisecond are not cut to nothing, which they were in the first drawing.
    private let isExact: Bool

    init(seed: UInt64, isExact: Bool = true) {
        self.isExact = isExact
        source = SeededRandomSource(seed: seed)
        // Neighbouring seeds are to differ from the first draw on.
        for _ in 0..<4 { _ = source.next() }
    }

    /// A number from 0 up to `bound`, exclusive.
    func below(_ bound: Int) -> Int { Int(source.next() % UInt64(max(1, bound))) }

    /// A number within `range`.
    func within(_ range: ClosedRange<Int>) -> Int { range.lowerBound + below(range.count) }

    /// True in `percent` of a hundred cases.
    func chance(_ percent: Int) -> Bool { percent > 0 && below(100) < percent }

    /// One of `values`.
    func one<Value>(of values: [Value]) -> Value { values[below(values.count)] }

    /// A span from zero up to `longest`, short ones more often than long ones.
    func span(upTo longest: Span) -> Span {
        let part = below(1 << 20)
        if isExact {
            let once = (longest.nanoseconds * Int64(part)) >> 20
            return Span(nanoseconds: ((once * Int64(part)) >> 20) + Int64(below(1000)))
        }
        return Span(nanoseconds: longest.nanoseconds / (1 << 20) * Int64(part) / (1 << 20) * Int64(part) + Int64(below(1000)))
    }

    /// The values in another order.
    func shuffled<Value>(_ values: [Value]) -> [Value] {
        var values = values
        for index in values.indices { values.swapAt(index, index + below(values.count - index)) }
        return values
    }
}
