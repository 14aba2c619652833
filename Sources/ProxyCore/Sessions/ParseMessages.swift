// ParseMessages: Parse, which is held until the shard is known, and how statements come to be prepared on links.
//
// Statements are prepared on links under shared names: sessions with the same text and parameter types use the same one.
import Primitives
import QueryPlanning
import WireProtocol

extension Worker {
    /// What a statement means besides its text where it is prepared: settings by which literals are read, and whose temporary tables.
    func reading(_ index: Int32, _ detail: SessionDetail) -> [String] {
        let settings = detail.settings.reading + (detail.transaction?.localSettings.reading ?? [])
        if detail.temporaryTables.isEmpty { return settings }
        return settings + ["session \(index) \(sessions.at(index).pointee.generation) \(detail.temporaryVersion)"]
    }

    func parse(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ message: ParseMessage
    ) -> FrameResult {
        guard let detail = session.pointee.detail else { return .consumed }
        if let result = settleHeldParse(index, session) { return result }
        switch catalogReadiness(index, session, message.text) {
        case .known: break
        case .awaited: return .blocked
        case .failed(let failure): return raiseInParse(index, detail, message, failure)
        }
        let types = (0..<message.parameterCount).map { message.parameterType($0) }
        let plan: StatementPlan
        do throws(DatabaseMessage) {
            plan = try planOne(message.text, types, session: index)
        } catch {
            return raiseInParse(index, detail, message, error)
        }
        // PostgreSQL refuses the empty statement in a failed block only when it is bound.
        if !plan.isEmpty, let refusal = refusal(of: plan, session) { return raiseInParse(index, detail, message, refusal) }
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
        let statement = statements.hold(text: message.text, parameterTypes: types, environment: planningEnvironment(index).number, reading: reading(index, detail))
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
    func raiseInParse(
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
    func refusal(of plan: StatementPlan, _ session: UnsafeMutablePointer<Session>) -> DatabaseMessage? {
        if session.pointee.status == TransactionStatus.failed.rawValue, !plan.endsTransaction {
            return .blockIsAborted
        }
        if case .refuse(let refusal) = plan.action, plan.drawing == nil, !plan.isToldWhenExecuted { return DatabaseMessage(refusal) }
        return settingRefusal(plan, session)
    }

    /// In a block set_config would hold on one shard, and statements on the others would run without it: by another role even.
    func settingRefusal(_ plan: StatementPlan, _ session: UnsafeMutablePointer<Session>) -> DatabaseMessage? {
        guard plan.changesSettings, shardCount > 1, session.pointee.detail?.transaction != nil else { return nil }
        return DatabaseMessage(
            error: .featureNotSupported, "set_config in a transaction block sets a variable on one shard only",
            hint: "Use SET or SET LOCAL, which follow the session to all shards.")
    }

    /// Sends a Parse that is held before the present frame is handled; otherwise what becomes of the frame.
    @inline(__always)
    func settleHeldParse(_ index: Int32, _ session: UnsafeMutablePointer<Session>) -> FrameResult? {
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

    /// Has a statement prepared anew when it is next needed on a link. What FETCH returns is settled when it is prepared, and its
    /// cursor may have been another one then.
    func forget(_ statement: SharedStatement, _ session: UnsafeMutablePointer<Session>, _ index: Int32) {
        let link = links.at(index)
        if link.pointee.unnamedStatement == statement.number { link.pointee.unnamedStatement = 0 }
        guard link.pointee.prepared.touch(statement.number) else { return }
        link.pointee.prepared.remove(statement.number)
        statement.linkName.withUnsafeBytes { output(ofLink: index).pointee.output.writeClose(.statement, name: $0) }
        sent(session, link, .dropClose)
    }

    func prepareNew(
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

    func writeParse(_ statement: SharedStatement, name: [UInt8], on link: Int32) {
        let stream = output(ofLink: link)
        let mark = stream.pointee.output.beginFrame(FrontendMessageType.parse)
        stream.pointee.output.append(name)
        stream.pointee.output.append(UInt8(0))
        stream.pointee.output.append(statement.text)
        stream.pointee.output.append(UInt8(0))
        let types = parameterTypes(of: statement, onLink: link)
        stream.pointee.output.append(count: types.count)
        for type in types { stream.pointee.output.append(integer: type) }
        stream.pointee.output.endFrame(mark)
    }
}
