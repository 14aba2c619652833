// PortalMessages: Describe, Execute and Close, for what Parse and Bind have made.
import Primitives
import QueryPlanning
import WireProtocol

extension Worker {
    func describe(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ message: DescribeMessage, _ frame: UnsafeRawBufferPointer
    ) -> FrameResult {
        guard let detail = session.pointee.detail else { return .consumed }
        guard message.kind == .statement else { return describePortal(index, session, detail, message, frame) }
        let number = message.name.isEmpty ? detail.unnamedStatement : detail.statements.number(of: message.name)
        guard let statement = statements.at(number) else { return raise(index, missing(message.name)) }
        if let executed = executedStatement(statement.plan, detail) {
            return describe(executed: executed, formats: [], index, session, isStatement: true)
        }
        if statement.plan?.isAnsweredHere == true {
            guard isDrained(session) else { return .blocked }
            output(ofSession: index).pointee.output.writeParameterDescription(statement.parameterTypes)
            return describeAnswered(statement.plan, index)
        }
        if let cursor = statement.plan.flatMap({ fetchedCursor($0, detail) }) {
            return describe(cursor, formats: [], index, session, isStatement: true)
        }
        if session.pointee.heldParse != number, let result = settleHeldParse(index, session) { return result }
        if statement.isUncertain(in: session.pointee.environment), let result = confirmColumns(index, session, statement, isDescribe: true) { return result }
        var result = FrameResult.consumed
        let placeOfCursor = statement.plan.flatMap { cursorShard($0, detail) }
        let shard = placeOfCursor ?? currentShard(session) ?? anyShard(index)
        guard let link = batchLink(index, shard: shard, effect: .reads, &result) else { return result }
        if placeOfCursor != nil { forget(statement, session, link) }
        ensurePrepared(session, link, statement, isUnnamed: message.name.isEmpty)
        if message.name.isEmpty {
            output(ofLink: link).pointee.output.append(frame)
        } else {
            statement.linkName.withUnsafeBytes { output(ofLink: link).pointee.output.writeDescribe(.statement, name: $0) }
        }
        links.at(link).pointee.describing.append(number)
        sent(session, links.at(link), .passDescribeStatement)
        return .consumed
    }

    func describePortal(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ detail: SessionDetail, _ message: DescribeMessage,
        _ frame: UnsafeRawBufferPointer
    ) -> FrameResult {
        if let result = settleHeldParse(index, session) { return result }
        if message.name.isEmpty, session.pointee.unnamedPortalLink >= 0 {
            return forward(index, session, frame, to: session.pointee.unnamedPortalLink, .passDescribePortal)
        }
        guard let portal = detail.portals[Array(message.name)] else {
            let name = message.name.text
            if let link = detail.cursors.link(of: name) { return forward(index, session, frame, to: link, .passDescribePortal) }
            if let cursor = detail.cursors.sharded(name) { return describe(cursor, formats: [], index, session, isStatement: false) }
            return raise(index, DatabaseMessage(error: .invalidCursorName, "portal \"\(message.name.text)\" does not exist"))
        }
        if let executed = executedStatement(portal.plan, detail) {
            return describe(executed: executed, formats: resultFormats(of: portal), index, session, isStatement: false)
        }
        if portal.plan.isAnsweredHere {
            guard isDrained(session) else { return .blocked }
            return describeAnswered(portal.plan, index)
        }
        if let cursor = portal.cursor ?? fetchedCursor(portal.plan, detail) { return describe(cursor, formats: resultFormats(of: portal), index, session, isStatement: false) }
        if portal.link >= 0 { return forward(index, session, frame, to: portal.link, .passDescribePortal) }
        if isChecked(portal, session, detail) {
            return forward(index, session, frame, to: portal.checkLink, .passDescribePortal)
        }
        guard let statement = statements.at(portal.statement) else { return raise(index, missing(message.name)) }
        return describe(executed: statement, formats: resultFormats(of: portal), index, session, isStatement: false)
    }

    /// Says what the proxy itself answers with.
    private func describeAnswered(_ plan: StatementPlan?, _ index: Int32) -> FrameResult {
        if let columns = plan?.answeredColumns {
            output(ofSession: index).pointee.output.writeRowDescription(columns)
        } else {
            output(ofSession: index).pointee.output.writeNoData()
        }
        return .consumed
    }

