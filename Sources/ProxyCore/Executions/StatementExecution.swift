// StatementExecution: carries out one planned statement, whatever it is, up to its CommandComplete.
//
// It decides by the plan's action and the session's state which execution does the work, or answers itself.
import Primitives
import QueryPlanning
import ResultMerging
import WireProtocol

final class StatementExecution: Execution {
    let call: StatementCall
    private var passLink: Int32 = -1
    private var hasChild = false
    private var awaitsCatalog = false
    /// `Cluster.catalogEpoch` when it began.
    let catalogEpoch: Int
    var replanning = Replanning.possible
    /// What to do once the statement itself is done.
    var afterwards: (() -> Void)?
    /// What set_config sets, to be the session's once it is answered.
    var assignments: [SettingAssignment] = []

    init(worker: Worker, session: Int32, parent: Execution?, call: StatementCall) {
        self.call = call
        catalogEpoch = worker.cluster.catalogEpoch
        super.init(worker: worker, session: session, parent: parent)
    }

    var record: UnsafeMutablePointer<Session> { worker.sessions.at(session) }

    override func resume() {
        if awaitsCatalog {
            guard !worker.cluster.isCatalogOld else { return worker.awaitCatalog(session) }
            return finish(.success)
        }
        if replanning == .awaitsCatalog {
            guard !worker.cluster.isCatalogOld else { return worker.awaitCatalog(session) }
            return performAnew()
        }
        guard !hasChild, passLink < 0 else { return }
        if record.pointee.status == TransactionStatus.failed.rawValue, !call.plan.endsTransaction {
            return fail(worker.firstUntold(record, .blockIsAborted))
        }
        if let refusal = worker.settingRefusal(call.plan, record) { return fail(refusal) }
        if call.lacksParameters, !call.plan.isPassThrough { return failForParameters() }
        if call.plan.commandName == "LOCK TABLE", record.pointee.detail?.transaction?.isExplicit != true,
            (parent as? ScriptExecution)?.hasSeveralStatements != true
        {
            return fail(DatabaseMessage(error: .noActiveSQLTransaction, "LOCK TABLE can only be used in transaction blocks"))
        }
        if let drawing = call.plan.drawing {
            return run(DrawExecution(worker: worker, session: session, parent: self, query: drawing.query))
        }
        if let query = call.plan.binaryCopyQuery, worker.cluster.translatesOIDs {
            return run(CopiedTypesExecution(worker: worker, session: session, parent: self, query: query))
        }
        perform(call.plan.action)
    }

    private func perform(_ action: Action) {
        switch action {
        case .passThrough(let route): route_(route)
        case .scatter(let route, let plan): scatter(route, plan)
        case .modify(let route, let text, let tag): modify(route, text: text, tag)
        case .modifyFetched(let route, let plan): modifyFetched(route, plan)
        case .modifyReplayed(let plan):
            run(ReplayExecution(worker: worker, session: session, parent: self, call: call, plan: plan))
        case .insertRows(let plan): insert(plan)
        case .insertFetched(let plan):
            if plan.movesRows, call.hasOpenParameters {
                return run(ParameterTypesExecution(worker: worker, session: session, parent: self, call: call))
            }
            run(FetchedInsertExecution(worker: worker, session: session, parent: self, call: call, plan: plan))
        case .copyIn(let route, let plan): copyIn(route, plan)
        case .copyOut(let route, let text, let options): copyOut(route, text, options)
        case .copyQuery(let plan): run(CopyQueryExecution(worker: worker, session: session, parent: self, plan: plan))
        case .shardByShard(let route): shardByShard(route)
        case .transaction(let command): run(TransactionCommandExecution(worker: worker, session: session, parent: self, call: call, command: command))
        case .setting(.show): pass(to: worker.anyShard(session))
        case .setting(.configure(let calls)): configure(calls)
        case .setting(let command): run(SettingExecution(worker: worker, session: session, parent: self, call: call, command: command))
        case .prepared(let command): run(PreparedCommandExecution(worker: worker, session: session, parent: self, call: call, command: command))
        case .cursor(let command): cursor(command)
        case .place(let placement): place(placement)
        case .sagaStep(let step): journal(step)
        case .sagaRun(let saga): runSaga(saga)
        case .idempotencyKey(let command): idempotencyKey(command)
        case .fillTable(let plan): run(FillTableExecution(worker: worker, session: session, parent: self, call: call, plan: plan))
        case .explain(let plan): explain(plan)
        case .notify, .listen: passNotification()
        case .empty:
            worker.output(ofSession: session).pointee.output.writeEmptyQueryResponse()
            finish(.success)
        case .refuse(let refusal): fail(DatabaseMessage(refusal))
        }
    }

