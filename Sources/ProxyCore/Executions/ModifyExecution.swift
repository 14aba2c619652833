// ModifyExecution: one statement that changes several shards, all or none of them: UPDATE and DELETE without a key,
// rows of one INSERT for several shards, DDL, writes to reference tables.
import Primitives
import QueryPlanning
import ResultMerging
import WireProtocol

final class ModifyExecution: MultiShardExecution {
    private let texts: [[UInt8]]
    private let tagCombination: TagCombination
    private var isDescribed: Bool
    /// Rows that all shards together say they have changed.
    private(set) var rowCount: UInt64 = 0
    private var firstTag = ""
    /// Rows that the first shard to answer has changed.
    private var firstCount: UInt64?
    private var countedCommand = ""
    /// It failed as the copies of a reference table were not alike at that moment, or for the snapshot it had to have, and the client has
    /// been told nothing of it.
    var mayBeRunAgain: Bool { (areCopiesUnlike || isSerializationFailure) && !hasToldClient }
    /// It had a snapshot for all it did, which one PostgreSQL would not have kept.
    private var isSerializationFailure: Bool {
        ownsTransaction && needsStableSnapshot && failure?.sqlState == .serializationFailure
    }
    private var areCopiesUnlike = false
    private var hasToldClient = false

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

    /// The description of what the client's own text returns, where the shards run another.
    var description: [UInt8] = []

    /// The values of each leg, where they differ from leg to leg.
    var callsByLeg: [StatementCall] = []

    /// The other shards are not cancelled when one fails: what comes next there must not be hit by a cancel that is late.
    var leavesOthersAlone = false

    /// RETURNING rows come out in the order of the statement's rows.
    private var inputOrder: InputOrderMerger?

    /// - Parameter inputRows: for each shard the numbers of the statement's rows it gets.
    func restoreOrder(_ inputRows: [[Int]]) {
        inputOrder = InputOrderMerger(
            inputRows: inputRows, bounds: .init(worker.settings.limits), pool: worker.streams.pool.reference)
    }

    override var needsTransaction: Bool { shards.count > 1 }

    /// What it inserts it reads on each shard: all of it must be of one instant. Of UPDATE, DELETE and MERGE that is not promised, since their
    /// rows are locked: PostgreSQL goes on with the newest of them.
    override var needsStableSnapshot: Bool { call.plan.insertsWhatItReads }

    /// The same row of a reference table is locked on all shards. Were they asked at once, two sessions could each get the
    /// lock first somewhere and wait for each other, which no shard would notice. So the lowest shard decides whose turn it is.
    override var asksLowestFirst: Bool { tagCombination == .first && !call.plan.changesCatalog && legs.count > 1 }

    /// What the statement does to sequences that the shards share. With it a leg is asked up to three times: before the statement and the
    /// statement, at once, and after it.
    private var sequences: SequenceChange? { shards.count > 1 ? call.plan.sequences : nil }

    /// The table whose other writers each shard waits for first, letting nobody else begin.
    private var lockedTable: String? { tagCombination == .first && shards.count > 1 ? call.plan.lockedTable : nil }

    /// Legs that have been asked what comes after the statement.
    private var sharingLegs: Set<Int> = []

    /// What comes from the leg answers what the proxy asks for itself, before the statement or after it.
    private func isOwnQuestion(_ leg: Int) -> Bool {
        guard sequences != nil || lockedTable != nil else { return false }
        return legs[leg].outstanding == 2 || sharingLegs.contains(leg)
    }

    override func send(_ leg: Int) {
        if let lockedTable { ask(leg, "LOCK TABLE \(lockedTable) IN SHARE ROW EXCLUSIVE MODE") }
        if let sequences, let text = InternalSchema.restore(sequences) { ask(leg, text) }
        sendStatement(leg)
    }

    private func sendStatement(_ leg: Int) {
        let text = texts.count == 1 ? texts[0] : texts[leg]
        let call = callsByLeg.isEmpty ? self.call : callsByLeg[leg]
        let kept = texts.count > 1 && call.bind != nil ? parametersMentioned(in: text) : nil
        worker.outputEndingUnnamed(ofLink: legs[leg].link).pointee.output.writeCall(
            self.call(call, for: leg), text: text, resultFormats: call.resultFormats, keptParameters: kept)
        expectReady(leg)
    }

    override func frame(_ frame: UnsafeRawBufferPointer, type: UInt8, leg: Int) {
        let isGone = worker.sessions.at(session).pointee.phase == .leaving
        if isOwnQuestion(leg) { return ownFrame(frame, type: type, leg) }
        switch type {
        case BackendMessageType.rowDescription:
            order { (order) throws(MergeError) in try order.rowDescription(source: leg, frame: frame) }
            guard !isDescribed, !isGone else { return }
            isDescribed = true
            hasToldClient = true
            let output = worker.output(ofSession: session)
            if description.isEmpty {
                output.pointee.output.append(frame)
            } else {
                description.withUnsafeBytes { output.pointee.output.append($0) }
            }
        case BackendMessageType.dataRow:
            guard failure == nil, !isGone, tagCombination == .sum || leg == 0 else { return }
            passRow(frame, leg)
        case BackendMessageType.commandComplete:
            noteTag(frame, leg)
            guard !isGone else { return }
            order { [self] (order) throws(MergeError) in
                order.finished(source: leg, into: &worker.output(ofSession: session).pointee.output)
            }
        case BackendMessageType.errorResponse:
            let isFirst = failure == nil
            collect(frame, type: type, leg: leg)
            if isFirst, !leavesOthersAlone { cancelLegs() }
        case BackendMessageType.noticeResponse:
            guard leg == 0, !isGone else { return }
            hasToldClient = true
            worker.output(ofSession: session).pointee.output.append(frame)
        default: collect(frame, type: type, leg: leg)
        }
    }

