// StreamedCursorExecution: FETCH and MOVE of a cursor whose rows are still on the shards.
//
// It asks for rows a batch at a time, and for the next only when the client has taken what there is. A batch whose rows are longer than
// those before is read as fast as they can be given or merged. Rows that came and are not asked for by this FETCH wait in the cursor.
import Primitives
import QueryPlanning
import ResultMerging
import WireProtocol

final class StreamedCursorExecution: Execution {
    private let call: StatementCall
    private let cursor: StreamedCursor
    private let movement: CursorMovement
    private let use: CursorUse
    private var isBegun = false
    private var isDescribed = false
    /// Rows to pass over, and then to give (MOVE: to count).
    private var skipped: Int64 = 0
    private var wanted: Int64 = 0
    private var passed: Int64 = 0
    private var given: Int64 = 0
    private var standing: Int64 = 0
    /// The leg of each shard that was asked for rows.
    private var legOfSource: [Int?]
    private var sourceOfLeg: [Int] = []
    /// Rows asked of each source and not come yet.
    private var due: [Int]
    /// Some leg may be paused.
    private var mayBePaused = false

    init(
        worker: Worker, session: Int32, parent: Execution?, call: StatementCall, cursor: StreamedCursor, movement: CursorMovement,
        use: CursorUse
    ) {
        self.call = call
        self.cursor = cursor
        self.movement = movement
        self.use = use
        legOfSource = Array(repeating: nil, count: cursor.shards.count)
        due = Array(repeating: 0, count: cursor.shards.count)
        super.init(worker: worker, session: session, parent: parent)
    }

    private var isClientGone: Bool { worker.sessions.at(session).pointee.phase == .leaving }

    override func resume() {
        guard !isBegun else { return }
        isBegun = true
        if let problem = cursor.problem(movement, isMove: use == .move) { return fail(problem) }
        if let detail = worker.sessions.at(session).pointee.detail, detail.heldBytes > worker.settings.limits.mergeBytes {
            return fail(.tooManyRows(ofCursor: cursor.name, limit: worker.settings.limits.mergeBytes))
        }
        let changeCount = worker.sessions.at(session).pointee.detail?.transaction?.changeCount ?? 0
        guard !cursor.locksRows || !cursor.holdsRows || changeCount == cursor.changeCount else { return fail(cursor.lockedAhead) }
        cursor.changeCount = changeCount
        let styles = worker.sessions.at(session).pointee.detail?.textStyles ?? []
        if !cursor.holdsRows { cursor.textStyles = styles }
        guard styles == cursor.textStyles else { return finish(.failure(cursor.otherStyles)) }
        let formats = cursor.formats(use, call)
        // Rows that MOVE passes over come in some format, too, and others with them.
        if use != .move || !cursor.hasFormats, !cursor.take(formats) { return fail(cursor.otherFormat) }
        (skipped, wanted, standing) = cursor.position.forwardSteps(movement)
        isDescribed = use != .fetch || !call.wantsDescription
        proceed()
    }

    /// PostgreSQL describes the rows once it has them: a FETCH that fails is answered by the error alone.
    private func describe() {
        guard !isDescribed, !isClientGone else { return }
        isDescribed = true
        worker.output(ofSession: session).pointee.output.writeRowDescription(cursor.fields.asked(cursor.formats(use, call)))
    }

    // MARK: Rows to the client

    private var isEnough: Bool { passed == skipped && given == wanted || isClientGone || cursor.position.isBehindLast }
    private var isAtEnd: Bool { (cursor.merger.isComplete || cursor.merger.isDone) && cursor.firstRow == nil }
    private var isClientSlow: Bool { use != .move && passed == skipped && worker.room(ofSession: session) == .full }

    /// Goes on as far as it can.
    private func proceed() {
        guard failure == nil else { return }
        do throws(MergeError) {
            try cursor.merger.resume(into: &cursor.ready.stream.pointee.output)
            try advance()
        } catch {
            return stop(error.asError)
        }
        if isOverLimit { return stop(tooManyPortalRows) }
        resumeWanted()
        if isEnough || isAtEnd { return hasOutstanding ? () : complete() }
        if isClientSlow {
            worker.output(ofSession: session).pointee.wantsDrained = true
        } else {
            ask()
        }
    }

    /// The FETCH is itself read in pieces, as a portal.
    private var isOverLimit: Bool { use != .move && worker.room(ofSession: session) == .exceeded }

    /// Merges and gives rows as far as those that have come allow.
    private func advance() throws(MergeError) {
        passRows()
        while cursor.merger.hasRowsReady, !isEnough, !isClientSlow, !isOverLimit {
            try cursor.merger.resume(into: &cursor.ready.stream.pointee.output)
            passRows()
        }
    }

    private func passRows() {
        while !isEnough, !isClientSlow, let row = cursor.firstRow {
            if passed < skipped {
                passed += 1
            } else {
                describe()
                if use != .move { worker.output(ofSession: session).pointee.output.append(row) }
                given += 1
            }
            cursor.dropFirstRow(row)
        }
    }

    private func complete() {
        describe()
        let isAtEnd = passed < skipped || given < wanted
        cursor.position.advance(by: passed + given, isAtEnd: isAtEnd)
        worker.tellCursorEnd(session, use, given + standing, cursor)
        finish(.success)
    }

