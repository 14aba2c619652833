// DeclareCursorExecution: DECLARE of a cursor over several shards. The query runs with its answers diverted into a buffer bounded by
// `limits.merge`; the cursor is read from that.
import Primitives
import QueryPlanning
import WireProtocol

final class DeclareCursorExecution: DivertingExecution {
    private let declaration: CursorDeclaration
    private let query: StatementCall
    private let format: FormatCode
    private var isStarted = false
    private var answer: PortalBuffer?

    /// - Parameters:
    ///   - plan: for the query at `range` of the statement's text.
    init(
        worker: Worker, session: Int32, parent: Execution?, call: StatementCall, declaration: CursorDeclaration, plan: StatementPlan,
        range: Range<Int>
    ) {
        self.declaration = declaration
        // A driver that will fetch binary values (psycopg) asks for them here already, where PostgreSQL takes no notice of it.
        format = declaration.isBinary || call.resultFormats == [.binary] ? .binary : .text
        query = call.inner(plan, at: range, formats: format == .binary ? [.binary] : [])
        super.init(worker: worker, session: session, parent: parent)
    }

    override func resume() {
        guard !isStarted, let detail = record.pointee.detail else { return }
        isStarted = true
        answer = divert(reservedBytes: detail.heldBytes)
        worker.start(StatementExecution(worker: worker, session: session, parent: self, call: query), on: session)
    }

    override func childFinished(_ child: Execution, _ outcome: Outcome) {
        endDiversion()
        if case .failure(let message) = outcome { return finish(.failure(explained(message))) }
        guard let answer, let detail = record.pointee.detail else { return }
        let cursor = HeldCursor(declaration, format: format, answer: answer) { tellClient($0) }
        cursor.textStyles = detail.textStyles
        detail.cursors.insert(declaration.name, worker.declared(.session(cursor), isHeld: declaration.isHeld, session))
        worker.tellComplete(session, "DECLARE CURSOR")
        finish(.success)
    }

    /// The limit is told in the words of this statement.
    private func explained(_ message: DatabaseMessage) -> DatabaseMessage {
        guard message.sqlState == .configurationLimitExceeded else { return message }
        return .tooManyRows(ofCursor: declaration.name, limit: worker.settings.limits.mergeBytes)
    }
}

extension StatementCall {
    /// The query inside of the statement as a statement of its own. Blanks stand for what is before it, so that places in it are the same.
    func inner(_ plan: StatementPlan, at range: Range<Int>, formats: [FormatCode]) -> StatementCall {
        var query = StatementCall(plan: plan, text: Array(repeating: UInt8(ascii: " "), count: range.lowerBound) + text[range])
        query.parameterTypes = parameterTypes
        query.describedTypes = describedTypes
        if bind != nil || !formats.isEmpty { query.bind = withResultFormats(formats) }
        return query
    }

    /// The client's Bind with other result formats, or one of no values.
    func withResultFormats(_ formats: [FormatCode]) -> [UInt8] {
        let pool = BlockPool()
        var queue = ByteQueue(pool: pool.reference)
        defer { queue.free() }
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        (bind ?? []).withUnsafeBytes { bytes in
            if bind != nil, let message = try? BindMessage(bytes) {
                queue.writeBind(message, portal: nothing, statement: nothing, resultFormats: formats)
            } else {
                queue.writeBind(resultFormats: formats)
            }
        }
        return Array(queue.readable)
    }
}

extension Worker {
    /// A cursor as it is declared now.
    func declared(_ home: DeclaredCursor.Home, isHeld: Bool, _ index: Int32) -> DeclaredCursor {
        let transaction = sessions.at(index).pointee.detail?.transaction
        return DeclaredCursor(
            home: home, isHeld: isHeld, isPersistent: transaction == nil, savepointDepth: transaction?.savepointDepth ?? 0)
    }

    /// Why a cursor cannot be declared now, where the shard of its query would not see it.
    func problem(_ declaration: CursorDeclaration, _ index: Int32) -> DatabaseMessage? {
        let session = sessions.at(index)
        guard let detail = session.pointee.detail else { return nil }
        var isOnShard = false
        if case .oneShard = declaration.query { isOnShard = true }
        if declaration.name.isEmpty, !isOnShard {
            return DatabaseMessage(error: .invalidCursorName, "invalid cursor name: must not be empty")
        }
        // One Query with several statements is a block; a pipeline is none.
        let isInBlock = detail.transaction.map { $0.isExplicit || !session.pointee.isBatchOpen } ?? isOnShard
        if !declaration.isHeld, !isInBlock {
            return DatabaseMessage(error: .noActiveSQLTransaction, "DECLARE CURSOR can only be used in transaction blocks")
        }
        if detail.cursors[declaration.name] != nil {
            return DatabaseMessage(error: .duplicateCursor, "cursor \"\(declaration.name)\" already exists")
        }
        if detail.cursors.count >= settings.limits.portalsPerSession {
            return DatabaseMessage(
                error: .configurationLimitExceeded, "too many open cursors in this session",
                hint: "Close those no longer needed; the limit is \(settings.limits.portalsPerSession).")
        }
        return nil
    }
}
