// SeedSet: which seeds have been lived.

/// A set of seeds, kept as few ranges in order.
package struct SeedSet: Sendable, Equatable {
    package private(set) var ranges: [Range<UInt64>] = []

    package init() {}

    /// From `text`; what is no range is left out.
    package init(text: Substring) {
        for entry in text.split(separator: " ") {
            let ends = entry.split(separator: ".").compactMap { UInt64($0.drop { $0 == "<" }) }
            if ends.count == 2, ends[0] < ends[1] { insert(ends[0]..<ends[1]) }
        }
    }

    package var text: String { ranges.map { "\($0.lowerBound)..<\($0.upperBound)" }.joined(separator: " ") }

    package mutating func insert(_ range: Range<UInt64>) {
        var joined = range
        var others: [Range<UInt64>] = []
        for known in ranges {
            if known.upperBound < joined.lowerBound || joined.upperBound < known.lowerBound {
                others.append(known)
            } else {
                joined = min(known.lowerBound, joined.lowerBound)..<max(known.upperBound, joined.upperBound)
            }
        }
        ranges = (others + [joined]).sorted { $0.lowerBound < $1.lowerBound }
    }

    /// What of `range` is not here.
    package func missing(of range: Range<UInt64>) -> [Range<UInt64>] {
        var missing: [Range<UInt64>] = []
        var next = range.lowerBound
        for known in ranges where known.overlaps(range) {
            if next < known.lowerBound { missing.append(next..<known.lowerBound) }
            next = max(next, known.upperBound)
        }
        if next < range.upperBound { missing.append(next..<range.upperBound) }
        return missing
    }
}
