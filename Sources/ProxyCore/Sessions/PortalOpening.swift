// PortalOpening: what becomes of a portal over several shards when something comes between its Bind and its Execute.
//
// Bind fixes what a portal means, and of a query also which rows it sees: PostgreSQL takes its snapshot then (PortalStart in pquery.c).
// The proxy carries such a portal out when it is executed, which nearly always follows at once and so makes no difference. Where another
// Execute, a Flush, or the Sync of a block comes first, a query is opened before that is handled: as a cursor on each of its shards, or
// with its rows in a buffer. What changes rows sees them as they are at Execute, in PostgreSQL too; of it only names and tables must be
// what they were.
import Primitives
import QueryPlanning
import WireProtocol

extension Portal {
    /// The proxy will carry it out, and has not begun to.
    var isUnopened: Bool {
        link < 0 && !isDone && !isLate && buffer == nil && cursor == nil && refusal == nil && plan.meaningIsFixedAtBind
    }
}

extension StatementPlan {
    /// A query, whose rows are those of Bind.
    fileprivate var isQuery: Bool {
        guard commandName == "SELECT" else { return false }
        switch action {
        case .passThrough, .scatter: return true
        default: return false
        }
    }

    /// Carried out with the tables that its names meant at Bind. Other commands look at nothing before they are executed.
    fileprivate var meaningIsFixedAtBind: Bool {
        switch action {
        case .cursor, .setting: false
        default: !isAnsweredHere
        }
    }

    /// Its rows can be fetched ahead of Execute without anybody noticing.
    fileprivate var canBeFilledAhead: Bool { effect == .reads && drawing == nil && canBeDiverted }
}

extension Worker {
    /// Opens the portals that are bound and not executed, before a frame is handled that may change what they see.
    /// - Returns: what becomes of the frame now; nil: it is to be handled.
    @inline(never)
    func openPortals(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, type: UInt8, _ frame: UnsafeRawBufferPointer
    ) -> FrameResult? {
        guard let detail = session.pointee.detail else { return nil }
        var executed: [UInt8]?
        switch type {
        case FrontendMessageType.execute:
            if session.pointee.skipsUntilSync { return nil }
            executed = (try? ExecuteMessage(frame)).map { Array($0.portal) }
        case FrontendMessageType.flush:
            if session.pointee.skipsUntilSync { return nil }
        case FrontendMessageType.sync where detail.transaction?.isExplicit == true, FrontendMessageType.query: break
        // Outside a block portals end with Sync.
        case FrontendMessageType.sync:
            session.pointee.hasUnopenedPortal = false
            return nil
        default: return nil
        }
        // In one order, so that a run of the proxy can be repeated.
        let unopened = detail.portals.filter { $0.value.isUnopened && $0.key != executed }.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        for (name, portal) in unopened {
            if name.isEmpty, session.pointee.unnamedPortalLink >= 0 { continue }
            // An error of the portal's would be taken for the Query's.
            if type != FrontendMessageType.query, !open(index, session, detail, portal, name) { return .blocked }
            guard let present = detail.portals[name], present.isUnopened else { continue }
            detail.portals[name]?.isLate = true
        }
        session.pointee.hasUnopenedPortal = executed.map { detail.portals[$0]?.isUnopened == true } ?? false
        return nil
    }

    /// Opens a portal where it is a query that can be opened, and nothing has failed.
    /// - Returns: false: the frame waits until that is done.
    private func open(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ detail: SessionDetail, _ portal: Portal, _ name: [UInt8]
    ) -> Bool {
        guard portal.plan.isQuery, portal.plan.streamed != nil || portal.plan.canBeFilledAhead, mayOpen(session), !isKeyed(portal.plan, session) else { return true }
        if session.pointee.heldParse != 0 {
            guard case .consumed = flushHeldParse(index, session) else { return false }
        }
        guard isQuiescent(index) else { return false }
        guard mayOpen(session), let statement = statements.at(portal.statement), refusal(of: portal.plan, session) == nil else { return true }
        if cluster.isPlanningPaused {
            awaitCatalog(index)
            return false
        }
        let execution: Execution
        if portal.plan.streamed == nil {
            execution = fillAhead(index, session, detail, portal, statement, name)
        } else {
            if detail.transaction == nil { openTransaction(index, isExplicit: false, modes: "") }
            execution = PortalStreamExecution(worker: self, session: index, call: call(of: portal, statement), name: name, movement: nil)
        }
        detail.portals[name]?.isDone = true
        start(execution, on: index)
        return execution.isFinished
    }

    private func mayOpen(_ session: UnsafeMutablePointer<Session>) -> Bool {
        !session.pointee.skipsUntilSync && session.pointee.status != TransactionStatus.failed.rawValue
    }

    private func fillAhead(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ detail: SessionDetail, _ portal: Portal, _ statement: SharedStatement,
        _ name: [UInt8]
    ) -> Execution {
        divertPortal(session, detail)
        let execution = BatchStatementExecution(worker: self, session: index, call: call(of: portal, statement))
        execution.portalName = name
        execution.isOpening = true
        return execution
    }

    /// Rows of the next statement go to a buffer, bounded by `limits.merge`.
    func divertPortal(_ session: UnsafeMutablePointer<Session>, _ detail: SessionDetail) {
        detail.diversion = PortalBuffer(pool: streams.pool.reference, reservedBytes: detail.heldBytes)
        detail.diversion?.textStyles = detail.textStyles
        session.pointee.isDiverted = true
    }

    /// A portal's statement with the values that were bound.
    func call(of portal: Portal, _ statement: SharedStatement) -> StatementCall {
        var call = StatementCall(plan: portal.plan, text: statement.text)
        call.parameterTypes = statement.knownTypes
        call.declaredTypes = statement.parameterTypes
        call.routingTypes = statement.routingTypes
        call.describedTypes = statement.describedTypes
        call.bind = portal.bind
        call.wantsDescription = false
        return call
    }

    /// Execute of a portal that was not opened, although something came between: refused unless it means what it meant at Bind.
    /// - Returns: what becomes of the frame; nil: the portal may be executed.
    func refuseLate(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ portal: Portal, _ name: UnsafeRawBufferPointer
    ) -> FrameResult? {
        guard portal.isLate, !portal.isDone else { return nil }
        if let refusal = refusal(of: portal.plan, session) { return raise(index, refusal) }
        if portal.plan.isQuery {
            return raise(
                index,
                DatabaseMessage(
                    error: .featureNotSupported,
                    "portal \"\(name.text)\" over several shards cannot show the rows that were there when it was bound",
                    hint: "Send Execute right behind Bind, before anything else is executed."))
        }
        switch catalogReadiness(index, session) {
        case .known: break
        case .awaited: return .blocked
        case .failed(let failure): return raiseEndedWait(index, failure)
        }
        guard planningEnvironment(index).number != portal.environment else { return nil }
        return raise(
            index,
            DatabaseMessage(
                error: .featureNotSupported,
                "portal \"\(name.text)\" over several shards cannot be executed: tables, search_path or role have changed since it was bound",
                hint: "Send Execute right behind Bind, or bind it again."))
    }
}
