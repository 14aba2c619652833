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

    /// Behind a pointer: reaching a class's fields would cost a check of exclusive access per row.
    private let state: UnsafeMutablePointer<RowMergerState>

    /// - Parameters:
    ///   - sourceCount: how many shards answer.
    ///   - visibleFormats: result formats as in Bind: none (all text), one for all, or one a visible column. Only
    ///     aggregates need them: they write values of their own.
    ///   - pool: must outlive the merger.
    public init(
        plan: MergePlan, sourceCount: Int, window: RowWindow = .everything, visibleFormats: [FormatCode] = [],
        bounds: Bounds, pool: BlockPool.Reference
    ) {
        state = .allocate(capacity: 1)
        state.initialize(
            to: RowMergerState(
                plan: plan, sourceCount: sourceCount, window: window, visibleFormats: visibleFormats, bounds: bounds,
                pool: pool))
    }

    deinit {
        state.pointee.free()
        state.deinitialize(count: 1)
        state.deallocate()
    }

    // MARK: What arrives

    /// Learns the columns from a shard's RowDescription, and checks that the shards agree.
    ///
    /// Not needed when the plan's sort keys carry their types and the description is known from elsewhere.
    /// Throws 0A000 for a sort key whose order is not known, 42804 when the shards' types differ.
    public func rowDescription(source: Int, frame: UnsafeRawBufferPointer) throws(MergeError) {
        try state.pointee.rowDescription(frame)
    }

    /// Takes one row of a source and appends to `output` what can go to the client now.
    ///
    /// Throws 53400 when a limit is passed, 22003 when an aggregate overflows, 08P01 or 22P03 for malformed rows. After
    /// an error the merger must not be used further.
    /// - Parameter frame: the whole DataRow frame; read before the call returns.
    public func dataRow(
        source: Int, frame: UnsafeRawBufferPointer, into output: inout ByteQueue
    ) throws(MergeError) {
        try state.pointee.dataRow(source, frame, &output)
    }

    /// A source has sent its last row (its CommandComplete has come).
    public func finished(source: Int, into output: inout ByteQueue) throws(MergeError) {
        try state.pointee.finish(source, &output)
    }

    /// Goes on after the client has read from a full output.
    public func resume(into output: inout ByteQueue) throws(MergeError) { try state.pointee.resume(&output) }

    // MARK: What the caller asks

    /// Rows appended to the output so far: the number in the client's "SELECT n".
    public var rowsEmitted: Int64 { state.pointee.sink.rowsEmitted }

    /// LIMIT is reached: the sources still running can be cancelled; what they send is dropped.
    public var isDone: Bool { state.pointee.sink.isDone }

    /// Every source has ended and every row has been appended: CommandComplete is due.
    public var isComplete: Bool { state.pointee.unfinishedCount == 0 && !hasRowsReady }

    /// Rows wait only because the output was full: call `resume` when it is not.
    public var hasRowsReady: Bool { state.pointee.hasRowsReady }

    /// Bytes held back.
    public var bufferedBytes: Int { state.pointee.heldBytes }

    /// Some of these are rows that are due later; the rest says which rows are duplicates.
    public var holdsRows: Bool { state.pointee.holdsRows }

    /// Rows pass byte for byte: the caller may stream DataRow frames of any size to the client itself, without showing
    /// them to the merger (`rowsEmitted` does not count those).
    public var passesRowsUntouched: Bool { state.pointee.passesRowsUntouched }

    /// Some source was told to pause and not yet to go on: only then is there somebody to ask `wantsRows` for.
    public var hasPausedSources: Bool { state.pointee.hasPausedSources }

    /// No row can be given without the next of this source; without an order any source will do.
    public func needsRows(from source: Int) -> Bool { state.pointee.needsRows(from: source) }

    /// Whether the source may send more. False: pause it until this is true again (ask for every paused source after
    /// each `dataRow`, `finished` and `resume` while `hasPausedSources`).
    ///
    /// A source whose next row the merge needs is never paused; others pause at an equal share of the byte limit.
    public func wantsRows(from source: Int) -> Bool { state.pointee.wantsRows(from: source) }
}
