// InputOrderMerger: RETURNING of an INSERT whose rows were split over shards. Each shard returns its rows in the order in
// which it got them, so the order of the whole statement is known beforehand: it needs no keys, only whose turn it is.
//
// A shard may return fewer rows than it got (ON CONFLICT DO NOTHING, triggers, row-level security). Which ones are
// missing cannot be seen; its rows then take its first turns, and the turns left over are skipped when it ends. Rows
// beyond what a shard got come last, by source. No row is ever lost, and rows of one shard never change their order.
import Primitives
import WireProtocol

/// Brings rows back into the order of the input. Sources are numbered from 0. Not thread safe.
public final class InputOrderMerger {
    private let bounds: RowMerger.Bounds
    /// The source of each row of the statement, in order.
    private let turns: [Int32]
    private var nextTurn = 0
    /// After the last turn: the source whose surplus rows come next.
    private var surplusSource = 0
    private var held: HeldRows
    private var types = ColumnTypes()
    private var columnCount: Int?
    private var isFinished: [Bool]

    /// Rows appended to the output so far.
    public private(set) var rowsEmitted: Int64 = 0

    /// - Parameter inputRows: for each source the numbers of the input rows it got, ascending.
    public init(inputRows: [[Int]], bounds: RowMerger.Bounds, pool: BlockPool.Reference) {
        self.bounds = bounds
        turns = inputRows.enumerated()
            .flatMap { source, rows in rows.map { (row: $0, source: Int32(source)) } }
            .sorted { $0.row < $1.row }.map(\.source)
        held = HeldRows(sourceCount: inputRows.count, limit: bounds.totalBytes, pool: pool)
        isFinished = Array(repeating: false, count: inputRows.count)
    }

    deinit { held.free() }

    /// Checks that the shards' columns agree. Throws 42804 when they do not.
    public func rowDescription(source: Int, frame: UnsafeRawBufferPointer) throws(MergeError) {
        let message: RowDescriptionMessage
        do { message = try RowDescriptionMessage(frame) } catch { throw .malformed(error) }
        let expected = columnCount ?? message.fieldCount
        guard message.fieldCount == expected else {
            throw .unexpectedColumnCount(message.fieldCount, expected: expected)
        }
        columnCount = expected
        try types.learn(message.fields)
    }

    /// Takes one row of a source and appends to `output` what can go to the client now. Throws 53400 when a limit is
    /// passed.
    public func dataRow(
        source: Int, frame: UnsafeRawBufferPointer, into output: inout ByteQueue
    ) throws(MergeError) {
        guard frame.count <= bounds.rowBytes else { throw .rowTooLarge(bytes: frame.count, limit: bounds.rowBytes) }
        guard source == currentSource, held.isEmpty(source), output.count < bounds.outputBytes else {
            return try held.append(frame, to: source, reserved: 0)
        }
        output.append(frame)
        takeTurn()
        emit(into: &output)
    }

    /// A source has sent its last row.
    public func finished(source: Int, into output: inout ByteQueue) {
        isFinished[source] = true
        emit(into: &output)
    }

    /// Goes on after the client has read from a full output.
    public func resume(into output: inout ByteQueue) { emit(into: &output) }

    /// Every source has ended and every row has been appended.
    public var isComplete: Bool { currentSource == nil }

    /// Rows wait only because the output was full: call `resume` when it is not.
    public var hasRowsReady: Bool { currentSource.map { !held.isEmpty($0) } ?? false }

    /// Bytes held back.
    public var bufferedBytes: Int { held.bytes }

    /// Some source was told to pause and not yet to go on.
    public var hasPausedSources: Bool { held.pausedCount > 0 }

    /// Whether the source may send more; see `RowMerger.wantsRows`.
    public func wantsRows(from source: Int) -> Bool {
        let isFree = isFinished[source] || source == currentSource && held.isEmpty(source)
        return held.wantsRows(from: source, isFree: isFree, reserved: 0)
    }

    /// Whose row comes next, nil when all have ended. Skips the turns of sources that ended early.
    private var currentSource: Int? {
        var turn = nextTurn
        while turn < turns.count {
            if !isSpent(Int(turns[turn])) { return Int(turns[turn]) }
            turn += 1
        }
        return (surplusSource..<isFinished.count).first { !isSpent($0) }
    }

    private func isSpent(_ source: Int) -> Bool { isFinished[source] && held.isEmpty(source) }

    private func takeTurn() {
        rowsEmitted += 1
        if nextTurn < turns.count { nextTurn += 1 }
    }

    private func emit(into output: inout ByteQueue) {
        skipSpentTurns()
        while output.count < bounds.outputBytes, let source = currentSource, !held.isEmpty(source) {
            let row = held.first(source)
            output.append(row)
            held.dropFirst(source, length: row.count)
            takeTurn()
            skipSpentTurns()
        }
    }

    private func skipSpentTurns() {
        while nextTurn < turns.count, isSpent(Int(turns[nextTurn])) { nextTurn += 1 }
        guard nextTurn == turns.count else { return }
        while surplusSource < isFinished.count, isSpent(surplusSource) { surplusSource += 1 }
    }
}