    /// Fields that tell where in the proxy's functions an error arose.
    private static let originFields = [
        DatabaseMessage.FieldCode.context, DatabaseMessage.FieldCode.file, DatabaseMessage.FieldCode.line,
        DatabaseMessage.FieldCode.routine,
    ]

    /// Of what the proxy asks for itself the client sees nothing but an error.
    private func ownFrame(_ frame: UnsafeRawBufferPointer, type: UInt8, _ leg: Int) {
        guard type == BackendMessageType.errorResponse, var message = try? DatabaseMessage(frame: frame) else { return }
        message.fields.removeAll { Self.originFields.contains($0.code) }
        let isFirst = failure == nil
        noteFailure(message)
        if isFirst { cancelLegs() }
    }

    /// Calls the merger that restores the order, where there is one.
    private func order(_ body: (InputOrderMerger) throws(MergeError) -> Void) {
        guard let inputOrder, failure == nil else { return }
        do throws(MergeError) {
            try body(inputOrder)
        } catch {
            noteFailure(error.asError)
            cancelLegs()
        }
    }

    private func passRow(_ frame: UnsafeRawBufferPointer, _ leg: Int) {
        if inputOrder != nil {
            return order { [self] (order) throws(MergeError) in
                try order.dataRow(source: leg, frame: frame, into: &worker.output(ofSession: session).pointee.output)
            }
        }
        hasToldClient = true
        let client = worker.output(ofSession: session)
        client.pointee.output.append(frame)
        pauseIfFull(leg)
    }

    override func clientDrained() {
        order { [self] (order) throws(MergeError) in order.resume(into: &worker.output(ofSession: session).pointee.output) }
        for leg in legs where leg.outstanding > 0 {
            let stream = worker.links.at(leg.link).pointee.stream
            if worker.streams.at(stream.index).pointee.isReadPaused { worker.resumeReading(stream) }
        }
        if inputOrder != nil, !hasOutstanding { allReady() }
    }

    private func noteTag(_ frame: UnsafeRawBufferPointer, _ leg: Int) {
        guard let message = try? CommandCompleteMessage(frame) else { return }
        if leg == 0 || firstTag.isEmpty { firstTag = message.tag.text }
        guard let count = message.rowCount else { return }
        countedCommand = message.command.text
        rowCount &+= count
        checkAlike(count)
    }

    /// The copies of a reference table must change alike. A shard that another transaction's commit has not reached yet does not see
    /// its rows, and would be left with other ones than the rest.
    private func checkAlike(_ count: UInt64) {
        guard tagCombination == .first, Self.writes.contains(countedCommand) else { return }
        defer { firstCount = firstCount ?? count }
        guard let firstCount, firstCount != count else { return }
        areCopiesUnlike = areCopiesUnlike || failure == nil
        noteFailure(
            DatabaseMessage(
                error: .serializationFailure, "the copies of a reference table are not alike on all shards at this moment",
                detail: "The statement changed \(firstCount) rows on one shard, and \(count) on another.",
                hint: "Another transaction may be committing; run this one again. If it fails for good, look for writes that did not come through the proxy."))
    }

    /// The lowest shard's rows decide. Where it has changed none, the others must not change any either, nor lock them out of turn; triggers
    /// may have done something all the same.
    private var isDoneOnLowest: Bool {
        firstCount == 0 && Self.writes.contains(countedCommand) && !call.plan.runsTriggers && sequences == nil
    }

    override func legReady(_ leg: Int) {
        // Not in the same write: where BEGIN fails the shard goes on behind the statement, outside of the block.
        if let sequences, failure == nil, !legs[leg].isLost, sharingLegs.insert(leg).inserted {
            return ask(leg, InternalSchema.share(sequences, shard: legs[leg].shard, shardCount: worker.shardCount))
        }
        guard leg == 0, asksLowestFirst, failure == nil, isDoneOnLowest else { return super.legReady(leg) }
        let transaction = worker.sessions.at(session).pointee.detail?.transaction
        for other in legs.indices.dropFirst() {
            if ownsTransaction, let place = transaction?.participant(on: legs[other].shard) { transaction?.participants[place].effect = .reads }
            // COMMIT must find that they have begun.
            ask(other, ";")
        }
    }

    private static let writes: Set<String> = ["INSERT", "UPDATE", "DELETE", "MERGE"]

    override func answered() {
        // Rows held back only because the client was slow go out before the statement ends.
        if failure == nil, let inputOrder, inputOrder.hasRowsReady, worker.sessions.at(session).pointee.phase != .leaving {
            worker.output(ofSession: session).pointee.wantsDrained = true
            return
        }
        super.answered()
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
