// RowMerger: the rows of many shards -> the rows of one, for one execution of one statement. It is told what arrives
// from which source and appends to the client's output what can go; what must wait is held within named limits.
//
//   concatenation   rows pass at once, in order of arrival
//   ordered         rows come sorted from every source and are merged (OrderedMerge)
//   aggregate       rows are partial aggregates, combined by group, and go out after the last source has ended
//
// In every mode DISTINCT, OFFSET and LIMIT apply over all sources, and hidden columns are cut.
//
// The caller asks `wantsRows` to know whom to pause, `isDone` to know whether the rest can be cancelled, and
// `isComplete` to know when CommandComplete is due. When the output was full it calls `resume` after the client has read.
import Primitives
import WireProtocol

/// Merges the rows of one statement. Sources are numbered from 0. Not thread safe.
public final class RowMerger {
    /// Bounds of one merge, in bytes.
    public struct Bounds: Sendable {
        /// One row; above it 53400.
        public var rowBytes: Int
        /// Everything held back; above it 53400.
        public var totalBytes: Int
        /// Bytes waiting in the output above which held rows stay held until `resume`.
        public var outputBytes: Int

        public init(rowBytes: Int, totalBytes: Int, outputBytes: Int) {
            self.rowBytes = rowBytes
            self.totalBytes = totalBytes
            self.outputBytes = outputBytes
        }

        public init(_ limits: Limits) {
            self.init(
                rowBytes: limits.mergeRowBytes, totalBytes: limits.mergeBytes, outputBytes: limits.outputHighWaterBytes)
        }
    }

    let plan: MergePlan
    let bounds: Bounds
    private let pool: BlockPool.Reference
    private var fields = RowFields()
    private var types = ColumnTypes()
    private var sink: RowSink
    private let visibleFormats: [FormatCode]
    private var ordered: OrderedMerge?
    private var aggregate: AggregateMerger?
    private var isSetUp = false
    private var finishedSources: [Bool]
    private var unfinishedCount: Int

    /// - Parameters:
    ///   - sourceCount: how many shards answer.
    ///   - visibleFormats: result formats as in Bind: none (all text), one for all, or one a visible column. Only
    ///     aggregates need them: they write values of their own.
    ///   - pool: must outlive the merger.
    public init(
        plan: MergePlan, sourceCount: Int, window: RowWindow = .everything, visibleFormats: [FormatCode] = [],
        bounds: Bounds, pool: BlockPool.Reference
    ) {
        self.plan = plan
        self.visibleFormats = visibleFormats
        self.bounds = bounds
        self.pool = pool
        sink = RowSink(visibleColumnCount: plan.visibleColumnCount, window: window)
        finishedSources = Array(repeating: false, count: sourceCount)
        unfinishedCount = sourceCount
    }

    deinit {
        ordered?.free()
        aggregate?.free()
        sink.free()
        fields.free()
    }

    // MARK: What arrives

    /// Learns the columns from a shard's RowDescription, and checks that the shards agree.
    ///
    /// Not needed when the plan's sort keys carry their types and the description is known from elsewhere.
    /// Throws 0A000 for a sort key whose order is not known, 42804 when the shards' types differ.
    public func rowDescription(source: Int, frame: UnsafeRawBufferPointer) throws(MergeError) {
        let message: RowDescriptionMessage
        do { message = try RowDescriptionMessage(frame) } catch { throw .malformed(error) }
        try expect(columnCount: message.fieldCount)
        try types.learn(message.fields)
        try setUp()
    }

    /// Takes one row of a source and appends to `output` what can go to the client now.
    ///
    /// Throws 53400 when a limit is passed, 22003 when an aggregate overflows, 08P01 or 22P03 for malformed rows. After
    /// an error the merger must not be used further.
    /// - Parameter frame: the whole DataRow frame; read before the call returns.
    public func dataRow(
        source: Int, frame: UnsafeRawBufferPointer, into output: inout ByteQueue
    ) throws(MergeError) {
        guard !sink.isDone else { return }
        guard frame.count <= bounds.rowBytes else { throw .rowTooLarge(bytes: frame.count, limit: bounds.rowBytes) }
        if !isSetUp { try setUpForRow(frame) }
        if ordered != nil {
            try ordered?.accept(frame, from: source, fields: &fields, sink: &sink, into: &output)
        } else if aggregate != nil {
            try fields.read(frame)
            try aggregate?.accept(frame, fields: fields)
        } else {
            try fields.read(frame)
            try sink.pass(
                frame, visibleEnd: fields.end(ofFirst: sink.visibleColumnCount), fields: &fields, otherBytes: 0,
                into: &output)
        }
    }

