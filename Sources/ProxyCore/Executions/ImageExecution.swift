// ImageExecution: a statement on one shard whose rows have more columns than the client asked for: behind what it returns itself
// stand images of the rows it wrote. The client gets its part, the images are kept as array literals.
import Primitives
import QueryPlanning
import ResultMerging
import WireProtocol

final class ImageExecution: MultiShardExecution {
    private let text: [UInt8]
    private let imageColumnCount: Int
    private let hasReturning: Bool
    private let collector: PartialCollector
    /// One row at a time.
    private var image: ByteQueue
    private(set) var tag = ""

    init(worker: Worker, session: Int32, parent: Execution?, call: StatementCall, plan: ReplayPlan, shard: ShardIndex) {
        text = Array(plan.text.utf8)
        imageColumnCount = plan.imageColumnCount
        hasReturning = plan.hasReturning
        image = ByteQueue(pool: worker.streams.pool.reference)
        collector = PartialCollector(
            columnCounts: [plan.imageColumnCount], sourceCount: 1, bounds: .init(worker.settings.limits))
        super.init(worker: worker, session: session, parent: parent, call: call, shards: [shard])
    }

    deinit { image.free() }

    /// One literal a column of the images, in text format; valid as long as this execution.
    var arrays: [UnsafeRawBufferPointer] { collector.arrays }
    var rowCount: Int { collector.rowCount }

    override func send(_ leg: Int) {
        let formats = call.resultFormats
        // One format is meant for all columns, and text is the same in both.
        let all = formats.count > 1 ? formats + Array(repeating: FormatCode.text, count: imageColumnCount) : formats
        worker.outputEndingUnnamed(ofLink: legs[leg].link).pointee.output.writeCall(call, text: text, resultFormats: all)
        expectReady(leg)
    }

    override func frame(_ frame: UnsafeRawBufferPointer, type: UInt8, leg: Int) {
        let isGone = worker.sessions.at(session).pointee.phase == .leaving
        switch type {
        case BackendMessageType.rowDescription:
            guard hasReturning, call.wantsDescription, !isGone, let message = try? RowDescriptionMessage(frame) else { return }
            worker.output(ofSession: session).pointee.output.writeRowDescription(
                from: message, keepingFirst: message.fieldCount - imageColumnCount)
        case BackendMessageType.dataRow: row(frame, isGone: isGone, leg)
        case BackendMessageType.commandComplete: tag = (try? CommandCompleteMessage(frame))?.tag.text ?? ""
        case BackendMessageType.noticeResponse where !isGone: worker.output(ofSession: session).pointee.output.append(frame)
        default: collect(frame, type: type, leg: leg)
        }
    }

    private func row(_ frame: UnsafeRawBufferPointer, isGone: Bool, _ leg: Int) {
        guard failure == nil, let message = try? DataRowMessage(frame) else { return }
        let visibleCount = message.fieldCount - imageColumnCount
        let mark = image.beginDataRow(fieldCount: imageColumnCount)
        message.forEachField { index, value in
            if index >= visibleCount { image.append(value: value) }
        }
        image.endFrame(mark)
        do throws(MergeError) {
            try collector.dataRow(source: 0, frame: image.readable)
            image.consume(image.count)
        } catch {
            noteFailure(error.asError)
            return cancelLegs()
        }
        guard hasReturning, !isGone else { return }
        worker.output(ofSession: session).pointee.output.writeDataRow(from: message, keepingFirst: visibleCount)
        pauseIfFull(leg)
    }

    override func succeeded() { conclude(.success) }
}
