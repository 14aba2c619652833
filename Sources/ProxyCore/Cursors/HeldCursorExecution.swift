// HeldCursorExecution: FETCH and MOVE of a cursor whose rows are held in the proxy.
import Primitives
import QueryPlanning
import ResultMerging
import WireProtocol

final class HeldCursorExecution: Execution {
    private let call: StatementCall
    private let cursor: HeldCursor
    private let movement: CursorMovement
    private let use: CursorUse
    /// The rows to give; nil before it has begun.
    private var rows: CursorRows?
    private var given: Int64 = 0

    init(
        worker: Worker, session: Int32, parent: Execution?, call: StatementCall, cursor: HeldCursor, movement: CursorMovement, use: CursorUse
    ) {
        self.call = call
        self.cursor = cursor
        self.movement = movement
        self.use = use
        super.init(worker: worker, session: session, parent: parent)
    }

    private var isClientGone: Bool { worker.sessions.at(session).pointee.phase == .leaving }

    override func resume() {
        guard rows == nil else { return }
        if let problem = cursor.problem(movement, isMove: use == .move) { return fail(problem) }
        let formats = cursor.formats(use, call)
        if use != .move, formats.contains(where: { $0 != cursor.format }) { return fail(cursor.otherFormat) }
        if use != .move, worker.sessions.at(session).pointee.detail?.textStyles != cursor.textStyles { return finish(.failure(cursor.otherStyles)) }
        rows = cursor.move(movement)
        if use == .fetch, call.wantsDescription, !isClientGone {
            worker.output(ofSession: session).pointee.output.writeRowDescription(cursor.fields.asked(formats))
        }
        give()
    }

    private func fail(_ message: DatabaseMessage) {
        cursor.hasFailed = true
        finish(.failure(message))
    }

    /// Gives rows as far as the client takes them.
    private func give() {
        guard let rows else { return }
        let isGiven = use != .move && !isClientGone
        while isGiven, given < rows.count {
            switch worker.room(ofSession: session) {
            case .free: break
            case .full:
                worker.output(ofSession: session).pointee.wantsDrained = true
                return
            // The FETCH is itself read in pieces, as a portal.
            case .exceeded: return fail(tooManyPortalRows)
            }
            let number = rows.isBackward ? rows.first - given : rows.first + given
            worker.output(ofSession: session).pointee.output.append(cursor.row(number))
            given += 1
        }
        worker.tellCursorEnd(session, use, rows.count, cursor)
        finish(.success)
    }

    override func clientDrained() { give() }

    override func cancelRequested() { fail(DatabaseMessage(error: .queryCanceled, "canceling statement due to user request")) }
}
