// ExtendedQuery: Parse, Bind, Describe, Execute, Close, Flush, Sync (PostgreSQL manual, section 55.2.3).
//
// Messages for one shard are passed on as they come and answered in order by that shard's link: ParseMessages, BindMessages,
// PortalMessages and SyncMessages say how each is, BatchOrder what happens when they are for several shards.
import Primitives
import QueryPlanning
import WireProtocol

extension Worker {
    /// A batch with its Sync was sent behind a BEGIN of which nothing has been heard. Where that fails the shard goes on behind the Sync, outside of
    /// the block: another batch must not be there.
    @inline(__always)
    private func isBehindBegin(_ session: UnsafeMutablePointer<Session>) -> Bool {
        !session.pointee.isBatchOpen && session.pointee.link >= 0 && links.at(session.pointee.link).pointee.expectations.first == .join
    }

    /// Handles a frame that is not a simple Query.
    /// - Parameter received: what has arrived, the frame and what is behind it.
    @inline(__always)
    func extendedFrame(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, type: UInt8, _ frame: UnsafeRawBufferPointer,
        received: UnsafeRawBufferPointer
    ) -> FrameResult {
        if session.pointee.hasUnopenedPortal, let result = openPortals(index, session, type: type, frame) { return result }
        switch type {
        case FrontendMessageType.sync: return sync(index, session)
        case FrontendMessageType.terminate:
            // Answers to what came before, with its Sync, are on their way: they are the client's.
            if session.pointee.activity == .passing, !session.pointee.isLinkUnsynced { return .blocked }
            dropSession(index)
            return .consumed
        case FrontendMessageType.copyData, FrontendMessageType.copyDone, FrontendMessageType.copyFail:
            return copyFrame(index, type: type, frame)
        default: break
        }
        if session.pointee.skipsUntilSync { return .consumed }
        if !session.pointee.isPlain, isBehindBegin(session) { return .blocked }
        session.pointee.isBatchOpen = true
        do throws(ProtocolViolation) {
            switch type {
            case FrontendMessageType.bind: return bind(index, session, try BindMessage(frame), frame, received: received)
            case FrontendMessageType.execute: return execute(index, session, try ExecuteMessage(frame), frame, received: received)
            case FrontendMessageType.describe: return describe(index, session, try DescribeMessage(frame), frame)
            case FrontendMessageType.parse: return parse(index, session, try ParseMessage(frame))
            case FrontendMessageType.close: return close(index, session, try CloseMessage(frame), frame)
            case FrontendMessageType.flush: return flush(index, session)
            default: return refuseFunctionCall(index, session)
            }
        } catch {
            return raise(index, DatabaseMessage(error: .protocolViolation, error.message))
        }
    }

    private func refuseFunctionCall(_ index: Int32, _ session: UnsafeMutablePointer<Session>) -> FrameResult {
        guard isDrained(session) else { return .blocked }
        // PostgreSQL undoes what the batch has done so far. A shard does that for the end of the session.
        if session.pointee.isLinkUnsynced || session.pointee.heldParse != 0 {
            endSession(
                index,
                DatabaseMessage(
                    fatal: .featureNotSupported, "the FunctionCall message is not supported", hint: "Call the function with SELECT."))
            return .consumed
        }
        session.pointee.isBatchOpen = false
        failQuery(
            index,
            DatabaseMessage(
                error: .featureNotSupported, "the FunctionCall message is not supported",
                hint: "Call the function with SELECT. Large objects are not supported over shards."))
        return .consumed
    }
}

extension Refusal {
    /// It is about a row, which PostgreSQL looks at when the statement is executed, and takes the statement until then.
    var isOfRow: Bool { sqlState == SQLState.notNullViolation.rawValue }
}

extension StatementPlan {
    /// What is wrong with it PostgreSQL tells when it is executed: it does not look into COPY before.
    var isToldWhenExecuted: Bool {
        guard case .refuse(let refusal) = action else { return false }
        return commandName == "COPY" || refusal.isOfRow
    }

    /// The proxy answers without a shard having parsed the statement.
    var isAnsweredHere: Bool {
        switch action {
        case .refuse(let refusal): drawing == nil && !refusal.isOfRow
        case .transaction, .prepared, .empty, .notify, .listen, .shardByShard, .idempotencyKey: true
        case .cursor(let command):
            switch command {
            case .closeAll: true
            case .declare, .fetch, .move, .execute, .close: false
            }
        case .setting(let command):
            switch command {
            case .show, .configure: false
            default: true
            }
        case .passThrough, .scatter, .modify, .modifyFetched, .modifyReplayed, .insertRows, .insertFetched, .copyIn, .copyOut, .copyQuery, .explain, .place, .sagaStep, .sagaRun, .fillTable: false
        }
    }
}
