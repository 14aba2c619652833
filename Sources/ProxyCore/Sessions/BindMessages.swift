// BindMessages: Bind, which brings the key and so the shard.
import Primitives
import QueryPlanning
import WireProtocol

extension Worker {
    @inline(__always)
    func bind(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ message: BindMessage, _ frame: UnsafeRawBufferPointer,
        received: UnsafeRawBufferPointer
    ) -> FrameResult {
        if let result = bindQuickly(index, session, message, frame) { return result }
        guard session.pointee.isPlain else { return bindInBlock(index, session, message, frame, received: received) }
        return bindWithCare(index, session, message, frame)
    }

    /// Binds in a session that hot paths must stop for.
    @inline(never)
    private func bindInBlock(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ message: BindMessage, _ frame: UnsafeRawBufferPointer,
        received: UnsafeRawBufferPointer
    ) -> FrameResult {
        session.pointee.bindsInBlock = bindsInBlock(index, following: received.following(frame))
        defer { session.pointee.bindsInBlock = false }
        if hasKey(session) { return bindUnderKey(index, session, message, frame) }
        return bindWithCare(index, session, message, frame)
    }

    /// Binds where no plan is so well known that it need not be looked at.
    private func bindUnderKey(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ message: BindMessage, _ frame: UnsafeRawBufferPointer
    ) -> FrameResult {
        guard let detail = session.pointee.detail else { return .consumed }
        if session.pointee.hasPortals, message.portal.isEmpty, detail.portals[[]]?.cursor != nil, let result = dropUnnamedPortal(index, session) { return result }
        let number = message.statement.isEmpty ? detail.unnamedStatement : detail.statements.number(of: message.statement)
        guard let statement = statements.at(number) else { return raise(index, missing(message.statement)) }
        if session.pointee.hasPortals, detail.portals.count >= settings.limits.portalsPerSession { return raise(index, tooManyPortals) }
        if statement.isUncertain(in: session.pointee.environment), let result = confirmColumns(index, session, statement, isDescribe: false) { return result }
        return bindPlanned(index, session, detail, message, frame, statement)
    }

    @inline(never)
    func bindWithCare(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ message: BindMessage, _ frame: UnsafeRawBufferPointer
    ) -> FrameResult {
        guard let detail = session.pointee.detail else { return .consumed }
        if session.pointee.hasPortals, message.portal.isEmpty, detail.portals[[]]?.cursor != nil, let result = dropUnnamedPortal(index, session) { return result }
        let number = message.statement.isEmpty ? detail.unnamedStatement : detail.statements.number(of: message.statement)
        guard let statement = statements.at(number) else { return raise(index, missing(message.statement)) }
        if session.pointee.hasPortals, detail.portals.count >= settings.limits.portalsPerSession {
            return raise(index, tooManyPortals)
        }
        if statement.isUncertain(in: session.pointee.environment), let result = confirmColumns(index, session, statement, isDescribe: false) { return result }
        if let (shard, effect) = hotTarget(of: statement, session, message) {
            return bindHot(index, session, detail, message, frame, statement, shard, effect)
        }
        return bindPlanned(index, session, detail, message, frame, statement)
    }

    /// The shard of a Bind whose parameters alone name it; nil when the route must be resolved.
    func hotTarget(
        of statement: SharedStatement, _ session: UnsafeMutablePointer<Session>, _ message: BindMessage
    ) -> (shard: ShardIndex, effect: DataEffect)? {
        guard statement.planEnvironment == session.pointee.environment, let plan = statement.hotPlan,
            session.pointee.status != TransactionStatus.failed.rawValue
        else { return nil }
        let noText = UnsafeRawBufferPointer(start: nil, count: 0)
        let target = statement.routingTypes.withUnsafeBufferPointer {
            planner.target(of: plan, text: noText, parameters: BoundParameters(bind: message, typeOIDs: $0), map: cluster.map)
        }
        switch target {
        case .shard(let shard): return (shard, plan.effect)
        case .any: return (currentShard(session) ?? preferredShard(session), plan.effect)
        case .unknown: return nil
        }
    }

    /// Binds a statement that only passes.
    func bindHot(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ detail: SessionDetail, _ message: BindMessage,
        _ frame: UnsafeRawBufferPointer, _ statement: SharedStatement, _ shard: ShardIndex, _ effect: DataEffect
    ) -> FrameResult {
        var result = FrameResult.consumed
        guard let link = writeBind(index, session, detail, message, frame, statement, shard, effect, &result) else { return result }
        if message.portal.isEmpty {
            session.pointee.unnamedPortalLink = link
            if session.pointee.hasPortals { detail.portals[[]] = nil }
        } else if let plan = statement.plan {
            notePortal(session, detail, message, frame, statement, plan, link: link)
        }
        return result
    }

