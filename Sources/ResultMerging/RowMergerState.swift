// RowMergerState: what a RowMerger knows. A plain struct, because it is touched for every row.
import Primitives
import WireProtocol

/// The state of one merge. Owns memory: call `free` exactly once.
struct RowMergerState {
    private let plan: MergePlan
    private let bounds: RowMerger.Bounds
    private let pool: BlockPool.Reference
    private let visibleFormats: [FormatCode]
    private var fields = RowFields()
    private var types = ColumnTypes()
    private(set) var sink: RowSink
    /// At most one of the two modes; neither: concatenation.
    private var ordered: OrderedMerge?
    private var aggregate: AggregateMerger?
    private var isSetUp = false
    private var finishedSources: [Bool]
    private(set) var unfinishedCount: Int

    init(
        plan: MergePlan, sourceCount: Int, window: RowWindow, visibleFormats: [FormatCode], bounds: RowMerger.Bounds,
        pool: BlockPool.Reference
    ) {
        self.plan = plan
        self.visibleFormats = visibleFormats
        self.bounds = bounds
        self.pool = pool
        sink = RowSink(visibleColumnCount: plan.visibleColumnCount, window: window)
        finishedSources = Array(repeating: false, count: sourceCount)
        unfinishedCount = sourceCount
    }

    mutating func free() {
        ordered?.free()
        aggregate?.free()
        sink.free()
        fields.free()
    }

    var heldBytes: Int { (ordered?.heldBytes ?? 0) + (aggregate?.heldBytes ?? 0) + sink.heldBytes }

    var holdsRows: Bool { (ordered?.heldBytes ?? 0) + (aggregate?.heldBytes ?? 0) > 0 }

    var hasRowsReady: Bool { !sink.isDone && (ordered?.hasRowsReady ?? aggregate?.hasRowsReady ?? false) }

    var passesRowsUntouched: Bool {
        plan.sortKeys.isEmpty && plan.distinctColumns.isEmpty && plan.aggregate == nil && sink.passesEverything
            && (fields.columnCount ?? plan.visibleColumnCount) == plan.visibleColumnCount
    }

    var hasPausedSources: Bool { ordered?.hasPausedSources ?? false }

    func needsRows(from source: Int) -> Bool {
        guard !finishedSources[source], !sink.isDone else { return false }
        return ordered?.needs(source) ?? true
    }

    mutating func wantsRows(from source: Int) -> Bool {
        guard ordered != nil else { return true }
        let isFree = sink.isDone || finishedSources[source]
        return ordered?.wantsRows(from: source, isFree: isFree, reserved: sink.heldBytes) ?? true
    }

    mutating func dataRow(
        _ source: Int, _ frame: UnsafeRawBufferPointer, _ output: inout ByteQueue
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

    mutating func finish(_ source: Int, _ output: inout ByteQueue) throws(MergeError) {
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

    mutating func resume(_ output: inout ByteQueue) throws(MergeError) {
        guard !sink.isDone else { return }
        try ordered?.run(&fields, &sink, &output)
        try aggregate?.run(&sink, into: &output)
    }

    // MARK: Setting up

    mutating func rowDescription(_ frame: UnsafeRawBufferPointer) throws(MergeError) {
        let message: RowDescriptionMessage
        do { message = try RowDescriptionMessage(frame) } catch { throw .malformed(error) }
        try expect(columnCount: message.fieldCount)
        try types.learn(message.fields)
        try plan.check(message.fields)
        try setUp()
    }

    private mutating func setUpForRow(_ frame: UnsafeRawBufferPointer) throws(MergeError) {
        try fields.read(frame)
        try expect(columnCount: fields.columnCount ?? 0)
        try setUp()
    }

    private mutating func expect(columnCount: Int) throws(MergeError) {
        try fields.expect(columnCount: columnCount)
        guard columnCount > plan.highestColumn else {
            throw .unexpectedColumnCount(columnCount, expected: plan.highestColumn + 1)
        }
    }

    /// Prepares the mode once the types are known. Throws 0A000 for a type whose order is not known.
    private mutating func setUp() throws(MergeError) {
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
        let order = try SortOrder(plan.sortKeys, typeOIDs: types.typeOIDs)
        do {
            let table = try AggregateTable(
                merge, sortKeys: plan.sortKeys, formats: visibleFormats, limit: bounds.totalBytes)
            return AggregateMerger(
                table, sortKeys: plan.sortKeys, order: order, limit: bounds.totalBytes, outputLimit: bounds.outputBytes)
        } catch {
            order.free()
            throw error
        }
    }

    private mutating func setUpRows() throws(MergeError) {
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
