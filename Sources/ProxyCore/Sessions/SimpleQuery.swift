// SimpleQuery: the Query message. One statement for one shard passes through untouched; everything else is a script.
import Primitives
import QueryPlanning
import WireProtocol

extension Worker {
    /// Handles a Query frame.
    @inline(__always)
    func simpleQuery(_ index: Int32, _ session: UnsafeMutablePointer<Session>, _ frame: UnsafeRawBufferPointer) -> FrameResult {
        let text: UnsafeRawBufferPointer
        do throws(ProtocolViolation) {
            text = try QueryMessage(frame).text
        } catch {
            failQuery(index, error.asError)
            return .consumed
        }
        if session.pointee.status != TransactionStatus.failed.rawValue, session.pointee.isPlain || !isCarriedOut(session),
            let target = hotTarget(text, session: session), !needsOwnCommit(target.effect, session)
        {
            return passQuery(index, session, shard: target.shard, effect: target.effect, frame)
        }
        return plannedQuery(index, session, text, frame)
    }

    /// A batch without Sync left a block that ends with this Query, or the Query is part of a request under a key: nothing passes.
    @inline(never)
    private func isCarriedOut(_ session: UnsafeMutablePointer<Session>) -> Bool {
        session.pointee.detail?.transaction?.isExplicit == false || hasKey(session)
    }

    /// Sends a Query frame to the one shard it concerns.
    @inline(__always)
    func passQuery(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, shard: ShardIndex, effect: DataEffect, _ frame: UnsafeRawBufferPointer
    ) -> FrameResult {
        switch session.pointee.isPlain ? lease(index, shard: shard) : enlist(index, shard: shard, effect: effect) {
        case .link(let link):
            session.pointee.link = link
            session.pointee.activity = .passing
            if statistics.isSampled(shard: shard) { sampleKey(frame, session) }
            session.pointee.askedAt = now
            let record = links.at(link)
            record.pointee.unnamedStatement = 0
            streams.at(record.pointee.stream.index).pointee.output.append(frame)
            streams.markDirty(record.pointee.stream.index)
            record.pointee.expectations.append(.passQuery)
            return .consumed
        case .waiting: return .blocked
        case .failed(let message):
            failQuery(index, message)
            return .consumed
        }
    }

    /// A Query whose plan is not in the shape cache.
    @inline(never)
    private func plannedQuery(
        _ index: Int32, _ session: UnsafeMutablePointer<Session>, _ text: UnsafeRawBufferPointer, _ frame: UnsafeRawBufferPointer
    ) -> FrameResult {
        switch catalogReadiness(index, session, text) {
        case .known: break
        case .awaited: return .blocked
        case .failed(let message):
            failQuery(index, message)
            return .consumed
        }
        let planned: [PlannedStatement]
        do throws(Refusal) {
            planned = try planner.plan(text: text, parameterTypes: [], environment: planningEnvironment(index))
        } catch {
            session.pointee.detail?.takeWaitFailure().map { _ in () }
            failQuery(index, DatabaseMessage(error))
            return .consumed
        }
        if planned.isEmpty || planned.count == 1 && planned[0].plan.isEmpty { return answerEmptyQuery(index) }
        if planned.count > 1, session.pointee.status == TransactionStatus.failed.rawValue, cluster.isCatalogOld {
            // What follows the end of the failed block is a matter of tables again.
            if isDrained(session) { awaitCatalog(index) }
            return .blocked
        }
        let effect = planned.reduce(DataEffect.reads) { $0.joined($1.plan.effect) }
        if session.pointee.status != TransactionStatus.failed.rawValue, session.pointee.isPlain || !isCarriedOut(session), !needsOwnCommit(effect, session),
            let shard = commonShard(planned, text, index)
        {
            return passQuery(index, session, shard: shard, effect: effect, frame)
        }
        guard planned.scriptBytes <= settings.limits.scriptBytes else {
            failQuery(
                index,
                DatabaseMessage(
                    error: .statementTooComplex, "\(planned.count) statements in one Query of \(text.count) bytes are too many",
                    hint: "Send them in several messages."))
            return .consumed
        }
        let script = ScriptExecution(worker: self, session: index, text: Array(text), statements: planned)
        start(script, on: index)
        return .consumed
    }

    private func answerEmptyQuery(_ index: Int32) -> FrameResult {
        output(ofSession: index).pointee.output.writeEmptyQueryResponse()
        writeReady(index)
        return .consumed
    }

    /// The one shard that can run the whole text as it stands; nil when the statements need more than that.
    private func commonShard(_ planned: [PlannedStatement], _ text: UnsafeRawBufferPointer, _ index: Int32) -> ShardIndex? {
        var common: ShardIndex?
        for statement in planned {
            guard statement.plan.isPlainPassThrough, case .passThrough(let route) = statement.plan.action,
                case .one(let shard) = resolve(route, session: index, text: text, bind: nil, parameterTypes: [], prefer: common)
            else { return nil }
            if let common, common != shard { return nil }
            common = shard
        }
        return common
    }
}

extension StatementPlan {
    var isEmpty: Bool {
        if case .empty = action { return true }
        return false
    }

    /// Passing the bytes is all there is to do.
    var isPlainPassThrough: Bool {
        guard case .passThrough = action else { return false }
        return pins.isEmpty && !changesCatalog && !taintsLink && !runsTriggers && !isCopy && idempotencyKey == nil
    }
}

extension DatabaseMessage {
    /// The ErrorResponse of a refusal.
    init(_ refusal: Refusal) {
        self.init(
            error: SQLState(refusal.sqlState), refusal.message, detail: refusal.detail, hint: refusal.hint,
            position: refusal.position > 0 ? refusal.position : nil)
    }
}
