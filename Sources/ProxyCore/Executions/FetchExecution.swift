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
    /// One for all rows, or one for each shard of the cluster that rows are dealt to.
    private var collectors: [PartialCollector] = []
    private let dealing: FetchedModificationPlan.Dealing?
    /// What the client's statement returns, as its own text tells; empty if that was not asked for, or it returns nothing.
    private(set) var originalDescription: [UInt8] = []
    private var isOriginalDescribed = false

    /// - Parameters:
    ///   - call: the client's statement with its parameters. It is parsed and described too, for its errors and what it returns.
    ///   - plan: what the shards run, and who gets their rows.
    init(
        worker: Worker, session: Int32, parent: Execution?, call: StatementCall, plan: FetchedModificationPlan, bounds: RowMerger.Bounds,
        shards: [ShardIndex]
    ) {
        text = Array(plan.shardText.utf8)
        columnCounts = plan.columnCounts
        dealing = plan.dealing
        self.bounds = bounds
        super.init(worker: worker, session: session, parent: parent, call: call, shards: shards)
        collectors = makeCollectors()
    }

    private func makeCollectors() -> [PartialCollector] {
        (0..<(dealing == nil ? 1 : worker.shardCount)).map { _ in
            PartialCollector(columnCounts: columnCounts, sourceCount: shards.count, bounds: bounds)
        }
    }

    /// One literal a column of the rows for a shard, in text format; valid as long as this execution.
    func arrays(for shard: ShardIndex) -> [UnsafeRawBufferPointer] { collectors[dealing == nil ? 0 : shard.int].arrays }

    /// Whether a shard has rows to look at; without dealing all have.
    func hasRows(for shard: ShardIndex) -> Bool { dealing == nil || collectors[shard.int].rowCount > 0 }

    override var effect: DataEffect { .reads }
    override var snapshotMoment: SnapshotMoment { .bind }
    override func lockingText(_ leg: Int) -> [UInt8]? { text }

    override func startOver() {
        collectors = makeCollectors()
        isOriginalDescribed = false
    }

    override func send(_ leg: Int) {
        let output = worker.outputEndingUnnamed(ofLink: legs[leg].link)
        let call = call(call, for: leg)
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
            gather { () throws(MergeError) in
                for collector in collectors { try collector.rowDescription(source: leg, frame: frame) }
            }
        case BackendMessageType.dataRow:
            guard failure == nil else { return }
            gather { () throws(MergeError) in try collectors[place(of: frame)].dataRow(source: leg, frame: frame) }
        case BackendMessageType.errorResponse:
            let isFirst = failure == nil
            collect(frame, type: type, leg: leg)
            if isFirst { cancelLegs() }
        default: collect(frame, type: type, leg: leg)
        }
    }

    /// Which collector a row goes to.
    private func place(of frame: UnsafeRawBufferPointer) throws(MergeError) -> Int {
        guard let dealing else { return 0 }
        guard let row = try? DataRowMessage(frame), row.fieldCount > dealing.column, let key = row.field(dealing.column) else {
            throw MergeError(
                .featureNotSupported, "a source row of MERGE has no value for the sharding key",
                hint: "Leave such rows out of the source; a row without a key belongs to no shard.")
        }
        guard let shard = try? worker.cluster.map.shard(ofTextFormat: key, type: dealing.type, by: dealing.method) else {
            throw MergeError(.featureNotSupported, "no shard is known for the sharding key of a source row of MERGE")
        }
        return shard.int
    }

    private func gather(_ body: () throws(MergeError) -> Void) {
        do throws(MergeError) {
            try body()
        } catch {
            noteFailure(error.asError)
            cancelLegs()
        }
    }

    override func succeeded() { conclude(.success) }
}
