// OrderedMerge: rows that come sorted from every source, merged into one sorted sequence.
//
// The first row of each source (its head) takes part in a tournament; the winner goes out and its source's next row
// takes its place. Before the tournament starts every source is awaited; from then on only the winner's source can be
// missing, so exactly one source is ever needed. A needed row that wins at once goes from the shard's bytes to the
// client's without being held. Ties go to the lower source, so that the result depends on the rows alone.
import Primitives

/// A k-way merge in the order of sort keys. Owns memory: call `free` exactly once.
struct OrderedMerge {
    /// The first row of a source.
    private struct Head {
        /// nil: not read yet.
        var base: UnsafeRawPointer?
        var length = 0
        var visibleEnd = 0
        var isFinished = false
    }

    private let order: SortOrder
    private let outputLimit: Int
    private var held: HeldRows
    private var tree: LoserTree
    private let heads: UnsafeMutablePointer<Head>
    private let images: UnsafeMutablePointer<KeyImage>
    /// Sources that are awaited before the tournament starts.
    private var awaitedCount: Int
    private var isBuilt = false

    /// - Parameter outputLimit: bytes waiting in the output above which no further row goes out.
    init(order: SortOrder, sourceCount: Int, limit: Int, outputLimit: Int, pool: BlockPool.Reference) {
        self.order = order
        self.outputLimit = outputLimit
        held = HeldRows(sourceCount: sourceCount, limit: limit, pool: pool)
        tree = LoserTree(count: sourceCount)
        heads = .allocate(capacity: max(1, sourceCount))
        heads.initialize(repeating: Head(), count: sourceCount)
        images = .allocate(capacity: max(1, sourceCount * order.keyCount))
        images.initialize(repeating: .afterAll, count: sourceCount * order.keyCount)
        awaitedCount = sourceCount
    }

    mutating func free() {
        held.free()
        tree.free()
        order.free()
        heads.deallocate()
        images.deallocate()
    }

    /// Bytes of rows held back.
    var heldBytes: Int { held.bytes }

    /// Every source has ended and every row has gone out.
    var isExhausted: Bool { isBuilt && images[tree.winner * order.keyCount].rank == KeyImage.exhausted }

    /// A row could go out but for the output's limit.
    var hasRowsReady: Bool { isBuilt && !isExhausted && !needs(tree.winner) }

    /// The merge cannot go on without the next row of `source`.
    @inline(__always)
    func needs(_ source: Int) -> Bool {
        guard heads[source].base == nil, !heads[source].isFinished, held.isEmpty(source) else { return false }
        return !isBuilt || source == tree.winner
    }

    /// Sources are paused that may be able to go on.
    var hasPausedSources: Bool { held.pausedCount > 0 }

    /// See `HeldRows.wantsRows`.
    mutating func wantsRows(from source: Int, isFree: Bool, reserved: Int) -> Bool {
        held.wantsRows(from: source, isFree: isFree || needs(source), reserved: reserved)
    }

    /// Takes the next row of a source and passes on what can go.
    @inline(__always)
    mutating func accept(
        _ frame: UnsafeRawBufferPointer, from source: Int, fields: inout RowFields, sink: inout RowSink,
        into output: inout ByteQueue
    ) throws(MergeError) {
        guard needs(source), !isBuilt || output.count < outputLimit else {
            try hold(frame, source, sink)
            return try run(&fields, &sink, &output)
        }
        try loadHead(source, frame, &fields, sink)
        guard isBuilt else {
            try hold(frame, source, sink)
            return try markReady(&fields, &sink, &output)
        }
        replay(source)
        if tree.winner == source {
            try sink.pass(
                frame, visibleEnd: heads[source].visibleEnd, fields: &fields, otherBytes: held.bytes,
                into: &output)
            heads[source].base = nil
            if sink.isDone { dropAll() }
            return
        }
        try hold(frame, source, sink)
        try run(&fields, &sink, &output)
    }