    /// A source has sent its last row (its CommandComplete has come).
    public func finished(source: Int, into output: inout ByteQueue) throws(MergeError) {
        guard !finishedSources[source] else { return }
        finishedSources[source] = true
        unfinishedCount -= 1
        if !isSetUp { try setUp() }
        guard !sink.isDone else { return }
        try ordered?.finish(source, fields: &fields, sink: &sink, into: &output)
        guard unfinishedCount == 0 else { return }
        try aggregate?.endInput()
        try aggregate?.run(&sink, into: &output)
    }

    /// Goes on after the client has read from a full output.
    public func resume(into output: inout ByteQueue) throws(MergeError) {
        guard !sink.isDone else { return }
        try ordered?.run(&fields, &sink, &output)
        try aggregate?.run(&sink, into: &output)
    }

    // MARK: What the caller asks

    /// Rows appended to the output so far: the number in the client's "SELECT n".
    public var rowsEmitted: Int64 { sink.rowsEmitted }

    /// LIMIT is reached: the sources still running can be cancelled; what they send is dropped.
    public var isDone: Bool { sink.isDone }

    /// Every source has ended and every row has been appended: CommandComplete is due.
    public var isComplete: Bool { unfinishedCount == 0 && !hasRowsReady }

    /// Rows wait only because the output was full: call `resume` when it is not.
    public var hasRowsReady: Bool {
        !sink.isDone && (ordered?.hasRowsReady ?? aggregate?.hasRowsReady ?? false)
    }

    /// Bytes held back.
    public var bufferedBytes: Int { (ordered?.heldBytes ?? 0) + (aggregate?.heldBytes ?? 0) + sink.heldBytes }

    /// Rows pass byte for byte: the caller may stream DataRow frames of any size to the client itself, without showing
    /// them to the merger (`rowsEmitted` does not count those).
    public var passesRowsUntouched: Bool {
        plan.sortKeys.isEmpty && plan.distinctColumns.isEmpty && plan.aggregate == nil && sink.passesEverything
            && (fields.columnCount ?? plan.visibleColumnCount) == plan.visibleColumnCount
    }

    /// Whether the source may send more. False: pause it until this is true again (ask after each `dataRow`,
    /// `finished` and `resume`, for every paused source).
    ///
    /// A source whose next row the merge needs is never paused; others pause at an equal share of the byte limit.
    public func wantsRows(from source: Int) -> Bool {
        guard !sink.isDone, ordered != nil, !finishedSources[source] else { return true }
        if ordered?.needs(source) ?? true { return true }
        return ordered?.hasRoom(for: source, reserved: sink.heldBytes) ?? true
    }

    // MARK: Setting up

    private func setUpForRow(_ frame: UnsafeRawBufferPointer) throws(MergeError) {
        try fields.read(frame)
        try expect(columnCount: fields.columnCount ?? 0)
        try setUp()
    }

    private func expect(columnCount: Int) throws(MergeError) {
        try fields.expect(columnCount: columnCount)
        guard columnCount > plan.highestColumn else {
            throw .unexpectedColumnCount(columnCount, expected: plan.highestColumn + 1)
        }
    }

    /// Prepares the mode once the types are known. Throws 0A000 for a type whose order is not known.
    private func setUp() throws(MergeError) {
        guard !isSetUp else { return }
        if let merge = plan.aggregate {
            aggregate = try makeAggregateMerger(merge)
        } else {
            try setUpRows()
        }
        isSetUp = true
    }

    private func makeAggregateMerger(_ merge: AggregateMerge) throws(MergeError) -> AggregateMerger {
        guard plan.distinctColumns.isEmpty, merge.outputs.count == plan.visibleColumnCount else {
            throw .unsupportedAggregate
        }
        let table = try AggregateTable(
            merge, sortKeys: plan.sortKeys, formats: visibleFormats, limit: bounds.totalBytes)
        return try AggregateMerger(
            table, sortKeys: plan.sortKeys, typeOIDs: types.typeOIDs, limit: bounds.totalBytes,
            outputLimit: bounds.outputBytes)
    }

    private func setUpRows() throws(MergeError) {
        if !plan.distinctColumns.isEmpty {
            sink.distinct = try DistinctFilter(
                columns: plan.distinctColumns, sortKeys: plan.sortKeys, typeOIDs: types.typeOIDs,
                limit: bounds.totalBytes)
        }
        if !plan.sortKeys.isEmpty {
            ordered = OrderedMerge(
                order: try SortOrder(plan.sortKeys, typeOIDs: types.typeOIDs), sourceCount: finishedSources.count,
                limit: bounds.totalBytes, outputLimit: bounds.outputBytes, pool: pool)
        }
    }
}
