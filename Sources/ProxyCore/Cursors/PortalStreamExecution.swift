// PortalStreamExecution: Execute of a portal with a row limit, in a block, whose rows can be read from the shards as they are wanted. The first
// one declares a cursor on each shard, unless the portal was opened before (PortalOpening); each reads as many rows as it asks for.
import Primitives
import QueryPlanning
import ResultMerging
import WireProtocol

final class PortalStreamExecution: Execution {
    private let call: StatementCall
    private let name: [UInt8]
    private let movement: CursorMovement?
    private var isStarted = false

    /// - Parameters:
    ///   - name: the portal's.
    ///   - movement: which rows are read; nil: it is only opened.
    init(worker: Worker, session: Int32, call: StatementCall, name: [UInt8], movement: CursorMovement?) {
        self.call = call
        self.name = name
        self.movement = movement
        super.init(worker: worker, session: session, parent: nil)
    }

    private var detail: SessionDetail? { worker.sessions.at(session).pointee.detail }

    override func resume() {
        guard !isStarted else { return }
        isStarted = true
        if let cursor = detail?.portals[name]?.cursor { return fetch(cursor) }
        do throws(DatabaseMessage) {
            try open()
        } catch {
            fail(error)
        }
    }

    private func open() throws(DatabaseMessage) {
        guard let (route, scatter) = call.plan.streamed else { throw DatabaseMessage(error: .internalError, "the portal is not streamed") }
        let window: RowWindow
        do throws(MergeError) {
            window = try call.window(of: scatter)
        } catch {
            throw error.asError
        }
        let shards: [ShardIndex]
        switch worker.resolve(route, of: call, session: session) {
        case .one(let shard): shards = [shard]
        case .many(let set): shards = set.shards
        case .refused(let refusal): throw DatabaseMessage(refusal)
        }
        worker.start(
            DeclareStreamExecution(
                worker: worker, session: session, parent: self, call: call, name: String(decoding: name, as: UTF8.self), isBinary: false,
                scatter: scatter, window: window, shards: shards), on: session)
    }

    private func fetch(_ cursor: StreamedCursor) {
        guard let movement else { return finish(.success) }
        worker.start(
            StreamedCursorExecution(
                worker: worker, session: session, parent: self, call: call, cursor: cursor, movement: movement, use: .execute), on: session)
    }

    override func childFinished(_ child: Execution, _ outcome: Outcome) {
        if case .failure(let message) = outcome { return fail(message) }
        if let opened = child as? DeclareStreamExecution, let cursor = opened.cursor {
            detail?.portals[name]?.cursor = cursor
            return fetch(cursor)
        }
        finish(.success)
    }

    private func fail(_ message: DatabaseMessage) {
        worker.tellError(session, message)
        worker.failBatch(session)
        finish(.success)
    }
}

/// Closes what a streamed cursor has on the shards, for a Close message or because its portal is replaced.
final class CloseStreamExecution: Execution {
    private let cursor: StreamedCursor
    private let isTold: Bool
    private var isStarted = false

    /// - Parameter isTold: the client has asked for it.
    init(worker: Worker, session: Int32, cursor: StreamedCursor, isTold: Bool) {
        self.cursor = cursor
        self.isTold = isTold
        super.init(worker: worker, session: session, parent: nil)
    }

    private var detail: SessionDetail? { worker.sessions.at(session).pointee.detail }

    override func resume() {
        guard !isStarted else { return }
        isStarted = true
        for link in worker.links(of: cursor, session) { ask(addLeg(link: link), "CLOSE \(cursor.shardName)") }
        if !hasOutstanding { allReady() }
    }

    override func allReady() {
        if let failure, isTold {
            worker.tellError(session, failure)
            worker.failBatch(session)
        } else if let failure, let transaction = detail?.transaction {
            // The block has failed, and nothing else tells the client.
            transaction.untoldLoss = transaction.untoldLoss ?? failure
            worker.sessions.at(session).pointee.status = TransactionStatus.failed.rawValue
        } else if isTold, worker.sessions.at(session).pointee.phase != .leaving {
            worker.output(ofSession: session).pointee.output.writeCloseComplete()
        }
        finish(.success)
    }
}

extension Worker {
    /// The links of the block on which a streamed cursor has a part.
    func links(of cursor: StreamedCursor, _ index: Int32) -> [Int32] {
        guard let transaction = sessions.at(index).pointee.detail?.transaction else { return [] }
        return cursor.shards.compactMap { shard in transaction.participant(on: shard).map { transaction.participants[$0].link } }
    }

    /// Execute of a portal whose rows stay on the shards; nil: it is carried out otherwise.
    func executeStreamed(
        _ index: Int32, _ portal: Portal, _ statement: SharedStatement, _ message: ExecuteMessage
    ) -> FrameResult? {
        let session = sessions.at(index)
        guard let detail = session.pointee.detail, detail.transaction != nil, portal.cursor != nil || !portal.isDone && message.maximumRows > 0,
            portal.plan.streamed != nil
        else { return nil }
        if let refusal = refusal(of: portal.plan, session) { return raise(index, refusal) }
        guard isQuiescent(index) else { return .blocked }
        let name = Array(message.portal)
        detail.portals[name]?.isDone = true
        let movement = CursorMovement(.forward, message.maximumRows > 0 ? Int64(message.maximumRows) : CursorMovement.all)
        start(PortalStreamExecution(worker: self, session: index, call: call(of: portal, statement), name: name, movement: movement), on: index)
        return .consumed
    }

    /// Close of a cursor or portal whose rows are on the shards.
    func close(_ cursor: StreamedCursor, _ index: Int32) -> FrameResult {
        let session = sessions.at(index)
        guard isQuiescent(index) else { return .blocked }
        // In a block that has failed nothing can be closed, nor need it be.
        guard session.pointee.status != TransactionStatus.failed.rawValue else {
            output(ofSession: index).pointee.output.writeCloseComplete()
            return .consumed
        }
        start(CloseStreamExecution(worker: self, session: index, cursor: cursor, isTold: true), on: index)
        return .consumed
    }

    /// Forgets the unnamed portal, as Query and the next Bind of it do, with what it has on the shards.
    /// - Returns: nil: that is done; else the frame waits.
    @inline(never)
    func dropUnnamedPortal(_ index: Int32, _ session: UnsafeMutablePointer<Session>) -> FrameResult? {
        guard let detail = session.pointee.detail, let portal = detail.portals[[]] else { return nil }
        guard let cursor = portal.cursor, detail.transaction != nil, session.pointee.status != TransactionStatus.failed.rawValue else {
            detail.portals[[]] = nil
            return nil
        }
        guard isQuiescent(index) else { return .blocked }
        detail.portals[[]] = nil
        let closing = CloseStreamExecution(worker: self, session: index, cursor: cursor, isTold: false)
        start(closing, on: index)
        return closing.isFinished ? nil : .blocked
    }
}