    /// Binds a statement whose plan says more than where it goes.
    @inline(never)
    func bindPlanned(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ detail: SessionDetail, _ message: BindMessage,
        _ frame: UnsafeRawBufferPointer, _ statement: SharedStatement
    ) -> FrameResult {
        if session.pointee.hasPortals {
            let held = detail.bindBytes(besides: message.portal)
            if held > 0, held + frame.count > settings.limits.mergeBytes { return raise(index, tooLongBinds) }
        }
        if statement.planEnvironment != session.pointee.environment {
            switch statement.text.withBytes({ catalogReadiness(index, session, $0) }) {
            case .known: break
            case .awaited: return .blocked
            case .failed(let failure): return raiseEndedWait(index, failure)
            }
        }
        let plan: StatementPlan
        do throws(DatabaseMessage) {
            plan = try currentPlan(of: statement, session: index)
        } catch {
            return raise(index, error)
        }
        if let refusal = refusal(of: plan, session) { return raise(index, refusal) }
        // What makes temporary names is looked at until it has succeeded: nobody else's tables may seem hidden by them.
        if case .passThrough(let route) = plan.action, !plan.isCopyIn, plan.binaryCopyQuery == nil, plan.temporaryNames.isEmpty {
            switch resolve(
                route, session: index, statement: statement, bind: message, prefer: currentShard(session))
            {
            case .one(let shard):
                // Of a request under a key PostgreSQL checks the parameters, and describes; Execute is looked at first.
                return bindOnLink(index, session, detail, message, frame, statement, plan, shard, isPassed: !isKeyed(plan, session))
            case .refused(let refusal):
                let shard = currentShard(session) ?? anyShard(index)
                let result = bindOnLink(index, session, detail, message, frame, statement, plan, shard, isPassed: false)
                if case .consumed = result { detail.portals[Array(message.portal)]?.refusal = DatabaseMessage(refusal) }
                return result
            case .many: break
            }
        }
        if plan.isAnsweredHere { return bindHere(index, session, detail, message, frame, statement, plan) }
        if let shard = cursorShard(plan, detail) {
            return bindOnLink(index, session, detail, message, frame, statement, plan, shard, isPassed: true)
        }
        let shard = currentShard(session) ?? anyShard(index)
        return bindOnLink(index, session, detail, message, frame, statement, plan, shard, isPassed: false)
    }

    /// FETCH and MOVE of a cursor on a link pass there, as any portal does.
    func cursorShard(_ plan: StatementPlan, _ detail: SessionDetail) -> ShardIndex? {
        switch plan.action {
        case .cursor(.fetch(let name, _)), .cursor(.move(let name, _)):
            detail.cursors.link(of: name).map { links.at($0).pointee.shard }
        default: nil
        }
    }

    @inline(__always)
    func currentShard(_ session: UnsafeMutablePointer<Session>) -> ShardIndex? {
        session.pointee.link >= 0 && !session.pointee.isLinkReserved ? links.at(session.pointee.link).pointee.shard : nil
    }

    private var tooManyPortals: DatabaseMessage {
        DatabaseMessage(
            error: .configurationLimitExceeded, "too many open portals in this session",
            hint: "Close those no longer needed; the limit is \(settings.limits.portalsPerSession).")
    }

    private var tooLongBinds: DatabaseMessage {
        DatabaseMessage(
            error: .configurationLimitExceeded, "the values of portals that are not executed yet are over the limit of \(settings.limits.mergeBytes) bytes",
            hint: "Execute or close them first, or raise limits.merge.")
    }

    func missing(_ name: UnsafeRawBufferPointer) -> DatabaseMessage {
        DatabaseMessage(
            error: .invalidSQLStatementName,
            name.isEmpty ? "unnamed prepared statement does not exist" : "prepared statement \"\(name.text)\" does not exist")
    }

    /// The statement's plan in the session's present environment.
    @inline(__always)
    func currentPlan(of statement: SharedStatement, session: Int32) throws(DatabaseMessage) -> StatementPlan {
        if statement.planEnvironment == sessions.at(session).pointee.environment, let plan = statement.plan { return plan }
        let plan = try statement.text.withBytes { (text) throws(DatabaseMessage) in
            try planOne(text, statement.parameterTypes, session: session)
        }
        keep(plan, of: statement, session: session)
        return plan
    }

