// RowSink: the last step of every merge. Drops duplicates (DISTINCT), skips OFFSET rows, stops after LIMIT rows, cuts
// hidden columns and appends what remains to the client's output.
import Primitives
import WireProtocol

/// Where merged rows go.
struct RowSink {
    let visibleColumnCount: Int
    private var rowsToSkip: Int64
    private var rowsLeft: Int64
    private(set) var rowsEmitted: Int64 = 0
    /// Set before the first row, once the columns' types are known.
    var distinct: DistinctFilter?

    init(visibleColumnCount: Int, window: RowWindow) {
        self.visibleColumnCount = visibleColumnCount
        rowsToSkip = window.offset
        rowsLeft = window.limit ?? Int64.max
    }

    /// Call exactly once.
    mutating func free() {
        distinct?.free()
        distinct = nil
    }

    /// Bytes held to recognise duplicates.
    var heldBytes: Int { distinct?.heldBytes ?? 0 }

    /// Every row passes as it is.
    var passesEverything: Bool { distinct == nil && rowsToSkip == 0 && rowsLeft == Int64.max }

    /// No further row will be passed.
    @inline(__always)
    var isDone: Bool { rowsLeft == 0 }

    /// Whether the next row goes to the client; counts it. Call once a row, in order.
    @inline(__always)
    mutating func admitsNextRow() -> Bool {
        if rowsLeft == 0 { return false }
        if rowsToSkip > 0 {
            rowsToSkip -= 1
            return false
        }
        rowsLeft -= 1
        rowsEmitted += 1
        return true
    }

    /// Passes the row at `frame` if it is no duplicate and in the window.
    /// - Parameter visibleEnd: where the visible columns end, in bytes from the start of the frame.
    /// - Parameter otherBytes: what the merge holds elsewhere under the same limit.
    @inline(__always)
    mutating func pass(
        _ frame: UnsafeRawBufferPointer, visibleEnd: Int, fields: inout RowFields, otherBytes: Int,
        into output: inout ByteQueue
    ) throws(MergeError) {
        if distinct != nil, try isDuplicate(frame, &fields, otherBytes) { return }
        guard admitsNextRow() else { return }
        guard visibleEnd < frame.count else { return output.append(frame) }
        let start = output.count
        output.append(UnsafeRawBufferPointer(rebasing: frame[..<visibleEnd]))
        let written = output.mutableReadable
        written.storeBytes(of: Int32(visibleEnd - 1).bigEndian, toByteOffset: start + 1, as: Int32.self)
        written.storeBytes(
            of: UInt16(visibleColumnCount).bigEndian, toByteOffset: start + FrameHeader.bytes, as: UInt16.self)
    }

    @inline(never)
    private mutating func isDuplicate(
        _ frame: UnsafeRawBufferPointer, _ fields: inout RowFields, _ otherBytes: Int
    ) throws(MergeError) -> Bool {
        try fields.read(frame)
        return try distinct?.isDuplicate(frame, fields: fields, otherBytes: otherBytes) ?? false
    }
}