    private func fail(_ message: DatabaseMessage) {
        cursor.hasFailed = true
        finish(.failure(message))
    }

    /// Ends it once the shards have.
    private func stop(_ message: DatabaseMessage) {
        noteFailure(message)
        endLegs()
        if !hasOutstanding { allReady() }
    }

    // MARK: Rows from the shards

    /// Pauses a leg whose rows can neither be given nor merged yet. Behind what the FETCH needs the rest of a batch is read at once: the
    /// next statement wants the link.
    private func throttle(_ leg: Int, _ source: Int) {
        guard !isEnough, mustWait(source) else { return }
        worker.streams.at(worker.links.at(legs[leg].link).pointee.stream.index).pointee.isReadPaused = true
        mayBePaused = true
        // Those that the merge waits for may be at the end of a batch.
        if isClientSlow { worker.output(ofSession: session).pointee.wantsDrained = true } else { ask() }
    }

    private func mustWait(_ source: Int) -> Bool {
        !cursor.merger.wantsRows(from: source) || isClientSlow && cursor.heldBytes > worker.settings.limits.outputHighWaterBytes
    }

    private func resumeWanted() {
        guard mayBePaused else { return }
        mayBePaused = false
        for (leg, source) in sourceOfLeg.enumerated() where !legs[leg].isLost {
            if isEnough || !mustWait(source) { worker.readOn(legs[leg].link) } else { mayBePaused = true }
        }
    }

    /// What the shards still send is dropped.
    private func endLegs() {
        cancelLegs()
        mayBePaused = false
        for leg in legs where !leg.isLost { worker.readOn(leg.link) }
    }

    /// Asks the shards without whose next rows nothing can be given; without an order one after the other, so that none gives more than
    /// is asked for.
    private func ask() {
        for source in cursor.shards.indices where cursor.merger.needsRows(from: source) {
            if !isOwed(source), !ask(source) { return }
            if !cursor.isOrdered { return }
        }
    }

    /// The end of a batch has not come yet, although all its rows may have.
    private func isOwed(_ source: Int) -> Bool { legOfSource[source].map { legs[$0].outstanding > 0 } ?? false }

    private func ask(_ source: Int) -> Bool {
        guard let leg = leg(source) else {
            stop(
                DatabaseMessage(
                    error: .connectionFailure, "the rows of cursor \"\(cursor.name)\" on shard \(cursor.shards[source]) are lost with the connection",
                    hint: "Run the transaction again."))
            return false
        }
        let missing = min(Int64(cursor.batchRows), (skipped - passed).addingReportingOverflow(wanted - given).partialValue)
        let count = missing > 0 ? Int(missing) : cursor.batchRows
        due[source] = count
        let output = worker.outputEndingUnnamed(ofLink: legs[leg].link)
        output.pointee.output.writeParse(name: "", text: "FETCH FORWARD \(count) FROM \(cursor.shardName)")
        output.pointee.output.writeBind(resultFormats: cursor.shardFormats)
        if describesRows(leg) { output.pointee.output.writeDescribe(.portal, name: "") }
        output.pointee.output.writeExecute(portal: "")
        output.pointee.output.writeSync()
        expectReady(leg)
        return true
    }

    private func leg(_ source: Int) -> Int? {
        if let leg = legOfSource[source] { return legs[leg].isLost ? nil : leg }
        guard let transaction = worker.sessions.at(session).pointee.detail?.transaction,
            let place = transaction.participant(on: cursor.shards[source])
        else { return nil }
        let leg = addLeg(link: transaction.participants[place].link)
        legOfSource[source] = leg
        sourceOfLeg.append(source)
        return leg
    }

    override func frame(_ frame: UnsafeRawBufferPointer, type: UInt8, leg: Int) {
        let source = sourceOfLeg[leg]
        guard failure == nil else { return collect(frame, type: type, leg: leg) }
        do throws(MergeError) {
            switch type {
            case BackendMessageType.dataRow:
                due[source] -= 1
                cursor.noteRow(bytes: frame.count)
                try cursor.merger.dataRow(source: source, frame: frame, into: &cursor.ready.stream.pointee.output)
                try advance()
                if isOverLimit { return stop(tooManyPortalRows) }
                throttle(leg, source)
                resumeWanted()
            case BackendMessageType.commandComplete:
                if due[source] > 0 { try cursor.merger.finished(source: source, into: &cursor.ready.stream.pointee.output) }
                due[source] = 0
                resumeWanted()
            case BackendMessageType.errorResponse:
                collect(frame, type: type, leg: leg)
                endLegs()
            default: collect(frame, type: type, leg: leg)
            }
        } catch {
            noteFailure(error.asError)
            endLegs()
        }
    }

    override func rowTooLarge(_ message: DatabaseMessage) {
        noteFailure(message)
        endLegs()
    }

    override func lost(_ link: Int32, reason: String) {
        super.lost(link, reason: reason)
        if failure != nil, hasOutstanding { endLegs() }
    }

    override func legReady(_ leg: Int) { proceed() }

    override func allReady() {
        if let failure { return fail(failure) }
    }

    override func clientDrained() { proceed() }

    override func pauses(_ link: Int32) -> Bool { mayBePaused && legs.contains { $0.link == link } }

    override func cancelRequested() {
        if hasOutstanding { return endLegs() }
        fail(DatabaseMessage(error: .queryCanceled, "canceling statement due to user request"))
    }
}