    private func failForParameters() {
        fail(DatabaseMessage(worker.planner.refusalOfParameters(in: call.text, environment: worker.planningEnvironment(session))))
    }

    func fail(_ message: DatabaseMessage) { finish(.failure(message)) }

    func run(_ child: Execution) {
        hasChild = true
        worker.start(child, on: session)
    }

    /// How long a write is run again because another transaction's commit has not reached all copies of a reference table, or is behind
    /// its snapshot.
    static let alikePatience = Span.seconds(3)
    private var unlikeSince: Instant?

    private func runsAgain(_ child: Execution) -> Bool {
        guard let modify = child as? ModifyExecution, modify.mayBeRunAgain, record.pointee.detail?.transaction == nil,
            record.pointee.phase != .leaving
        else { return false }
        let since = unlikeSince ?? worker.now
        unlikeSince = since
        return worker.now - since < Self.alikePatience
    }

    override func childFinished(_ child: Execution, _ outcome: Outcome) {
        if case .failure = outcome, runsAgain(child) { return perform(call.plan.action) }
        if child is PrivateCatalogExecution { return finish(outcome) }
        if child is CopiedTypesExecution, case .success = outcome { return performChecked() }
        if let draw = child as? DrawExecution, case .success = outcome { return performDrawn(draw.values) }
        if let learned = child as? ParameterTypesExecution, case .success = outcome { return performTyped(learned.types) }
        if let opened = child as? DeclareStreamExecution, let cursor = opened.cursor, case .success = outcome {
            record.pointee.detail?.cursors.insert(cursor.name, worker.declared(.session(cursor), isHeld: false, session))
            worker.tellComplete(session, "DECLARE CURSOR")
        }
        if case .success = outcome { return completed() }
        if let scatter = child as? ScatterExecution, scatter.metOtherColumns(since: catalogEpoch) { return replan(scatter) }
        finish(outcome)
    }

    /// What follows from a statement that succeeded. Its session's next statement must know what DDL has changed: within
    /// a block it reads the catalog as the block sees it, else it waits for the one everybody reads.
    func completed() {
        if !assignments.isEmpty { return settle() }
        afterwards?()
        worker.noteTemporaryTables(session, call.plan.temporaryNames)
        guard call.plan.changesCatalog else { return finish(.success) }
        if record.pointee.detail?.transaction != nil {
            record.pointee.detail?.transaction?.changesCatalog = true
            return run(PrivateCatalogExecution(worker: worker, session: session, parent: self))
        }
        worker.noteCatalogChange()
        awaitsCatalog = true
        resume()
    }

    /// What COPY copies holds no OIDs.
    private func performChecked() {
        hasChild = false
        perform(call.plan.action)
    }

    // MARK: Routes

    func shards(_ route: Route, _ body: ([ShardIndex]) -> Void) {
        switch worker.resolve(route, of: call, session: session) {
        case .one(let shard): body([shard])
        case .many(let set): body(set.shards)
        case .refused(let refusal): fail(DatabaseMessage(refusal))
        }
    }

    /// Passes the statement to the one shard of the route, or asks for a plan over several.
    func route_(_ route: Route) {
        switch worker.resolve(route, of: call, session: session) {
        case .one(let shard): pass(to: shard)
        // Of a key without a value something else would be said.
        case .refused where call.lacksParameters: failForParameters()
        case .refused(let refusal): fail(DatabaseMessage(refusal))
        case .many:
            afterwards = nil
            performAcrossShards()
        }
    }

    // MARK: One shard

    /// Sends the statement to one shard and lets everything it answers pass to the client.
    func pass(to shard: ShardIndex) {
        // What passes goes to the client itself; a portal with a row limit keeps the rows that it has not been asked for.
        if record.pointee.isDiverted, call.plan.canBeDiverted || call.isKept {
            return run(
                ModifyExecution(
                    worker: worker, session: session, parent: self, call: call, shards: [shard], texts: [call.text], tag: .first))
        }
        switch worker.enlist(session, shard: shard, effect: call.plan.effect, takesSnapshot: call.plan.takesSnapshot) {
        case .waiting: return
        case .failed(let message): return fail(message)
        case .link(let link):
            passLink = link
            worker.statistics.countStatement(shard: shard)
            record.pointee.link = link
            record.pointee.sawError = false
            let stream = worker.outputEndingUnnamed(ofLink: link)
            let link_ = worker.links.at(link)
            // COPY FROM STDIN takes no parameters, and would swallow the Sync behind its Execute.
            if call.bind == nil || call.plan.isCopyIn {
                call.text.withUnsafeBytes { stream.pointee.output.writeQuery($0) }
                link_.pointee.expectations.append(.passQueryWithoutReady)
            } else {
                stream.pointee.output.writeCall(worker.call(call, for: shard, session: session), text: call.text, resultFormats: call.resultFormats)
                let description = call.wantsDescription ? Expectation.passDescription : .dropDescribe
                let execute = link_.pointee.translatesOIDs ? Expectation.passExecuteTranslated : .passExecute
                for expectation in [Expectation.dropParse, .dropBind, description, execute, .dropSync] {
                    link_.pointee.expectations.append(expectation)
                }
            }
            worker.streams.markDirty(link_.pointee.stream.index)
        }
    }

