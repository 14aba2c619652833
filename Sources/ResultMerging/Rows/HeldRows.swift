// HeldRows: rows that wait for their turn, one queue a source, under one byte budget.
//
// A source whose next row the merge needs must never be paused, or the merge would wait for itself. Every other source
// pauses when its queue has reached an equal share of the budget, so that the sum stays below it however unevenly the
// shards answer. A paused source resumes at half its share: one pause for many rows.
import Primitives
import WireProtocol

/// Rows held back from several sources. Owns memory: call `free` exactly once.
struct HeldRows {
    private struct Source {
        var queue: ByteQueue
        var largestRow = 0
        var isPaused = false
    }

    let sourceCount: Int
    /// All rows held, in bytes; above it 53400.
    let limit: Int
    /// Bytes now held.
    private(set) var bytes = 0
    /// Sources that were told to pause and not yet to go on.
    private(set) var pausedCount = 0
    private let sources: UnsafeMutablePointer<Source>

    init(sourceCount: Int, limit: Int, pool: BlockPool.Reference) {
        self.sourceCount = sourceCount
        self.limit = limit
        sources = .allocate(capacity: max(sourceCount, 1))
        for index in 0..<sourceCount {
            (sources + index).initialize(to: Source(queue: ByteQueue(pool: pool)))
        }
    }

    mutating func free() {
        for index in 0..<sourceCount { sources[index].queue.free() }
        sources.deinitialize(count: sourceCount)
        sources.deallocate()
    }

    @inline(__always)
    func isEmpty(_ source: Int) -> Bool { sources[source].queue.isEmpty }

    /// The rows of a source, whole frames back to back; valid until the source changes.
    @inline(__always)
    func rows(_ source: Int) -> UnsafeRawBufferPointer { sources[source].queue.readable }

    /// The first row of a source, which must have one.
    @inline(__always)
    func first(_ source: Int) -> UnsafeRawBufferPointer {
        let rows = sources[source].queue.readable
        let base = rows.baseAddress.unsafelyUnwrapped
        let length = Int(Int32(bigEndian: base.loadUnaligned(fromByteOffset: 1, as: Int32.self))) + 1
        return UnsafeRawBufferPointer(start: base, count: length)
    }

    /// Keeps a row for later. Throws 53400 above the limit, 08P01 for a frame whose length word is not its own length:
    /// the word is how the row's end is found again.
    /// - Parameter reserved: bytes the merge holds elsewhere under the same limit.
    @inline(__always)
    mutating func append(_ frame: UnsafeRawBufferPointer, to source: Int, reserved: Int) throws(MergeError) {
        guard frame.count >= FrameHeader.bytes, frame.integer(at: 1, as: Int32.self) == frame.count - 1 else {
            throw .malformedRow
        }
        guard bytes + frame.count + reserved <= limit else { throw .tooManyBytes(limit: limit) }
        bytes += frame.count
        sources[source].queue.append(frame)
        if frame.count > sources[source].largestRow { sources[source].largestRow = frame.count }
    }

    /// Drops the first row of a source, whose length is known.
    @inline(__always)
    mutating func dropFirst(_ source: Int, length: Int) {
        bytes -= length
        sources[source].queue.consume(length)
        if sources[source].queue.isEmpty { sources[source].queue.releaseIfEmpty() }
    }

    /// Drops everything a source holds.
    mutating func dropAll(_ source: Int) {
        bytes -= sources[source].queue.count
        sources[source].queue.free()
    }

    /// Whether a source may go on, and notes the answer. One that is not `free` stops early enough for one more of its
    /// largest rows, and for the rest of a burst when the caller asks only after each burst.
    /// - Parameters:
    ///   - isFree: the source must not pause: its rows are needed, or are dropped.
    ///   - reserved: bytes the merge holds elsewhere under the same limit.
    mutating func wantsRows(from source: Int, isFree: Bool, reserved: Int) -> Bool {
        let pauses = !isFree && isOverShare(source, reserved)
        if pauses != sources[source].isPaused {
            sources[source].isPaused = pauses
            pausedCount += pauses ? 1 : -1
        }
        return !pauses
    }

    private func isOverShare(_ source: Int, _ reserved: Int) -> Bool {
        let share = max(0, limit - reserved) / sourceCount
        let ceiling = sources[source].isPaused ? share / 2 : share - max(sources[source].largestRow, share / 4)
        return sources[source].queue.count > ceiling
    }
}
