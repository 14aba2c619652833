// ExplainShardsExecution: EXPLAIN of each shard's part of a statement. With ANALYZE the parts are carried out, so what changes several
// shards is all or nothing.
import Primitives
import QueryPlanning
import WireProtocol

final class ExplainShardsExecution: MultiShardExecution {
    private let texts: [[UInt8]]
    private let writes: Bool
    private let isLowestFirst: Bool
    private var bytes = 0
    /// What each shard said, line by line.
    private(set) var lines: [[[UInt8]]]

    /// - Parameters:
    ///   - texts: one for all shards, or one a shard.
    ///   - writes: the parts are carried out and change something.
    ///   - isLowestFirst: the lowest shard is asked first (see ModifyExecution).
    init(
        worker: Worker, session: Int32, parent: Execution?, call: StatementCall, shards: [ShardIndex], texts: [[UInt8]], writes: Bool,
        isLowestFirst: Bool
    ) {
        self.texts = texts
        self.writes = writes
        self.isLowestFirst = isLowestFirst
        lines = Array(repeating: [], count: shards.count)
        super.init(worker: worker, session: session, parent: parent, call: call, shards: shards)
    }

    override var needsTransaction: Bool { writes && shards.count > 1 }
    override var asksLowestFirst: Bool { isLowestFirst && legs.count > 1 }

    override func send(_ leg: Int) {
        let text = texts.count == 1 ? texts[0] : texts[leg]
        let kept = texts.count > 1 && call.bind != nil ? parametersMentioned(in: text) : nil
        worker.outputEndingUnnamed(ofLink: legs[leg].link).pointee.output.writeCall(call(call, for: leg), text: text, resultFormats: [], keptParameters: kept)
        expectReady(leg)
    }

    override func frame(_ frame: UnsafeRawBufferPointer, type: UInt8, leg: Int) {
        switch type {
        case BackendMessageType.dataRow: keep(frame, leg)
        case BackendMessageType.errorResponse:
            let isFirst = failure == nil
            collect(frame, type: type, leg: leg)
            if isFirst { cancelLegs() }
        default: collect(frame, type: type, leg: leg)
        }
    }

    private func keep(_ frame: UnsafeRawBufferPointer, _ leg: Int) {
        guard failure == nil, let row = try? DataRowMessage(frame), row.fieldCount > 0, let line = row.field(0) else { return }
        bytes += line.count
        guard bytes <= worker.settings.limits.mergeBytes else {
            noteFailure(
                DatabaseMessage(
                    error: .configurationLimitExceeded,
                    "the output of EXPLAIN is over the limit of \(worker.settings.limits.mergeBytes) bytes", hint: "Raise limits.merge."))
            return cancelLegs()
        }
        lines[leg] += line.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { Array($0) }
    }

    override func succeeded() { commitOwn() }
}
