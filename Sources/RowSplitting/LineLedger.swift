// LineLedger: which line of the client's data was line n of a shard's data?
//
// A shard reports errors by the lines it was given. Each line of the client's data leaves one byte here, its shard, in
// a ring; counting a shard's bytes backwards from the newest finds the line. A shard's error comes soon after its line
// (what lies between is bounded by buffers), so a bounded ring of the latest lines is enough.

/// The shards of the latest lines, one byte each.
struct LineLedger {
    private let capacity: Int
    private var ring: [UInt8] = []
    private var next = 0
    private var lineCount = 0
    private var lineCounts: [Int]
    /// False once a shard may count its lines differently; no line is found from then on.
    private var isExact = true

    init(shardCount: Int, capacity: Int) {
        self.capacity = max(capacity, 1)
        lineCounts = [Int](repeating: 0, count: shardCount)
    }

    mutating func giveUp() { isExact = false }

    /// A row of `lines` lines went to `shard`. O(lines), amortised without allocation.
    @inline(__always)
    mutating func record(shard: Int, lines: Int) {
        lineCount += lines
        lineCounts[shard] += lines
        for _ in 0..<lines { push(UInt8(truncatingIfNeeded: shard)) }
    }

    @inline(__always)
    private mutating func push(_ shard: UInt8) {
        if ring.count < capacity {
            ring.append(shard)
        } else {
            ring[next] = shard
            next = next + 1 == capacity ? 0 : next + 1
        }
    }

    /// The line, from 1, that was line `line` of `shard`; nil if it is forgotten or never was. O(remembered lines).
    func originalLine(shard: Int, line: Int) -> Int? {
        guard isExact, lineCounts.indices.contains(shard), line >= 1, line <= lineCounts[shard] else { return nil }
        var toSkip = lineCounts[shard] - line
        for age in 0..<ring.count {
            guard Int(ring[(next + ring.count - 1 - age) % ring.count]) == shard else { continue }
            if toSkip == 0 { return lineCount - age }
            toSkip -= 1
        }
        return nil
    }
}