    func keep(_ plan: StatementPlan, of statement: SharedStatement, session: Int32) {
        let environment = planningEnvironment(session)
        let hotPlan = plan.isPlainPassThrough ? planner.hotPlan(of: plan, environment: environment) : nil
        // By its own number: a session has none while planning is paused, and another one's none must not be taken for the same.
        statement.keep(plan, hotPlan: hotPlan, environment: environment.number)
    }

    /// Binds on a link. A statement for several shards is bound on one, so that PostgreSQL checks the parameters and can
    /// describe the portal; Execute then runs it on all.
    func bindOnLink(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ detail: SessionDetail, _ message: BindMessage,
        _ frame: UnsafeRawBufferPointer, _ statement: SharedStatement, _ plan: StatementPlan, _ shard: ShardIndex, isPassed: Bool
    ) -> FrameResult {
        var result = FrameResult.consumed
        let effect = isPassed ? plan.effect : .reads
        // Its Execute opens what it needs.
        if !isPassed { session.pointee.bindsInBlock = false }
        guard let link = writeBind(index, session, detail, message, frame, statement, shard, effect, &result) else { return result }
        if isPassed, message.portal.isEmpty, plan.isPlainPassThrough {
            session.pointee.unnamedPortalLink = link
            if session.pointee.hasPortals { detail.portals[[]] = nil }
            return .consumed
        }
        notePortal(session, detail, message, frame, statement, plan, link: isPassed ? link : -1)
        guard !isPassed else { return .consumed }
        detail.portals[Array(message.portal)]?.checkLink = link
        detail.portals[Array(message.portal)]?.checkNumber = detail.checkNumber
        if !message.portal.isEmpty { detail.hasCheckedNames = true }
        return .consumed
    }

    /// Sends the Bind to a link of `shard`, the statement's Parse before it where that is needed; nil: the frame waits, or the
    /// error was told.
    func writeBind(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ detail: SessionDetail, _ message: BindMessage,
        _ frame: UnsafeRawBufferPointer, _ statement: SharedStatement, _ shard: ShardIndex, _ effect: DataEffect,
        _ result: inout FrameResult
    ) -> Int32? {
        if !message.portal.isEmpty,
            detail.portals[Array(message.portal)] != nil || !detail.cursors.isEmpty && detail.cursors[message.portal.text] != nil
        {
            result = raise(index, DatabaseMessage(error: .duplicateCursor, "cursor \"\(message.portal.text)\" already exists"))
            return nil
        }
        if session.pointee.heldParse != statement.number, let settled = settleHeldParse(index, session) {
            result = settled
            return nil
        }
        guard let link = batchLink(index, shard: shard, effect: effect, &result) else { return nil }
        if isKeySampleDue { sampleKey(statement, message) }
        ensurePrepared(session, link, statement, isUnnamed: message.statement.isEmpty)
        let record = links.at(link)
        let stream = streams.at(record.pointee.stream.index)
        if detail.hasCheckedNames, !message.portal.isEmpty {
            stream.pointee.output.writeClose(.portal, name: message.portal)
            sent(session, record, .dropClose)
        }
        if record.pointee.translatesOIDs {
            writeTranslatedBind(session, message, frame, statement, to: link)
        } else if message.statement.isEmpty {
            stream.pointee.output.append(frame)
        } else {
            statement.linkName.withUnsafeBytes {
                stream.pointee.output.writeBind(message, portal: message.portal, statement: $0)
            }
        }
        sent(session, record, .passBind)
        return link
    }

    func notePortal(
        _ session: UnsafeMutablePointer<Session>, _ detail: SessionDetail, _ message: BindMessage,
        _ frame: UnsafeRawBufferPointer, _ statement: SharedStatement, _ plan: StatementPlan, link: Int32
    ) {
        if message.portal.isEmpty { session.pointee.unnamedPortalLink = -1 }
        session.pointee.hasPortals = true
        if link < 0 { session.pointee.hasUnopenedPortal = true }
        detail.portals[Array(message.portal)] = Portal(
            statement: statement.number, link: link, bind: link < 0 ? Array(frame) : [], plan: plan,
            environment: session.pointee.environment, savepointDepth: detail.transaction?.savepointDepth ?? 0)
    }

    /// Binds a statement the proxy answers itself.
    func bindHere(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ detail: SessionDetail, _ message: BindMessage,
        _ frame: UnsafeRawBufferPointer, _ statement: SharedStatement, _ plan: StatementPlan
    ) -> FrameResult {
        guard isDrained(session) else { return .blocked }
        notePortal(session, detail, message, frame, statement, plan, link: -1)
        output(ofSession: index).pointee.output.writeBindComplete()
        return .consumed
    }
}
