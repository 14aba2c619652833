// LoserTree: which of n sorted sources has the first row (Knuth, The Art of Computer Programming 3, section 5.4.1).
//
// Each inner node keeps the loser of the match below it; the winner of all stands above the root. When the winner's
// source moves to its next row, only the matches on its way up are played again: log2(n) comparisons a row, half of
// what a binary heap needs. Sources are the leaves n ..< 2n of an implicit tree whose root is node 1.

/// A tournament over sources 0 ..< count. Owns memory: call `free` exactly once.
struct LoserTree {
    let count: Int
    /// The source that comes first; meaningful once `build` has run.
    private(set) var winner = 0
    private let losers: UnsafeMutablePointer<Int32>
    /// Winners by node, only while building.
    private let scratch: UnsafeMutablePointer<Int32>

    init(count: Int) {
        self.count = count
        losers = .allocate(capacity: max(1, count))
        scratch = .allocate(capacity: max(2, 2 * count))
    }

    func free() {
        losers.deallocate()
        scratch.deallocate()
    }

    /// Plays all matches. O(count).
    mutating func build(_ precedes: (Int, Int) -> Bool) {
        for source in 0..<count { scratch[count + source] = Int32(source) }
        for node in stride(from: count - 1, to: 0, by: -1) {
            let (left, right) = (scratch[2 * node], scratch[2 * node + 1])
            let leftWins = precedes(Int(left), Int(right))
            scratch[node] = leftWins ? left : right
            losers[node] = leftWins ? right : left
        }
        winner = count > 1 ? Int(scratch[1]) : 0
    }

    /// Plays the matches of `source`, the last winner, again: its row has changed. O(log count).
    @inline(__always)
    mutating func replay(_ source: Int, _ precedes: (Int, Int) -> Bool) {
        var contender = source
        var node = (source + count) >> 1
        while node > 0 {
            let other = Int(losers[node])
            if precedes(other, contender) {
                losers[node] = Int32(truncatingIfNeeded: contender)
                contender = other
            }
            node >>= 1
        }
        winner = contender
    }
}