    /// A source has no more rows.
    mutating func finish(
        _ source: Int, fields: inout RowFields, sink: inout RowSink, into output: inout ByteQueue
    ) throws(MergeError) {
        guard !heads[source].isFinished else { return }
        let wasAwaited = !isBuilt && needs(source)
        heads[source].isFinished = true
        if wasAwaited { return try markReady(&fields, &sink, &output) }
        try run(&fields, &sink, &output)
    }

    /// Passes on rows until one is missing, the window is full or the output is.
    mutating func run(
        _ fields: inout RowFields, _ sink: inout RowSink, _ output: inout ByteQueue
    ) throws(MergeError) {
        guard isBuilt else { return }
        while output.count < outputLimit, !sink.isDone {
            let source = tree.winner
            if heads[source].base == nil {
                guard try advance(source, &fields, sink) else { return }
                continue
            }
            let head = heads[source]
            let row = UnsafeRawBufferPointer(start: head.base, count: head.length)
            try sink.pass(
                row, visibleEnd: head.visibleEnd, fields: &fields, otherBytes: held.bytes, into: &output)
            held.dropFirst(source, length: head.length)
            heads[source].base = nil
        }
        if sink.isDone { dropAll() }
    }

    /// Lets the winner's source compete with its next row; false when there is none (yet).
    @inline(__always)
    private mutating func advance(
        _ source: Int, _ fields: inout RowFields, _ sink: borrowing RowSink
    ) throws(MergeError) -> Bool {
        if held.isEmpty(source) {
            guard heads[source].isFinished, !isExhausted else { return false }
            images[source * order.keyCount] = .afterAll
        } else {
            try loadHead(source, held.first(source), &fields, sink)
        }
        replay(source)
        return true
    }

    /// One awaited source has a head or has ended; starts the tournament after the last.
    private mutating func markReady(
        _ fields: inout RowFields, _ sink: inout RowSink, _ output: inout ByteQueue
    ) throws(MergeError) {
        awaitedCount -= 1
        guard awaitedCount == 0 else { return }
        let (order, images, heads) = (order, images, heads)
        tree.build { OrderedMerge.precedes($0, $1, order, images, heads) }
        isBuilt = true
        try run(&fields, &sink, &output)
    }

    @inline(__always)
    private mutating func loadHead(
        _ source: Int, _ frame: UnsafeRawBufferPointer, _ fields: inout RowFields, _ sink: borrowing RowSink
    ) throws(MergeError) {
        try fields.read(frame)
        let base = frame.baseAddress.unsafelyUnwrapped
        try order.makeImages(images + source * order.keyCount, fields: fields, base: base)
        heads[source].base = base
        heads[source].length = frame.count
        heads[source].visibleEnd = fields.end(ofFirst: sink.visibleColumnCount)
    }

    /// Keeps a row; the source's rows may move in memory, so its head is found again.
    @inline(__always)
    private mutating func hold(
        _ frame: UnsafeRawBufferPointer, _ source: Int, _ sink: borrowing RowSink
    ) throws(MergeError) {
        try held.append(frame, to: source, reserved: sink.heldBytes)
        if heads[source].base != nil { heads[source].base = held.rows(source).baseAddress }
    }

    private mutating func dropAll() {
        for source in 0..<tree.count {
            held.dropAll(source)
            heads[source].base = nil
        }
    }

    @inline(__always)
    private mutating func replay(_ source: Int) {
        let (order, images, heads) = (order, images, heads)
        tree.replay(source) { OrderedMerge.precedes($0, $1, order, images, heads) }
    }

    @inline(__always)
    private static func precedes(
        _ left: Int, _ right: Int, _ order: SortOrder, _ images: UnsafeMutablePointer<KeyImage>,
        _ heads: UnsafeMutablePointer<Head>
    ) -> Bool {
        let count = order.keyCount
        let comparison = order.compare(
            images + left * count, heads[left].base, images + right * count, heads[right].base, count: count)
        return comparison == 0 ? left < right : comparison < 0
    }
}