    /// Passes a frame on to a link of the batch.
    @inline(__always)
    func forward(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ frame: UnsafeRawBufferPointer, to link: Int32,
        _ expectation: Expectation
    ) -> FrameResult {
        if session.pointee.link != link {
            var result = FrameResult.consumed
            guard batchLink(index, shard: links.at(link).pointee.shard, effect: .reads, &result) != nil else { return result }
        }
        let record = links.at(session.pointee.link)
        if expectation == .passExecute, record.pointee.translatesOIDs {
            forwardTranslated(session, execute: frame, to: session.pointee.link)
            return .consumed
        }
        streams.at(record.pointee.stream.index).pointee.output.append(frame)
        sent(session, record, expectation)
        return .consumed
    }

    @inline(__always)
    func execute(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ message: ExecuteMessage, _ frame: UnsafeRawBufferPointer,
        received: UnsafeRawBufferPointer
    ) -> FrameResult {
        if let result = settleHeldParse(index, session) { return result }
        if message.portal.isEmpty, session.pointee.unnamedPortalLink >= 0 {
            session.pointee.hasBatchExecuted = true
            return forward(index, session, frame, to: session.pointee.unnamedPortalLink, .passExecute)
        }
        return executePortal(index, session, message, frame, received: received)
    }

    @inline(never)
    func executePortal(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ message: ExecuteMessage, _ frame: UnsafeRawBufferPointer,
        received: UnsafeRawBufferPointer
    ) -> FrameResult {
        guard let detail = session.pointee.detail else { return .consumed }
        let name = Array(message.portal)
        guard let portal = detail.portals[name], let statement = statements.at(portal.statement) else {
            if let link = detail.cursors.link(of: message.portal.text) {
                session.pointee.hasBatchExecuted = true
                return forward(index, session, frame, to: link, .passExecute)
            }
            if let cursor = detail.cursors.sharded(message.portal.text) { return execute(cursor, message.maximumRows, index) }
            return raise(index, DatabaseMessage(error: .invalidCursorName, "portal \"\(message.portal.text)\" does not exist"))
        }
        if portal.link >= 0 {
            if session.pointee.status == TransactionStatus.failed.rawValue, let refusal = refusal(of: portal.plan, session) {
                return raise(index, refusal)
            }
            if !session.pointee.isPlain, isKeyed(portal.plan, session) { return raise(index, .boundBeforeKey) }
            guard links.at(portal.link).pointee.session == index else {
                return raise(index, DatabaseMessage(error: .invalidCursorName, "portal \"\(message.portal.text)\" does not exist",
                    hint: "Execute it before another statement is bound that concerns another shard."))
            }
            session.pointee.hasBatchExecuted = true
            if portal.plan.runsTriggers { links.at(portal.link).pointee.hasUnknownSettings = true }
            if portal.plan.taintsLink { links.at(portal.link).pointee.isTainted = true }
            if !portal.plan.pins.isEmpty { pin(index, link: portal.link, reasons: portal.plan.pins) }
            return forward(index, session, frame, to: portal.link, .passExecute)
        }
        if let refusal = portal.refusal { return raise(index, refusal) }
        if let result = refuseLate(index, session, portal, message.portal) { return result }
        let isOfRequest = isKeyed(portal.plan, session)
        if isOfRequest, portal.isOpen { return raise(index, .boundBeforeKey) }
        if !isOfRequest, let result = executeStreamed(index, portal, statement, message) { return result }
        if let buffer = portal.buffer {
            if buffer.isSpent {
                return raise(index, cannotBeRun(message.portal))
            }
            if buffer.holdsRows, buffer.textStyles != detail.textStyles { return raise(index, .otherTextStyles("portal \"\(message.portal.text)\"")) }
            guard isDrained(session) else { return .blocked }
            buffer.fetch(message.maximumRows, into: &output(ofSession: index).pointee.output)
            return .consumed
        }
        guard isQuiescent(index) else { return .blocked }
        if portal.isDone {
            guard let tag = tagOfNoRows(portal, statement, index, detail) else {
                return raise(index, cannotBeRun(message.portal))
            }
            output(ofSession: index).pointee.output.writeCommandComplete(tag)
            return .consumed
        }
        if session.pointee.hasWaitFailure, let failure = endedWait(session, index, endsBlock: portal.plan.endsTransaction) {
            return raiseEndedWait(index, failure)
        }
        if cluster.isPlanningPaused {
            awaitCatalog(index)
            return .blocked
        }
        detail.portals[name]?.isDone = true
        if isOfRequest {
            if detail.transaction == nil { openTransaction(index, isExplicit: false, modes: "") }
        } else {
            openForBatch(index, executedPlan(portal.plan, index, detail), isLast: received.following(frame).startsWithSync)
        }
        var call = self.call(of: portal, statement)
        if message.maximumRows > 0, !portal.plan.isCopy, !portal.plan.declaresCursor {
            call.maximumRows = message.maximumRows
            if !isOfRequest { divertPortal(session, detail) }
        }
        let execution = BatchStatementExecution(worker: self, session: index, call: call)
        execution.portalName = name
        start(execution, on: index)
        return .consumed
    }

