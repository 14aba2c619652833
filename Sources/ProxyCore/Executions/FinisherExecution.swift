// FinisherExecution: an aggregate query over many shards: each shard aggregates its part, then PostgreSQL itself, on one
// of the links the statement holds, makes the final rows from the partial ones.
//
// The first link also describes the original statement, so that the client sees the names and types it would see on
// one PostgreSQL. Partial rows are collected as array parameters, bounded by `mergeBytes`.
import Primitives
import QueryPlanning
import ResultMerging
import WireProtocol

final class FinisherExecution: MultiShardExecution {
    private let plan: ScatterPlan
    private let finisher: Finisher
    private var collector: PartialCollector
    private var isFinishing = false
    private var description: [UInt8] = []
    private var isOriginalDescribed = false
    private var tag = ""

    init(
        worker: Worker, session: Int32, parent: Execution?, call: StatementCall, plan: ScatterPlan, finisher: Finisher,
        shards: [ShardIndex]
    ) {
        self.plan = plan
        self.finisher = finisher
        collector = Self.collector(finisher, sourceCount: shards.count, worker)
        super.init(worker: worker, session: session, parent: parent, call: call, shards: shards)
    }

    override var snapshotMoment: SnapshotMoment { .bind }
    override var needsStableSnapshot: Bool { finisher.readsTables }
    /// In a block whose statements take snapshots of their own, the finisher's is another than that of the partial rows.
    override var holdsWindow: Bool { finisher.readsTables }

    override func lockingText(_ leg: Int) -> [UInt8]? { Array(plan.shardText.utf8) }

    private static func collector(_ finisher: Finisher, sourceCount: Int, _ worker: Worker) -> PartialCollector {
        PartialCollector(columnCounts: finisher.columnCounts, sourceCount: sourceCount, bounds: .init(worker.settings.limits))
    }

    override func startOver() {
        isOriginalDescribed = false
        isFinishing = false
        description = []
        collector = Self.collector(finisher, sourceCount: shards.count, worker)
    }

    override func send(_ leg: Int) {
        let output = worker.outputEndingUnnamed(ofLink: legs[leg].link)
        if leg == 0 && call.wantsDescription {
            let mark = output.pointee.output.beginFrame(FrontendMessageType.parse)
            output.pointee.output.append(UInt8(0))
            output.pointee.output.append(call.text)
            output.pointee.output.append(UInt8(0))
            let types = call(call, for: leg).parameterTypes
            output.pointee.output.append(count: types.count)
            for type in types { output.pointee.output.append(integer: type) }
            output.pointee.output.endFrame(mark)
            output.pointee.output.writeDescribe(.statement, name: "")
        }
        output.pointee.output.writeCall(call(call, for: leg), text: Array(plan.shardText.utf8), resultFormats: [])
        expectReady(leg)
    }

    private var isClientGone: Bool { worker.sessions.at(session).pointee.phase == .leaving }

    override func frame(_ frame: UnsafeRawBufferPointer, type: UInt8, leg: Int) {
        switch type {
        case BackendMessageType.rowDescription:
            if leg == 0 && call.wantsDescription && !isOriginalDescribed {
                isOriginalDescribed = true
                description = Array(frame)
            } else if !isFinishing, failure == nil {
                describePartials(frame, leg)
            }
        case BackendMessageType.bindComplete where isFinishing: finisherBound()
        case BackendMessageType.dataRow where failure == nil: row(frame, leg)
        case BackendMessageType.commandComplete where isFinishing:
            tag = (try? CommandCompleteMessage(frame))?.tag.text ?? ""
        case BackendMessageType.errorResponse:
            let isFirst = failure == nil
            collect(frame, type: type, leg: leg)
            if isFirst { cancelLegs() }
        default: collect(frame, type: type, leg: leg)
        }
    }

    private func describePartials(_ frame: UnsafeRawBufferPointer, _ leg: Int) {
        do throws(MergeError) {
            try collector.rowDescription(source: leg, frame: frame)
        } catch {
            noteFailure(error.asError)
            cancelLegs()
        }
    }

    private func row(_ frame: UnsafeRawBufferPointer, _ leg: Int) {
        if isFinishing {
            guard !isClientGone else { return }
            let client = worker.output(ofSession: session)
            client.pointee.output.append(frame)
            return pauseIfFull(leg)
        }
        do throws(MergeError) {
            try collector.dataRow(source: leg, frame: frame)
        } catch {
            noteFailure(error.asError)
            cancelLegs()
        }
    }

    override func clientDrained() {
        guard isFinishing, legs[0].outstanding > 0 else { return }
        let stream = worker.links.at(legs[0].link).pointee.stream
        if worker.streams.at(stream.index).pointee.isReadPaused { worker.resumeReading(stream) }
    }

    /// The finisher has its snapshot: nothing is taken back from here on.
    private func finisherBound() {
        releaseSnapshots()
        guard failure == nil, !description.isEmpty, !isClientGone else { return }
        description.withUnsafeBytes { worker.output(ofSession: session).pointee.output.append($0) }
    }

    override func committed() {
        if !isClientGone { worker.output(ofSession: session).pointee.output.writeCommandComplete(tag) }
        worker.statistics.scatters &+= 1
        if finisher.isGather { worker.statistics.gathers &+= 1 } else { worker.statistics.finishes &+= 1 }
        conclude(.success)
    }

    override func succeeded() {
        if isFinishing { return commitOwn() }
        isFinishing = true
        let output = worker.outputEndingUnnamed(ofLink: legs[0].link)
        writeFinisher(into: &output.pointee.output)
        expectReady(0)
    }

    /// The finisher with the client's own parameters in front of the arrays.
    private func writeFinisher(into output: inout ByteQueue) {
        let ownCount = finisher.firstArrayParameter - 1
        let own = call(call, for: 0)
        var types = own.parameterTypes.prefix(ownCount).map { $0 }
        while types.count < ownCount { types.append(0) }
        output.writeParse(name: "", text: finisher.text, parameterTypes: types)
        let mark = output.beginFrame(FrontendMessageType.bind)
        output.append(UInt8(0))
        output.append(UInt8(0))
        writeParameters(own.bind, ownCount: ownCount, into: &output)
        output.append(formats: call.resultFormats)
        output.endFrame(mark)
        if describesRows(0) { output.writeDescribe(.portal, name: "") }
        output.writeExecute(portal: "")
        output.writeSync()
    }

    private func writeParameters(_ bind: [UInt8]?, ownCount: Int, into output: inout ByteQueue) {
        let arrays = collector.arrays
        (bind ?? []).withUnsafeBytes { bytes in
            let message = bind == nil ? nil : try? BindMessage(bytes)
            let formats = StatementCall.formats(of: message, count: ownCount)
            output.append(formats: formats + Array(repeating: FormatCode.text, count: arrays.count))
            output.append(count: ownCount + arrays.count)
            output.append(valuesOf: message, count: ownCount)
        }
        for array in arrays { output.append(value: array) }
    }
}
