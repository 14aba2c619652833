// SpaceSaving: the most frequent of very many different things, counted in fixed memory.
//
// Metwally, Agrawal and El Abbadi, Efficient Computation of Frequent and Top-k Elements in Data Streams, International Conference on Database Theory
// 2005: what is new takes the place of the least, and its count. A count is never too low, and too high by at most its `error`; whatever is more than
// one in `capacity` of all is in the list.

public struct SpaceSaving<Element: Hashable & Sendable>: Sendable {
    public struct Entry: Sendable {
        public var element: Element
        public var count: UInt64
        /// By how much the count may be too high.
        public var error: UInt64
    }

    public let capacity: Int
    /// Of all that was counted.
    public private(set) var total: UInt64 = 0
    private var entries: [Entry] = []
    private var places: [Element: Int] = [:]

    /// - Parameter capacity: how many elements are kept.
    public init(capacity: Int) { self.capacity = capacity }

    /// Counts `weight` more of an element. O(1) for one that is kept, else O(capacity).
    public mutating func count(_ element: Element, weight: UInt64 = 1) {
        total += weight
        if let place = places[element] {
            entries[place].count += weight
        } else if entries.count < capacity {
            places[element] = entries.count
            entries.append(Entry(element: element, count: weight, error: 0))
        } else if let place = entries.indices.min(by: { entries[$0].count < entries[$1].count }) {
            let least = entries[place]
            places[least.element] = nil
            places[element] = place
            entries[place] = Entry(element: element, count: least.count + weight, error: least.count)
        }
    }

    /// Halves all counts, so that what is long ago counts less and less.
    public mutating func halve() {
        total /= 2
        for place in entries.indices {
            entries[place].count /= 2
            entries[place].error /= 2
        }
    }

    /// The most frequent first.
    public func top(_ count: Int) -> [Entry] { Array(entries.sorted { $0.count > $1.count }.prefix(count)) }
}
