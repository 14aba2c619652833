// FetchExecution: has all shards hand over rows, of one instant, that a statement to come takes as array parameters. The client
// hears nothing of it. In a block, or in a transaction that its parent has opened.
import Primitives
import QueryPlanning
import ResultMerging
import WireProtocol

final class FetchExecution: MultiShardExecution {
    private let text: [UInt8]
    private let columnCounts: [Int]
    private let bounds: RowMerger.Bounds
    private var collector: PartialCollector
    /// What the client's statement returns, as its own text tells; empty if that was not asked for, or it returns nothing.
    private(set) var originalDescription: [UInt8] = []
    private var isOriginalDescribed = false

    /// - Parameters:
    ///   - call: the client's statement with its parameters. It is parsed and described too, for its errors and what it returns.
    ///   - text: what the shards run.
    init(
        worker: Worker, session: Int32, parent: Execution?, call: StatementCall, text: String, columnCounts: [Int], bounds: RowMerger.Bounds,
        shards: [ShardIndex]
    ) {
        self.text = Array(text.utf8)
        self.columnCounts = columnCounts
        self.bounds = bounds
        collector = PartialCollector(columnCounts: columnCounts, sourceCount: shards.count, bounds: bounds)
        super.init(worker: worker, session: session, parent: parent, call: call, shards: shards)
    }

    /// One literal a column, in text format; valid as long as this execution.
    var arrays: [UnsafeRawBufferPointer] { collector.arrays }

    override var effect: DataEffect { .reads }
    override var snapshotMoment: SnapshotMoment { .bind }
    override func lockingText(_ leg: Int) -> [UInt8]? { text }

    override func startOver() {
        collector = PartialCollector(columnCounts: columnCounts, sourceCount: shards.count, bounds: bounds)
        isOriginalDescribed = false
    }

    override func send(_ leg: Int) {
        let output = worker.outputEndingUnnamed(ofLink: legs[leg].link)
        if leg == 0 {
            call.text.withUnsafeBytes { text in
                output.pointee.output.writeParse(
                    name: UnsafeRawBufferPointer(start: nil, count: 0), text: text, parameterTypes: call.parameterTypes)
            }
            output.pointee.output.writeDescribe(.statement, name: "")
        }
        output.pointee.output.writeCall(call, text: text, resultFormats: [])
        expectReady(leg)
    }

    override func frame(_ frame: UnsafeRawBufferPointer, type: UInt8, leg: Int) {
        switch type {
        case BackendMessageType.rowDescription where leg == 0 && !isOriginalDescribed:
            isOriginalDescribed = true
            originalDescription = Array(frame)
        case BackendMessageType.noData where leg == 0 && !isOriginalDescribed: isOriginalDescribed = true
        case BackendMessageType.rowDescription where failure == nil:
            gather { (collector) throws(MergeError) in try collector.rowDescription(source: leg, frame: frame) }
        case BackendMessageType.dataRow:
            guard failure == nil else { return }
            gather { (collector) throws(MergeError) in try collector.dataRow(source: leg, frame: frame) }
        case BackendMessageType.errorResponse:
            let isFirst = failure == nil
            collect(frame, type: type, leg: leg)
            if isFirst { cancelLegs() }
        default: collect(frame, type: type, leg: leg)
        }
    }

    private func gather(_ body: (PartialCollector) throws(MergeError) -> Void) {
        do throws(MergeError) {
            try body(collector)
        } catch {
            noteFailure(error.asError)
            cancelLegs()
        }
    }

    override func succeeded() { conclude(.success) }
}
