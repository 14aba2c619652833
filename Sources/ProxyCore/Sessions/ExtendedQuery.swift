// ExtendedQuery: Parse, Bind, Describe, Execute, Close, Flush, Sync (PostgreSQL manual, section 55.2.3).
//
// Messages for one shard are passed on as they come and answered in order by that shard's link. A Parse is held until
// the shard is known, which is when Bind brings the key. Statements are prepared on links under shared names. When a
// batch (the messages up to Sync) moves to another shard, what it did on the first becomes part of a block that is
// opened late and committed at Sync, since to PostgreSQL a batch is one transaction.
import Primitives
import QueryPlanning
import WireProtocol

extension Worker {
    /// Handles a frame that is not a simple Query.
    @inline(__always)
    func extendedFrame(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, type: UInt8, _ frame: UnsafeRawBufferPointer
    ) -> FrameResult {
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
        session.pointee.isBatchOpen = true
        do throws(ProtocolViolation) {
            switch type {
            case FrontendMessageType.bind: return bind(index, session, try BindMessage(frame), frame)
            case FrontendMessageType.execute: return execute(index, session, try ExecuteMessage(frame), frame)
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

    // MARK: Order

    /// All that was sent to the session's link is answered. Otherwise the answers are asked for and the frame waits.
    @inline(__always)
    func isDrained(_ session: UnsafeMutablePointer<Session>) -> Bool {
        let link = session.pointee.link
        guard link >= 0, !links.at(link).pointee.expectations.isEmpty else { return true }
        session.pointee.activity = .passing
        if session.pointee.isLinkUnsynced, !session.pointee.isFlushSent {
            session.pointee.isFlushSent = true
            output(ofLink: link).pointee.output.writeFlush()
            streams.markDirty(links.at(link).pointee.stream.index)
        }
        return false
    }

    /// An error of the proxy itself: the batch is skipped to Sync, the block has failed.
    func raise(_ index: Int32, _ message: DatabaseMessage) -> FrameResult {
        let session = sessions.at(index)
        if let result = settleHeldParse(index, session) { return result }
        guard isDrained(session) else { return .blocked }
        statistics.errors &+= 1
        output(ofSession: index).pointee.output.writeErrorResponse(message)
        failBatch(index)
        return .consumed
    }

    /// What follows from an error that was told: skip to Sync, and the block has failed.
    func failBatch(_ index: Int32) {
        let session = sessions.at(index)
        session.pointee.skipsUntilSync = true
        session.pointee.isFailedHere = true
        if session.pointee.detail?.transaction?.isExplicit == true {
            session.pointee.status = TransactionStatus.failed.rawValue
        }
    }

    /// Nothing of the batch is left on the session's link: everything answered and synced. What was executed there
    /// outside a block stays open in one that begins late. False: the frame waits.
    func isQuiescent(_ index: Int32) -> Bool {
        let session = sessions.at(index)
        guard isDrained(session) else { return false }
        guard session.pointee.link >= 0 else { return true }
        let link = session.pointee.link
        if session.pointee.isLinkUnsynced {
            let output = output(ofLink: link)
            if session.pointee.detail?.transaction == nil, session.pointee.hasBatchExecuted { beginLate(index, link) }
            output.pointee.output.writeSync()
            links.at(link).pointee.expectations.append(.dropSync)
            streams.markDirty(links.at(link).pointee.stream.index)
            session.pointee.isLinkUnsynced = false
            session.pointee.hasBatchExecuted = false
            session.pointee.activity = .passing
            return false
        }
        session.pointee.link = -1
        session.pointee.unnamedPortalLink = -1
        session.pointee.activity = .idle
        if session.pointee.detail?.transaction == nil { giveBack(link, from: index) }
        return true
    }

    /// BEGIN behind what the batch already executed: the implicit transaction becomes a block with that inside.
    private func beginLate(_ index: Int32, _ link: Int32) {
        let session = sessions.at(index)
        let queue = links.at(link)
        let stream = outputEndingUnnamed(ofLink: link)
        stream.pointee.output.writeParse(name: "", text: "BEGIN")
        stream.pointee.output.writeBind()
        stream.pointee.output.writeExecute(portal: "")
        for expectation in [Expectation.dropParse, .dropBind, .dropExecute] { queue.pointee.expectations.append(expectation) }
        openTransaction(index, isExplicit: false, modes: "")
        session.pointee.detail?.transaction?.participants.append(
            Participant(link: link, shard: queue.pointee.shard, effect: session.pointee.batchEffect))
    }

    /// The link on which the batch goes on at `shard`; nil: the frame waits, or the error was told.
    @inline(__always)
    func batchLink(_ index: Int32, shard: ShardIndex, effect: DataEffect, _ result: inout FrameResult) -> Int32? {
        let session = sessions.at(index)
        let current = session.pointee.link
        let opensBlock = needsOwnCommit(effect, session)
        if current >= 0, !session.pointee.isLinkReserved, links.at(current).pointee.shard == shard, !opensBlock {
            if !session.pointee.isPlain { session.pointee.detail?.transaction?.note(effect, on: shard) }
            session.pointee.batchEffect = session.pointee.batchEffect.joined(effect)
            return current
        }
        if current >= 0, !session.pointee.isLinkReserved, !isQuiescent(index) {
            result = .blocked
            return nil
        }
        if opensBlock { openTransaction(index, isExplicit: false, modes: "") }
        switch session.pointee.isPlain ? lease(index, shard: shard) : enlist(index, shard: shard, effect: effect) {
        case .link(let link):
            session.pointee.link = link
            session.pointee.batchEffect = effect
            session.pointee.hasBatchExecuted = false
            statistics.countStatement(shard: shard)
            return link
        case .waiting: result = .blocked
        case .failed(let message):
            undoHeldParse(index)
            result = raise(index, message)
        }
        return nil
    }

    /// Notes that something for the client went to the link.
    @inline(__always)
    func sent(_ session: UnsafeMutablePointer<Session>, _ link: UnsafeMutablePointer<Link>, _ expectation: Expectation) {
        link.pointee.expectations.append(expectation)
        session.pointee.activity = .passing
        session.pointee.isLinkUnsynced = true
        session.pointee.isFlushSent = false
        streams.markDirty(link.pointee.stream.index)
    }

    // MARK: Parse

    private func parse(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ message: ParseMessage
    ) -> FrameResult {
        guard let detail = session.pointee.detail else { return .consumed }
        if let result = settleHeldParse(index, session) { return result }
        if mustAwaitCatalog(index, session) { return .blocked }
        let types = (0..<message.parameterCount).map { message.parameterType($0) }
        let plan: StatementPlan
        do throws(DatabaseMessage) {
            plan = try planOne(message.text, types, session: index)
        } catch {
            return raiseInParse(index, detail, message, error)
        }
        if let refusal = refusal(of: plan, session) { return raiseInParse(index, detail, message, refusal) }
        if !message.name.isEmpty, detail.statements.number(of: message.name) != 0 {
            return raise(
                index, DatabaseMessage(error: .duplicatePreparedStatement, "prepared statement \"\(message.name.text)\" already exists"))
        }
        guard detail.statements.count < settings.limits.preparedStatementsPerSession else {
            return raise(
                index,
                DatabaseMessage(
                    error: .configurationLimitExceeded, "too many prepared statements in this session",
                    hint: "Close those no longer needed; the limit is \(settings.limits.preparedStatementsPerSession)."))
        }
        if plan.isAnsweredHere, !isDrained(session) { return .blocked }
        let statement = statements.hold(text: message.text, parameterTypes: types)
        keep(plan, of: statement, session: index)
        if message.name.isEmpty {
            detail.nameChanges.append(.unnamed(number: statement.number, before: detail.unnamedStatement))
            detail.unnamedStatement = statement.number
        } else {
            detail.nameChanges.append(.named(Array(message.name), number: statement.number))
            detail.statements.add(message.name, number: statement.number)
        }
        if plan.isAnsweredHere {
            output(ofSession: index).pointee.output.writeParseComplete()
            confirmNameChange(index)
        } else {
            session.pointee.heldParse = statement.number
            session.pointee.isHeldParseUnnamed = message.name.isEmpty
        }
        return .consumed
    }

    /// An error to Parse. PostgreSQL forgets the unnamed statement before it looks at the new one.
    private func raiseInParse(
        _ index: Int32, _ detail: SessionDetail, _ message: ParseMessage, _ error: DatabaseMessage
    ) -> FrameResult {
        let result = raise(index, error)
        if case .consumed = result, message.name.isEmpty {
            statements.release(detail.unnamedStatement)
            detail.unnamedStatement = 0
        }
        return result
    }

    /// The plan of a text that must be one statement.
    func planOne(_ text: UnsafeRawBufferPointer, _ types: [UInt32], session: Int32) throws(DatabaseMessage) -> StatementPlan {
        let planned: [PlannedStatement]
        do throws(Refusal) {
            planned = try planner.plan(text: text, parameterTypes: types, environment: planningEnvironment(session))
        } catch {
            throw DatabaseMessage(error)
        }
        guard planned.count <= 1 else {
            throw DatabaseMessage(error: .syntaxError, "cannot insert multiple commands into a prepared statement")
        }
        return planned.first?.plan ?? StatementPlan(action: .empty, effect: .reads, commandName: "")
    }

    /// Why the statement cannot run now.
    private func refusal(of plan: StatementPlan, _ session: UnsafeMutablePointer<Session>) -> DatabaseMessage? {
        if session.pointee.status == TransactionStatus.failed.rawValue, !plan.endsTransaction {
            let aborted = DatabaseMessage(
                error: .inFailedSQLTransaction, "current transaction is aborted, commands ignored until end of transaction block")
            return session.pointee.detail?.transaction?.takeUntoldLoss() ?? aborted
        }
        if case .refuse(let refusal) = plan.action, plan.drawing == nil { return DatabaseMessage(refusal) }
        return nil
    }

    /// Sends a Parse that is held before the present frame is handled; otherwise what becomes of the frame.
    @inline(__always)
    private func settleHeldParse(_ index: Int32, _ session: UnsafeMutablePointer<Session>) -> FrameResult? {
        guard session.pointee.heldParse != 0 else { return nil }
        guard case .consumed = flushHeldParse(index, session) else { return .blocked }
        return session.pointee.skipsUntilSync ? .consumed : nil
    }

    /// Sends the held Parse to some shard, because its answer is wanted before a key is known.
    func flushHeldParse(_ index: Int32, _ session: UnsafeMutablePointer<Session>) -> FrameResult {
        guard let statement = statements.at(session.pointee.heldParse) else { return .consumed }
        var result = FrameResult.consumed
        let shard = session.pointee.link >= 0 && !session.pointee.isLinkReserved
            ? links.at(session.pointee.link).pointee.shard : anyShard(index)
        guard let link = batchLink(index, shard: shard, effect: .reads, &result) else { return result }
        ensurePrepared(session, link, statement, isUnnamed: session.pointee.isHeldParseUnnamed)
        return .consumed
    }

    /// Prepares the statement on the link where it is not, and answers a Parse that is held for it.
    @inline(__always)
    func ensurePrepared(
        _ session: UnsafeMutablePointer<Session>, _ index: Int32, _ statement: SharedStatement, isUnnamed: Bool
    ) {
        let link = links.at(index)
        let isHeld = session.pointee.heldParse == statement.number
        if isHeld { session.pointee.heldParse = 0 }
        if isUnnamed {
            if !isHeld && link.pointee.unnamedStatement == statement.number { return }
            link.pointee.unnamedStatement = statement.number
            writeParse(statement, name: [], on: index)
            sent(session, link, isHeld ? .passParse : .dropParse)
            return
        }
        if link.pointee.prepared.touch(statement.number) {
            guard isHeld else { return }
            if link.pointee.expectations.isEmpty {
                writeSynthesized(.synthesizeParse, session: link.pointee.session)
                confirmNameChange(link.pointee.session)
            } else {
                sent(session, link, .synthesizeParse)
            }
            return
        }
        prepareNew(session, index, statement, isHeld: isHeld)
    }

    private func prepareNew(
        _ session: UnsafeMutablePointer<Session>, _ index: Int32, _ statement: SharedStatement, isHeld: Bool
    ) {
        let link = links.at(index)
        if link.pointee.prepared.count >= settings.limits.preparedStatementsPerLink, let oldest = link.pointee.prepared.leastRecentlyUsed {
            link.pointee.prepared.remove(oldest)
            output(ofLink: index).pointee.output.writeClose(.statement, name: "pgbraid_\(oldest)")
            sent(session, link, .dropClose)
        }
        if link.pointee.isPreparedUnsure {
            statement.linkName.withUnsafeBytes { output(ofLink: index).pointee.output.writeClose(.statement, name: $0) }
            sent(session, link, .dropClose)
        }
        writeParse(statement, name: statement.linkName, on: index)
        link.pointee.prepared.insert(statement.number)
        sent(session, link, isHeld ? .passParse : .dropParse)
    }

    private func writeParse(_ statement: SharedStatement, name: [UInt8], on link: Int32) {
        let stream = output(ofLink: link)
        let mark = stream.pointee.output.beginFrame(FrontendMessageType.parse)
        stream.pointee.output.append(name)
        stream.pointee.output.append(UInt8(0))
        stream.pointee.output.append(statement.text)
        stream.pointee.output.append(UInt8(0))
        stream.pointee.output.append(count: statement.parameterTypes.count)
        for type in statement.parameterTypes { stream.pointee.output.append(integer: type) }
        stream.pointee.output.endFrame(mark)
    }

    // MARK: Bind

    @inline(__always)
    private func bind(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ message: BindMessage, _ frame: UnsafeRawBufferPointer
    ) -> FrameResult {
        if let result = bindQuickly(index, session, message, frame) { return result }
        return bindWithCare(index, session, message, frame)
    }

    @inline(never)
    private func bindWithCare(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ message: BindMessage, _ frame: UnsafeRawBufferPointer
    ) -> FrameResult {
        guard let detail = session.pointee.detail else { return .consumed }
        let number = message.statement.isEmpty ? detail.unnamedStatement : detail.statements.number(of: message.statement)
        guard let statement = statements.at(number) else { return raise(index, missing(message.statement)) }
        if session.pointee.hasPortals, detail.portals.count >= settings.limits.portalsPerSession {
            return raise(index, tooManyPortals)
        }
        if let (shard, effect) = hotTarget(of: statement, session, message) {
            return bindHot(index, session, detail, message, frame, statement, shard, effect)
        }
        return bindPlanned(index, session, detail, message, frame, statement)
    }

    /// The shard of a Bind whose parameters alone name it; nil when the route must be resolved.
    private func hotTarget(
        of statement: SharedStatement, _ session: UnsafeMutablePointer<Session>, _ message: BindMessage
    ) -> (shard: ShardIndex, effect: DataEffect)? {
        guard statement.planEnvironment == session.pointee.environment, let plan = statement.hotPlan,
            session.pointee.status != TransactionStatus.failed.rawValue
        else { return nil }
        let noText = UnsafeRawBufferPointer(start: nil, count: 0)
        let target = statement.parameterTypes.withUnsafeBufferPointer {
            planner.target(of: plan, text: noText, parameters: BoundParameters(bind: message, typeOIDs: $0), map: cluster.map)
        }
        switch target {
        case .shard(let shard): return (shard, plan.effect)
        case .any: return (currentShard(session) ?? preferredShard(session), plan.effect)
        case .unknown: return nil
        }
    }

    /// Binds a statement that only passes.
    private func bindHot(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ detail: SessionDetail, _ message: BindMessage,
        _ frame: UnsafeRawBufferPointer, _ statement: SharedStatement, _ shard: ShardIndex, _ effect: DataEffect
    ) -> FrameResult {
        var result = FrameResult.consumed
        guard let link = writeBind(index, session, detail, message, frame, statement, shard, effect, &result) else { return result }
        if message.portal.isEmpty {
            session.pointee.unnamedPortalLink = link
        } else if let plan = statement.plan {
            notePortal(session, detail, message, frame, statement, plan, link: link)
        }
        return result
    }

    /// Binds a statement whose plan says more than where it goes.
    @inline(never)
    private func bindPlanned(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ detail: SessionDetail, _ message: BindMessage,
        _ frame: UnsafeRawBufferPointer, _ statement: SharedStatement
    ) -> FrameResult {
        if statement.planEnvironment != session.pointee.environment, mustAwaitCatalog(index, session) { return .blocked }
        let plan: StatementPlan
        do throws(DatabaseMessage) {
            plan = try currentPlan(of: statement, session: index)
        } catch {
            return raise(index, error)
        }
        if let refusal = refusal(of: plan, session) { return raise(index, refusal) }
        if case .passThrough(let route) = plan.action, !plan.isCopyIn {
            switch resolve(
                route, session: index, statement: statement, bind: message, prefer: currentShard(session))
            {
            case .one(let shard):
                return bindOnLink(index, session, detail, message, frame, statement, plan, shard, isPassed: true)
            case .refused(let refusal): return raise(index, DatabaseMessage(refusal))
            case .many: break
            }
        }
        if plan.isAnsweredHere { return bindHere(index, session, detail, message, frame, statement, plan) }
        let shard = cursorShard(plan, detail) ?? currentShard(session) ?? anyShard(index)
        return bindOnLink(index, session, detail, message, frame, statement, plan, shard, isPassed: false)
    }

    /// FETCH is described by the cursor, so only its own link can.
    private func cursorShard(_ plan: StatementPlan, _ detail: SessionDetail) -> ShardIndex? {
        guard case .cursor(.use(let name)) = plan.action, let link = detail.cursors[name] else { return nil }
        return links.at(link).pointee.shard
    }

    @inline(__always)
    private func currentShard(_ session: UnsafeMutablePointer<Session>) -> ShardIndex? {
        session.pointee.link >= 0 && !session.pointee.isLinkReserved ? links.at(session.pointee.link).pointee.shard : nil
    }

    private var tooManyPortals: DatabaseMessage {
        DatabaseMessage(
            error: .configurationLimitExceeded, "too many open portals in this session",
            hint: "Close those no longer needed; the limit is \(settings.limits.portalsPerSession).")
    }

    private func missing(_ name: UnsafeRawBufferPointer) -> DatabaseMessage {
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

    private func keep(_ plan: StatementPlan, of statement: SharedStatement, session: Int32) {
        let environment = planningEnvironment(session)
        let hotPlan = plan.isPlainPassThrough ? planner.hotPlan(of: plan, environment: environment) : nil
        statement.keep(plan, hotPlan: hotPlan, environment: sessions.at(session).pointee.environment)
    }

    /// Binds on a link. A statement for several shards is bound on one, so that PostgreSQL checks the parameters and can
    /// describe the portal; Execute then runs it on all.
    private func bindOnLink(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ detail: SessionDetail, _ message: BindMessage,
        _ frame: UnsafeRawBufferPointer, _ statement: SharedStatement, _ plan: StatementPlan, _ shard: ShardIndex, isPassed: Bool
    ) -> FrameResult {
        var result = FrameResult.consumed
        let effect = isPassed ? plan.effect : .reads
        guard let link = writeBind(index, session, detail, message, frame, statement, shard, effect, &result) else { return result }
        if isPassed, message.portal.isEmpty, plan.isPlainPassThrough {
            session.pointee.unnamedPortalLink = link
            return .consumed
        }
        notePortal(session, detail, message, frame, statement, plan, link: isPassed ? link : -1)
        return .consumed
    }

    /// Sends the Bind to a link of `shard`, the statement's Parse before it where that is needed; nil: the frame waits, or the
    /// error was told.
    private func writeBind(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ detail: SessionDetail, _ message: BindMessage,
        _ frame: UnsafeRawBufferPointer, _ statement: SharedStatement, _ shard: ShardIndex, _ effect: DataEffect,
        _ result: inout FrameResult
    ) -> Int32? {
        if !message.portal.isEmpty, detail.portals[Array(message.portal)] != nil {
            result = raise(index, DatabaseMessage(error: .duplicateCursor, "cursor \"\(message.portal.text)\" already exists"))
            return nil
        }
        if session.pointee.heldParse != statement.number, let settled = settleHeldParse(index, session) {
            result = settled
            return nil
        }
        guard let link = batchLink(index, shard: shard, effect: effect, &result) else { return nil }
        ensurePrepared(session, link, statement, isUnnamed: message.statement.isEmpty)
        let record = links.at(link)
        let stream = streams.at(record.pointee.stream.index)
        if message.statement.isEmpty {
            stream.pointee.output.append(frame)
        } else {
            statement.linkName.withUnsafeBytes {
                stream.pointee.output.writeBind(message, portal: message.portal, statement: $0)
            }
        }
        sent(session, record, .passBind)
        return link
    }

    private func notePortal(
        _ session: UnsafeMutablePointer<Session>, _ detail: SessionDetail, _ message: BindMessage,
        _ frame: UnsafeRawBufferPointer, _ statement: SharedStatement, _ plan: StatementPlan, link: Int32
    ) {
        if message.portal.isEmpty { session.pointee.unnamedPortalLink = -1 }
        session.pointee.hasPortals = true
        detail.portals[Array(message.portal)] = Portal(
            statement: statement.number, link: link, bind: link < 0 ? Array(frame) : [], plan: plan)
    }

    /// Binds a statement the proxy answers itself.
    private func bindHere(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ detail: SessionDetail, _ message: BindMessage,
        _ frame: UnsafeRawBufferPointer, _ statement: SharedStatement, _ plan: StatementPlan
    ) -> FrameResult {
        guard isDrained(session) else { return .blocked }
        notePortal(session, detail, message, frame, statement, plan, link: -1)
        output(ofSession: index).pointee.output.writeBindComplete()
        return .consumed
    }

    // MARK: Describe

    private func describe(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ message: DescribeMessage, _ frame: UnsafeRawBufferPointer
    ) -> FrameResult {
        guard let detail = session.pointee.detail else { return .consumed }
        guard message.kind == .statement else { return describePortal(index, session, detail, message, frame) }
        let number = message.name.isEmpty ? detail.unnamedStatement : detail.statements.number(of: message.name)
        guard let statement = statements.at(number) else { return raise(index, missing(message.name)) }
        if statement.plan?.isAnsweredHere == true {
            guard isDrained(session) else { return .blocked }
            output(ofSession: index).pointee.output.writeParameterDescription(statement.parameterTypes)
            output(ofSession: index).pointee.output.writeNoData()
            return .consumed
        }
        if session.pointee.heldParse != number, let result = settleHeldParse(index, session) { return result }
        var result = FrameResult.consumed
        guard let link = batchLink(index, shard: currentShard(session) ?? anyShard(index), effect: .reads, &result) else { return result }
        ensurePrepared(session, link, statement, isUnnamed: message.name.isEmpty)
        if message.name.isEmpty {
            output(ofLink: link).pointee.output.append(frame)
        } else {
            statement.linkName.withUnsafeBytes { output(ofLink: link).pointee.output.writeDescribe(.statement, name: $0) }
        }
        sent(session, links.at(link), .passDescribeStatement)
        return .consumed
    }

    private func describePortal(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ detail: SessionDetail, _ message: DescribeMessage,
        _ frame: UnsafeRawBufferPointer
    ) -> FrameResult {
        if let result = settleHeldParse(index, session) { return result }
        if message.name.isEmpty, session.pointee.unnamedPortalLink >= 0 {
            return forward(index, session, frame, to: session.pointee.unnamedPortalLink, .passDescribePortal)
        }
        guard let portal = detail.portals[Array(message.name)] else {
            if let cursor = detail.cursors[message.name.text] { return forward(index, session, frame, to: cursor, .passDescribePortal) }
            return raise(index, DatabaseMessage(error: .invalidCursorName, "portal \"\(message.name.text)\" does not exist"))
        }
        if portal.plan.isAnsweredHere {
            guard isDrained(session) else { return .blocked }
            output(ofSession: index).pointee.output.writeNoData()
            return .consumed
        }
        let link = portal.link >= 0 ? portal.link : session.pointee.link
        guard link >= 0 else {
            return raise(index, DatabaseMessage(error: .invalidCursorName, "portal \"\(message.name.text)\" does not exist"))
        }
        return forward(index, session, frame, to: link, .passDescribePortal)
    }

    /// Passes a frame on to a link of the batch.
    @inline(__always)
    private func forward(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ frame: UnsafeRawBufferPointer, to link: Int32,
        _ expectation: Expectation
    ) -> FrameResult {
        if session.pointee.link != link {
            var result = FrameResult.consumed
            guard batchLink(index, shard: links.at(link).pointee.shard, effect: .reads, &result) != nil else { return result }
        }
        let record = links.at(session.pointee.link)
        streams.at(record.pointee.stream.index).pointee.output.append(frame)
        sent(session, record, expectation)
        return .consumed
    }

    // MARK: Execute

    @inline(__always)
    private func execute(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ message: ExecuteMessage, _ frame: UnsafeRawBufferPointer
    ) -> FrameResult {
        if let result = settleHeldParse(index, session) { return result }
        if message.portal.isEmpty, session.pointee.unnamedPortalLink >= 0 {
            session.pointee.hasBatchExecuted = true
            return forward(index, session, frame, to: session.pointee.unnamedPortalLink, .passExecute)
        }
        return executePortal(index, session, message, frame)
    }

    @inline(never)
    private func executePortal(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ message: ExecuteMessage, _ frame: UnsafeRawBufferPointer
    ) -> FrameResult {
        guard let detail = session.pointee.detail else { return .consumed }
        let name = Array(message.portal)
        guard let portal = detail.portals[name], let statement = statements.at(portal.statement) else {
            if let cursor = detail.cursors[message.portal.text] {
                session.pointee.hasBatchExecuted = true
                return forward(index, session, frame, to: cursor, .passExecute)
            }
            return raise(index, DatabaseMessage(error: .invalidCursorName, "portal \"\(message.portal.text)\" does not exist"))
        }
        if portal.link >= 0 {
            session.pointee.hasBatchExecuted = true
            if portal.plan.taintsLink { links.at(portal.link).pointee.isTainted = true }
            if !portal.plan.pins.isEmpty { pin(index, link: portal.link, reasons: portal.plan.pins) }
            noteTemporaryTables(index, portal.plan.temporaryNames)
            return forward(index, session, frame, to: portal.link, .passExecute)
        }
        if let buffer = portal.buffer {
            if buffer.isSpent {
                return raise(
                    index,
                    DatabaseMessage(error: .objectNotInPrerequisiteState, "portal \"\(message.portal.text)\" cannot be run"))
            }
            guard isDrained(session) else { return .blocked }
            buffer.fetch(message.maximumRows, into: &output(ofSession: index).pointee.output)
            return .consumed
        }
        guard isQuiescent(index) else { return .blocked }
        if portal.isDone {
            output(ofSession: index).pointee.output.writeCommandComplete("\(portal.plan.commandName) 0")
            return .consumed
        }
        detail.portals[name]?.isDone = true
        openForBatch(index, portal.plan)
        var call = StatementCall(plan: portal.plan, text: statement.text)
        call.parameterTypes = statement.parameterTypes
        call.bind = portal.bind
        call.wantsDescription = false
        if message.maximumRows > 0, !portal.plan.isCopy {
            call.maximumRows = message.maximumRows
            detail.diversion = PortalBuffer(pool: streams.pool.reference)
            session.pointee.isDiverted = true
        }
        let execution = BatchStatementExecution(worker: self, session: index, call: call)
        execution.portalName = name
        start(execution, on: index)
        return .consumed
    }

    /// What a batch writes outside a block becomes permanent at Sync, not before.
    private func openForBatch(_ index: Int32, _ plan: StatementPlan) {
        guard sessions.at(index).pointee.detail?.transaction == nil, plan.effect != .reads || plan.drawing != nil else { return }
        switch plan.action {
        case .transaction, .shardByShard, .setting, .prepared, .empty: return
        default: openTransaction(index, isExplicit: false, modes: "")
        }
    }

    // MARK: Close, Flush, Sync

    private func close(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ message: CloseMessage, _ frame: UnsafeRawBufferPointer
    ) -> FrameResult {
        guard let detail = session.pointee.detail else { return .consumed }
        if let result = settleHeldParse(index, session) { return result }
        if message.kind == .portal {
            let isUnnamed = message.name.isEmpty
            let link = isUnnamed && session.pointee.unnamedPortalLink >= 0
                ? session.pointee.unnamedPortalLink : detail.portals[Array(message.name)]?.link ?? -1
            if isUnnamed { session.pointee.unnamedPortalLink = -1 }
            if let cursor = detail.cursors.removeValue(forKey: message.name.text) {
                return forward(index, session, frame, to: cursor, .passClose)
            }
            detail.portals[Array(message.name)] = nil
            if link >= 0, link == session.pointee.link { return forward(index, session, frame, to: link, .passClose) }
            detail.nameChanges.append(.none)
        } else {
            detail.nameChanges.append(closing(message.name, detail))
        }
        if session.pointee.link >= 0, !links.at(session.pointee.link).pointee.expectations.isEmpty {
            links.at(session.pointee.link).pointee.expectations.append(.synthesizeClose)
        } else {
            output(ofSession: index).pointee.output.writeCloseComplete()
            confirmNameChange(index)
        }
        return .consumed
    }

    /// Takes a statement's name; the statement stays held until that is confirmed.
    private func closing(_ name: UnsafeRawBufferPointer, _ detail: SessionDetail) -> NameChange {
        if name.isEmpty {
            let number = detail.unnamedStatement
            detail.unnamedStatement = 0
            return .unnamed(number: 0, before: number)
        }
        let number = detail.statements.remove(name)
        return number == 0 ? .none : .closed(Array(name), number: number)
    }

    private func flush(_ index: Int32, _ session: UnsafeMutablePointer<Session>) -> FrameResult {
        if let result = settleHeldParse(index, session) { return result }
        if session.pointee.link >= 0, session.pointee.isLinkUnsynced {
            output(ofLink: session.pointee.link).pointee.output.writeFlush()
            streams.markDirty(links.at(session.pointee.link).pointee.stream.index)
        }
        return .consumed
    }

    @inline(__always)
    private func sync(_ index: Int32, _ session: UnsafeMutablePointer<Session>) -> FrameResult {
        if session.pointee.heldParse != 0, !session.pointee.skipsUntilSync {
            guard case .consumed = flushHeldParse(index, session) else { return .blocked }
        }
        session.pointee.heldParse = 0
        let isSimple = session.pointee.link >= 0 && session.pointee.isLinkUnsynced && !session.pointee.isFailedHere
        if isSimple, session.pointee.isPlain || session.pointee.detail?.transaction?.isExplicit != false {
            session.pointee.skipsUntilSync = false
            session.pointee.isBatchOpen = false
            session.pointee.isLinkUnsynced = false
            session.pointee.hasBatchExecuted = false
            session.pointee.unnamedPortalLink = -1
            session.pointee.activity = .passing
            let record = links.at(session.pointee.link)
            streams.at(record.pointee.stream.index).pointee.output.writeSync()
            record.pointee.expectations.append(.passSync)
            streams.markDirty(record.pointee.stream.index)
            return .consumed
        }
        return syncSlowly(index, session)
    }

    /// Sync of a batch that failed in the proxy, ran over several shards, or needs no shard.
    private func syncSlowly(_ index: Int32, _ session: UnsafeMutablePointer<Session>) -> FrameResult {
        let isFailed = session.pointee.isFailedHere
        if isFailed, session.pointee.isLinkUnsynced, session.pointee.link >= 0, session.pointee.detail?.transaction == nil,
            isDrained(session)
        {
            undoBatch(session)
        }
        guard isQuiescent(index) else { return .blocked }
        // The client has heard of an error, of a shard or the proxy: the block is undone without another.
        let isErrorTold = isFailed || session.pointee.skipsUntilSync
        session.pointee.skipsUntilSync = false
        session.pointee.isBatchOpen = false
        session.pointee.isFailedHere = false
        session.pointee.unnamedPortalLink = -1
        session.pointee.activity = .idle
        if let transaction = session.pointee.detail?.transaction, !transaction.isExplicit {
            start(BatchEndExecution(worker: self, session: index, isFailed: isErrorTold), on: index)
            return .consumed
        }
        writeReady(index)
        return .consumed
    }

    /// The batch failed in the proxy, or its client left, after the link had executed a part: ROLLBACK before Sync would
    /// commit it.
    func undoBatch(_ session: UnsafeMutablePointer<Session>) {
        guard session.pointee.hasBatchExecuted else { return }
        session.pointee.hasBatchExecuted = false
        let link = session.pointee.link
        let stream = outputEndingUnnamed(ofLink: link)
        stream.pointee.output.writeParse(name: "", text: "ROLLBACK")
        stream.pointee.output.writeBind()
        stream.pointee.output.writeExecute(portal: "")
        for expectation in [Expectation.dropParse, .dropBind, .dropExecute] {
            links.at(link).pointee.expectations.append(expectation)
        }
    }

    private func refuseFunctionCall(_ index: Int32, _ session: UnsafeMutablePointer<Session>) -> FrameResult {
        guard isDrained(session) else { return .blocked }
        session.pointee.isBatchOpen = false
        failQuery(
            index,
            DatabaseMessage(
                error: .featureNotSupported, "the FunctionCall message is not supported",
                hint: "Call the function with SELECT. Large objects are not supported over shards."))
        return .consumed
    }

    /// A Query while answers are due: they come first, and the Query ends an open batch like a Sync would. False: it waits.
    func isBatchEnded(_ index: Int32, _ session: UnsafeMutablePointer<Session>) -> Bool {
        guard session.pointee.isBatchOpen else { return false }
        if session.pointee.heldParse != 0, !session.pointee.skipsUntilSync {
            guard case .consumed = flushHeldParse(index, session) else { return false }
        }
        guard isQuiescent(index) else { return false }
        session.pointee.isBatchOpen = false
        session.pointee.activity = .idle
        return true
    }
}

extension StatementPlan {
    /// The proxy answers without a shard having parsed the statement.
    var isAnsweredHere: Bool {
        switch action {
        case .refuse: drawing == nil
        case .transaction, .prepared, .empty, .notify, .listen, .shardByShard: true
        case .cursor(let command):
            switch command {
            case .closeAll: true
            case .declare, .use: false
            }
        case .setting(let command):
            switch command {
            case .show: false
            default: true
            }
        case .passThrough, .scatter, .modify, .insertRows, .insertFetched, .copyIn, .copyOut: false
        }
    }
}
