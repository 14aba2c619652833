// DeclareStreamExecution: DECLARE of a cursor whose rows stay on the shards until they are fetched: a cursor on each of them, with snapshots
// of one instant.
import Primitives
import QueryPlanning
import ResultMerging
import WireProtocol

final class DeclareStreamExecution: MultiShardExecution {
    private let name: String
    private let isBinary: Bool
    private let scatter: ScatterPlan
    private var opening: StreamOpening
    private var fields: [FieldDescription] = []
    /// The cursor once it is there.
    private(set) var cursor: StreamedCursor?

    /// - Parameters:
    ///   - call: the query.
    ///   - name: the cursor's.
    init(
        worker: Worker, session: Int32, parent: Execution?, call: StatementCall, name: String, isBinary: Bool, scatter: ScatterPlan,
        window: RowWindow, shards: [ShardIndex]
    ) {
        self.name = name
        self.isBinary = isBinary
        self.scatter = scatter
        let merger = RowMerger(
            plan: scatter.merge, sourceCount: shards.count, window: window, bounds: RowMerger.Bounds(worker.settings.limits),
            pool: worker.streams.pool.reference)
        opening = StreamOpening(shardName: worker.newShardCursorName(session), shards: shards, merger: merger, plan: scatter.merge)
        super.init(worker: worker, session: session, parent: parent, call: call, shards: shards)
    }

    override var snapshotMoment: SnapshotMoment { .completion }

    override func lockingText(_ leg: Int) -> [UInt8]? { Array(scatter.shardText.utf8) }

    /// Cursors of the attempt before may still be there, to the end of the block.
    override func startOver() { opening.shardName = worker.newShardCursorName(session) }

    override func send(_ leg: Int) {
        let text = Array("DECLARE \(opening.shardName) NO SCROLL CURSOR FOR \(scatter.shardText)".utf8)
        worker.outputEndingUnnamed(ofLink: legs[leg].link).pointee.output.writeCall(
            call(call, for: leg), text: text, resultFormats: [], describingPortal: opening.shardName)
        expectReady(leg)
    }

    override func frame(_ frame: UnsafeRawBufferPointer, type: UInt8, leg: Int) {
        switch type {
        case BackendMessageType.rowDescription where failure == nil: describe(frame, leg)
        case BackendMessageType.errorResponse:
            let isFirst = failure == nil
            collect(frame, type: type, leg: leg)
            if isFirst { cancelLegs() }
        default: collect(frame, type: type, leg: leg)
        }
    }

    private func describe(_ frame: UnsafeRawBufferPointer, _ leg: Int) {
        do throws(MergeError) {
            try opening.merger.rowDescription(source: leg, frame: frame)
        } catch {
            return noteFailure(error.asError)
        }
        guard fields.isEmpty, let message = try? RowDescriptionMessage(frame) else { return }
        fields = Array(message.fields.prefix(scatter.merge.visibleColumnCount))
    }

    override func succeeded() {
        cursor = StreamedCursor(opening, name: name, isBinary: isBinary, locksRows: call.plan.locksRows, fields: fields, worker: worker)
        conclude(.success)
    }
}

extension Worker {
    /// A name for a cursor on the shards that the session has not used.
    func newShardCursorName(_ index: Int32) -> String {
        guard let detail = sessions.at(index).pointee.detail else { return "pgbraid_cursor" }
        detail.shardCursorCount += 1
        return "pgbraid_cursor_\(detail.shardCursorCount)"
    }
}