    override var wantsClientFrames: Bool { record.pointee.isCopyingIn }

    override func clientFrame(_ frame: UnsafeRawBufferPointer, type: UInt8) -> Bool {
        guard passLink >= 0 else { return false }
        switch type {
        case FrontendMessageType.copyData, FrontendMessageType.copyDone, FrontendMessageType.copyFail:
            guard record.pointee.isCopyingIn else { return false }
            _ = worker.copyFrame(session, type: type, frame)
            let stream = worker.output(ofLink: passLink)
            if stream.pointee.output.count > worker.settings.limits.outputHighWaterBytes {
                stream.pointee.wantsDrained = true
                worker.streams.at(record.pointee.stream.index).pointee.isReadPaused = true
            }
            return true
        case FrontendMessageType.sync, FrontendMessageType.flush: return record.pointee.isCopyingIn
        default:
            guard record.pointee.isCopyingIn else { return false }
            worker.loseSynchronization(session, type: type)
            return true
        }
    }

    override func clientLeft() {
        guard passLink >= 0 else { return }
        worker.output(ofLink: passLink).pointee.output.writeCopyFail(reason: "the client left")
        worker.streams.markDirty(worker.links.at(passLink).pointee.stream.index)
        record.pointee.isCopyingIn = false
    }

    override func clientDrained() {
        guard passLink >= 0 else { return }
        let stream = worker.links.at(passLink).pointee.stream
        if worker.streams.at(stream.index).pointee.isReadPaused { worker.resumeReading(stream) }
    }

    override func cancelRequested() {
        if passLink >= 0 { return worker.sendCancel(toLink: passLink) }
        guard record.pointee.activity == .waiting else { return }
        let reason = worker.reasonOfEndedWait(session)
        // What the statement did is done; only what comes next needs the catalog.
        if awaitsCatalog { return finish(.success) }
        if replanning == .awaitsCatalog { fail(reason) }
    }

    override func passedQuiet(_ link: Int32) {
        guard link == passLink else { return }
        record.pointee.link = -1
        record.pointee.isCopyingIn = false
        let failed = record.pointee.sawError
        worker.lastPassedLink = link
        notePins(link, failed: failed)
        if call.plan.runsTriggers { worker.links.at(link).pointee.hasUnknownSettings = true }
        if call.plan.taintsLink || changesLinkUnseen { worker.links.at(link).pointee.isTainted = true }
        let isOfBlock = record.pointee.detail?.transaction?.participants.contains { $0.link == link } == true
        if !isOfBlock { worker.giveBack(link, from: session) }
        if failed { return finish(.failure(DatabaseMessage(error: .internalError, alreadyTold))) }
        completed()
    }

    override func passedLost(_ link: Int32, _ message: DatabaseMessage) {
        guard link == passLink else { return }
        // The client may have heard of another error, whose answer was not complete yet.
        fail(record.pointee.sawError ? DatabaseMessage(error: .internalError, alreadyTold) : message)
    }

    /// A session lock stays when the statement that took it fails, or its block.
    private func notePins(_ link: Int32, failed: Bool) {
        let pins = failed ? call.plan.pins.intersection(.sessionAdvisoryLock) : call.plan.pins
        if !pins.isEmpty { worker.pin(session, link: link, reasons: pins) }
    }
}

extension StatementPlan {
    /// PostgreSQL takes the block's snapshot for it (PlannedStmtRequiresSnapshot in its source): a lock that is taken first
    /// must come before the snapshot.
    var takesSnapshot: Bool { !["LOCK TABLE", "LISTEN", "UNLISTEN", "NOTIFY", "FETCH", "MOVE", "SHOW"].contains(commandName) }

    /// One shard runs it as it is, and says what is wrong with it in PostgreSQL's words.
    var isPassThrough: Bool {
        if case .passThrough = action { return drawing == nil }
        return false
    }

    /// Nothing must be known of the link that ran it.
    var canBeDiverted: Bool { !isCopy && pins.isEmpty && !taintsLink && !runsTriggers }

    /// It may run in a failed block because it ends it, or goes back to a savepoint.
    var endsTransaction: Bool {
        guard case .transaction(let command) = action else { return false }
        switch command {
        case .commit, .rollback, .rollbackTo, .prepare: return true
        case .begin, .savepoint, .release, .commitPrepared, .rollbackPrepared: return false
        }
    }
}
