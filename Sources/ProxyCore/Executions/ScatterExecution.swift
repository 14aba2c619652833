// ScatterExecution: a SELECT on many shards whose rows are merged while they come.
import Primitives
import QueryPlanning
import ResultMerging
import WireProtocol

/// Runs a ScatterPlan without a finisher.
final class ScatterExecution: MultiShardExecution {
    private let plan: ScatterPlan
    private let merger: RowMerger
    private let formats: [FormatCode]
    private var isDescribed: Bool
    private var shardText: [UInt8]
    /// Some leg may be paused.
    private var mayBePaused = false

    init(
        worker: Worker, session: Int32, parent: Execution?, call: StatementCall, plan: ScatterPlan, window: RowWindow,
        shards: [ShardIndex]
    ) {
        self.plan = plan
        formats = call.resultFormats
        isDescribed = !call.wantsDescription
        shardText = Array(plan.shardText.utf8)
        merger = RowMerger(
            plan: plan.merge, sourceCount: shards.count, window: window, visibleFormats: call.resultFormats,
            bounds: worker.mergeBounds(session), pool: worker.streams.pool.reference)
        super.init(worker: worker, session: session, parent: parent, call: call, shards: shards)
    }

    override var snapshotMoment: SnapshotMoment { .bind }

    override func lockingText(_ leg: Int) -> [UInt8]? { shardText }

    override func send(_ leg: Int) {
        worker.outputEndingUnnamed(ofLink: legs[leg].link).pointee.output.writeCall(call(call, for: leg), text: shardText, resultFormats: shardFormats)
        expectReady(leg)
    }

    /// The client's formats for what it sees, binary for what the merge reads.
    private var shardFormats: [FormatCode] {
        let hidden = plan.merge.hiddenColumnCount
        guard hidden > 0 else { return formats }
        let visible = (0..<plan.merge.visibleColumnCount).map { column in
            formats.isEmpty ? .text : formats.count == 1 ? formats[0] : column < formats.count ? formats[column] : FormatCode.text
        }
        return visible + Array(repeating: FormatCode.binary, count: hidden)
    }

    private var isClientGone: Bool { worker.sessions.at(session).pointee.phase == .leaving }

    override func frame(_ frame: UnsafeRawBufferPointer, type: UInt8, leg: Int) {
        guard failure == nil, !isClientGone else { return collect(frame, type: type, leg: leg) }
        do throws(MergeError) {
            switch type {
            case BackendMessageType.rowDescription: try describe(frame, leg)
            case BackendMessageType.dataRow:
                try merger.dataRow(source: leg, frame: frame, into: &worker.output(ofSession: session).pointee.output)
                throttle(leg)
            case BackendMessageType.commandComplete:
                try merger.finished(source: leg, into: &worker.output(ofSession: session).pointee.output)
                resumeWanted()
            case BackendMessageType.errorResponse:
                collect(frame, type: type, leg: leg)
                stop()
            default: collect(frame, type: type, leg: leg)
            }
        } catch {
            noteFailure(error.asError)
            stop()
        }
    }

    private func describe(_ frame: UnsafeRawBufferPointer, _ leg: Int) throws(MergeError) {
        try merger.rowDescription(source: leg, frame: frame)
        guard !isDescribed, let message = try? RowDescriptionMessage(frame) else { return }
        isDescribed = true
        worker.output(ofSession: session).pointee.output.writeRowDescription(
            from: message, keepingFirst: min(message.fieldCount, plan.merge.visibleColumnCount))
    }

    /// The result will not be used: the shards need not go on, and what they still send is dropped.
    private func stop() {
        cancelLegs()
        for leg in legs where !leg.isLost { unpauseLink(leg.link) }
    }

    override func rowTooLarge(_ message: DatabaseMessage) {
        noteFailure(message)
        stop()
    }

    private func unpauseLink(_ link: Int32) {
        let stream = worker.links.at(link).pointee.stream
        if worker.streams.at(stream.index).pointee.isReadPaused { worker.resumeReading(stream) }
    }

    /// Pauses a leg that is ahead of the merge, or all of them when the client is slow.
    private func throttle(_ leg: Int) {
        let stream = worker.streams.at(worker.links.at(legs[leg].link).pointee.stream.index)
        if worker.room(ofSession: session) != .free {
            pauseIfFull(leg)
            // Legs that are ahead of the merge would be paused for ever.
            if failure != nil { return stop() }
            mayBePaused = true
        } else if !merger.wantsRows(from: leg) {
            stream.pointee.isReadPaused = true
            mayBePaused = true
        }
        resumeWanted()
    }

    private var isClientSlow: Bool { worker.room(ofSession: session) == .full }

    private func resumeWanted() {
        guard mayBePaused, !isClientSlow else { return }
        mayBePaused = false
        for (index, leg) in legs.enumerated() where leg.outstanding > 0 {
            if merger.wantsRows(from: index) { unpauseLink(leg.link) } else { mayBePaused = true }
        }
    }

    /// The client has heard of the columns.
    var hasTold: Bool { isDescribed }

    /// It failed because the result has other columns than it was planned for. A shard says so where it was told their formats.
    /// - Parameter epoch: of the catalog when the statement began.
    func metOtherColumns(since epoch: Int) -> Bool {
        guard let failure else { return false }
        if failure.sqlState == .protocolViolation {
            // The name of the function that compares formats and columns; a client's own mistakes are others.
            let routine = failure.fields.first { $0.code == DatabaseMessage.FieldCode.routine }?.value
            return routine == nil || routine == Array("PortalSetResultFormat".utf8) && (plan.merge.hiddenColumnCount > 0 || call.resultFormats.count <= 1)
        }
        return failure.sqlState == .featureNotSupported && (worker.cluster.isCatalogOld || worker.cluster.catalogEpoch != epoch)
    }

    override func clientDrained() {
        if failure == nil, !isClientGone { giveRows() }
        if failure != nil || isClientGone {
            stop()
        } else {
            if merger.hasRowsReady || isClientSlow { worker.output(ofSession: session).pointee.wantsDrained = true }
            resumeWanted()
        }
        if !hasOutstanding { allReady() }
    }

    private func giveRows() {
        do throws(MergeError) {
            try merger.resume(into: &worker.output(ofSession: session).pointee.output)
        } catch {
            noteFailure(error.asError)
        }
    }

    override func lost(_ link: Int32, reason: String) {
        super.lost(link, reason: reason)
        // Legs that were ahead of the lost one would be paused for ever.
        if failure != nil, hasOutstanding { stop() }
    }

    override func answered() {
        if failure == nil && !isClientGone && merger.hasRowsReady {
            worker.output(ofSession: session).pointee.wantsDrained = true
            return
        }
        end()
    }

    override func succeeded() {
        if !isClientGone {
            worker.output(ofSession: session).pointee.output.writeCommandComplete(
                command: "SELECT", rowCount: UInt64(merger.rowsEmitted))
        }
        worker.statistics.scatters &+= 1
        if plan.merge.aggregate != nil { worker.statistics.aggregates &+= 1 }
        conclude(.success)
    }
}
