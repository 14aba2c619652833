// AggregateMerger: the aggregate mode of RowMerger: collects groups, then sorts them and passes them on.
import Primitives

/// Combines partial rows and emits one row a group. Owns memory: call `free` exactly once.
struct AggregateMerger {
    private var table: AggregateTable
    private let sortKeys: [SortKey]
    private let order: SortOrder
    private let limit: Int
    private let outputLimit: Int
    private var images = GrowingArray<KeyImage>()
    private var groups = GrowingArray<Int32>()
    private var nextGroup = 0
    private var isReading = true

    /// - Parameter order: `sortKeys` made ready.
    init(_ table: AggregateTable, sortKeys: [SortKey], order: SortOrder, limit: Int, outputLimit: Int) {
        self.table = table
        self.sortKeys = sortKeys
        self.order = order
        self.limit = limit
        self.outputLimit = outputLimit
    }

    mutating func free() {
        table.free()
        order.free()
        images.free()
        groups.free()
    }

    /// Memory in use, in bytes.
    var heldBytes: Int { table.bytes + images.bytes + groups.bytes }

    /// Groups wait to be passed on.
    var hasRowsReady: Bool { !isReading && nextGroup < table.groupCount }

    mutating func accept(_ frame: UnsafeRawBufferPointer, fields: borrowing RowFields) throws(MergeError) {
        try table.combine(frame, fields: fields)
    }

    /// All sources have ended: sorts the groups. Throws 53400 when there is no memory to sort.
    mutating func endInput() throws(MergeError) {
        table.addGroupOfNothing()
        isReading = false
        guard order.keyCount > 0 else { return }
        let needed = table.groupCount * (order.keyCount * MemoryLayout<KeyImage>.stride + MemoryLayout<Int32>.stride)
        guard heldBytes + needed <= limit else { throw .tooManyBytes(limit: limit) }
        for group in 0..<table.groupCount { try table.storeSortValues(of: group, sortKeys) }
        guard heldBytes + needed <= limit else { throw .tooManyBytes(limit: limit) }
        for group in 0..<table.groupCount {
            groups.append(Int32(truncatingIfNeeded: group))
            for key in 0..<order.keyCount { images.append(try image(group, key)) }
        }
        sort()
    }

    /// Passes on rows until the window or the output is full.
    mutating func run(_ sink: inout RowSink, into output: inout ByteQueue) throws(MergeError) {
        while hasRowsReady, !sink.isDone, output.count < outputLimit {
            let group = order.keyCount > 0 ? Int(groups[nextGroup]) : nextGroup
            nextGroup += 1
            if sink.admitsNextRow() { try table.writeRow(group, into: &output) }
        }
    }

    private func image(_ group: Int, _ key: Int) throws(MergeError) -> KeyImage {
        let stored = table.sortValue(of: group, column: order.column(key))
        let base = table.values.start ?? UnsafeRawPointer(bitPattern: 1).unsafelyUnwrapped
        return try order.image(key, base: base, offset: stored.offset, length: Int(stored.length))
    }

    private func sort() {
        let (order, count, base) = (order, order.keyCount, table.values.start)
        guard let images = images.elements.baseAddress else { return }
        var numbers = groups.elements
        numbers.sort { left, right in
            let comparison = order.compare(
                images + Int(left) * count, base, images + Int(right) * count, base, count: count)
            return comparison == 0 ? left < right : comparison < 0
        }
    }
}