    /// The tag when a portal that has given all its rows is executed again; nil: it gives none, and is run once only.
    private func tagOfNoRows(_ portal: Portal, _ statement: SharedStatement, _ index: Int32, _ detail: SessionDetail) -> String? {
        let text = executedStatement(portal.plan, detail)?.text ?? statement.text
        let command = executedPlan(portal.plan, index, detail).commandName
        switch command {
        case "SELECT", "FETCH": return "\(command) 0"
        case "SHOW", "EXPLAIN": return command
        case "INSERT", "UPDATE", "DELETE":
            guard String(decoding: text, as: UTF8.self).lowercased().contains("returning") else { return nil }
            return command == "INSERT" ? "INSERT 0 0" : "\(command) 0"
        default: return nil
        }
    }

    private func cannotBeRun(_ portal: UnsafeRawBufferPointer) -> DatabaseMessage {
        DatabaseMessage(error: .objectNotInPrerequisiteState, "portal \"\(portal.text)\" cannot be run")
    }

    /// What a batch writes or sets outside a block becomes permanent at Sync, not before; until then it keeps its locks and snapshots.
    /// - Parameter isLast: Sync is known to follow.
    func openForBatch(_ index: Int32, _ plan: StatementPlan, isLast: Bool) {
        guard sessions.at(index).pointee.detail?.transaction == nil else { return }
        switch plan.action {
        case .transaction, .shardByShard, .sagaRun, .prepared, .empty, .idempotencyKey(.show): return
        // What comes behind it may fail, and undo it.
        case .idempotencyKey(.set): guard !isLast else { return }
        case .setting(let command): guard command.belongsToTransaction else { return }
        default: guard plan.effect != .reads || !isLast && (plan.outlastsItself || keepsSnapshots(index)) else { return }
        }
        openTransaction(index, for: plan, isAlone: isLast)
    }

    func close(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ message: CloseMessage, _ frame: UnsafeRawBufferPointer
    ) -> FrameResult {
        guard let detail = session.pointee.detail else { return .consumed }
        if let result = settleHeldParse(index, session) { return result }
        if message.kind == .portal {
            let isUnnamed = message.name.isEmpty
            if let cursor = streamedCursor(message.name, detail) {
                guard case .consumed = close(cursor, index) else { return .blocked }
                detail.cursors.remove(message.name.text)
                detail.portals[Array(message.name)] = nil
                return .consumed
            }
            let link = isUnnamed && session.pointee.unnamedPortalLink >= 0
                ? session.pointee.unnamedPortalLink : detail.portals[Array(message.name)]?.link ?? -1
            if isUnnamed { session.pointee.unnamedPortalLink = -1 }
            let isOnShard = detail.transaction?.hasLetGo != true
            if !isUnnamed, let home = detail.cursors[message.name.text]?.home {
                if case .link(let link) = home, isOnShard, case .blocked = forward(index, session, frame, to: link, .passClose) { return .blocked }
                detail.cursors.remove(message.name.text)
                if case .link = home, isOnShard { return .consumed }
            }
            if link >= 0, isOnShard {
                let result = forward(index, session, frame, to: link, .passClose)
                if case .consumed = result { detail.portals[Array(message.name)] = nil }
                return result
            }
            if let portal = detail.portals.removeValue(forKey: Array(message.name)), isChecked(portal, session, detail) {
                output(ofLink: portal.checkLink).pointee.output.writeClose(.portal, name: message.name)
                sent(session, links.at(portal.checkLink), .dropClose)
            }
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
    func closing(_ name: UnsafeRawBufferPointer, _ detail: SessionDetail) -> NameChange {
        if name.isEmpty {
            let number = detail.unnamedStatement
            detail.unnamedStatement = 0
            return .unnamed(number: 0, before: number)
        }
        let number = detail.statements.remove(name)
        return number == 0 ? .none : .closed(Array(name), number: number)
    }
}

extension DatabaseMessage {
    fileprivate static let boundBeforeKey = DatabaseMessage(
        error: .activeSQLTransaction, "a portal that was bound before the idempotency key was set cannot be part of its request", hint: "Bind it again.")
}

extension SettingCommand {
    /// What it sets goes with the transaction: back when that fails, and away at its end where it is local.
    fileprivate var belongsToTransaction: Bool {
        switch self {
        case .set, .reset, .resetAll, .setTransaction, .setSessionCharacteristics, .setConstraints, .configure: true
        case .show, .discardAll, .discardPlans, .discardSequences, .discardTemporary: false
        }
    }
}
