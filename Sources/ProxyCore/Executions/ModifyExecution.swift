// ModifyExecution: one statement that changes several shards, all or none of them: UPDATE and DELETE without a key,
// rows of one INSERT for several shards, DDL, writes to reference tables.
import Primitives
import QueryPlanning
import WireProtocol

final class ModifyExecution: MultiShardExecution {
    private let texts: [[UInt8]]
    private let tagCombination: TagCombination
    private var isDescribed: Bool
    private var rowCount: UInt64 = 0
    private var firstTag = ""
    private var countedCommand = ""

    /// - Parameter texts: one for all shards, or one a shard.
    init(
        worker: Worker, session: Int32, parent: Execution?, call: StatementCall, shards: [ShardIndex], texts: [[UInt8]],
        tag: TagCombination
    ) {
        self.texts = texts
        tagCombination = tag
        isDescribed = !call.wantsDescription
        super.init(worker: worker, session: session, parent: parent, call: call, shards: shards)
    }

    override var needsTransaction: Bool { shards.count > 1 }

    override func send(_ leg: Int) {
        let text = texts.count == 1 ? texts[0] : texts[leg]
        let kept = texts.count > 1 && call.bind != nil ? parametersMentioned(in: text) : nil
        worker.output(ofLink: legs[leg].link).pointee.output.writeCall(
            call, text: text, resultFormats: call.resultFormats, keptParameters: kept)
        expectReady(leg)
    }

    override func frame(_ frame: UnsafeRawBufferPointer, type: UInt8, leg: Int) {
        let isGone = worker.sessions.at(session).pointee.phase == .leaving
        switch type {
        case BackendMessageType.rowDescription:
            guard !isDescribed, !isGone else { return }
            isDescribed = true
            worker.output(ofSession: session).pointee.output.append(frame)
        case BackendMessageType.dataRow:
            guard failure == nil, !isGone, tagCombination == .sum || leg == 0 else { return }
            passRow(frame, leg)
        case BackendMessageType.commandComplete: noteTag(frame, leg)
        case BackendMessageType.errorResponse:
            let isFirst = failure == nil
            collect(frame, type: type, leg: leg)
            if isFirst { cancelLegs() }
        case BackendMessageType.noticeResponse:
            guard leg == 0, !isGone else { return }
            worker.output(ofSession: session).pointee.output.append(frame)
        default: collect(frame, type: type, leg: leg)
        }
    }

    private func passRow(_ frame: UnsafeRawBufferPointer, _ leg: Int) {
        let client = worker.output(ofSession: session)
        client.pointee.output.append(frame)
        guard client.pointee.output.count > worker.settings.limits.outputHighWaterBytes else { return }
        client.pointee.wantsDrained = true
        worker.streams.at(worker.links.at(legs[leg].link).pointee.stream.index).pointee.isReadPaused = true
    }

    override func clientDrained() {
        for leg in legs where leg.outstanding > 0 {
            let stream = worker.links.at(leg.link).pointee.stream
            if worker.streams.at(stream.index).pointee.isReadPaused { worker.resumeReading(stream) }
        }
    }

    private func noteTag(_ frame: UnsafeRawBufferPointer, _ leg: Int) {
        guard let message = try? CommandCompleteMessage(frame) else { return }
        if leg == 0 || firstTag.isEmpty { firstTag = message.tag.text }
        guard let count = message.rowCount else { return }
        countedCommand = message.command.text
        rowCount += count
    }

    override func succeeded() {
        worker.statistics.broadcasts &+= 1
        commitOwn()
    }

    override func committed() {
        if worker.sessions.at(session).pointee.phase != .leaving {
            let output = worker.output(ofSession: session)
            if tagCombination == .sum && !countedCommand.isEmpty {
                output.pointee.output.writeCommandComplete("\(countedCommand) \(rowCount)")
            } else {
                output.pointee.output.writeCommandComplete(firstTag)
            }
        }
        conclude(.success)
    }
}
