// ScriptExecution: the statements of one simple Query, one after another.
//
// PostgreSQL runs them as one transaction unless they say otherwise; over shards too: with more than one statement a
// block is opened and committed at the end. The first error ends the script; what was answered before it stands.
import Primitives
import QueryPlanning
import ResultMerging
import WireProtocol

final class ScriptExecution: Execution {
    private let text: [UInt8]
    private let statements: [PlannedStatement]
    private var position = 0
    /// The environment the statements were planned in.
    private let environment: UInt32
    private var isStatementRunning = false
    private var isInLoop = false
    /// A statement has ended, and the next is to run.
    private var goesOn = false
    var hasSeveralStatements: Bool { statements.count > 1 }

    init(worker: Worker, session: Int32, text: [UInt8], statements: [PlannedStatement]) {
        self.text = text
        self.statements = statements
        environment = worker.planningEnvironment(session).number
        super.init(worker: worker, session: session, parent: nil)
    }

    override func resume() {
        guard !isStatementRunning else { return }
        runNext()
    }

    /// Runs statements up to the first that does not end at once. A loop: a script may have thousands of those that do.
    private func runNext() {
        guard !isInLoop else { return }
        isInLoop = true
        defer { isInLoop = false }
        repeat { goesOn = false; runOne() } while goesOn
    }

    private func runOne() {
        guard position < statements.count else { return commitImplicit() }
        // What the next statement sees must not be older than what was answered to the last.
        if worker.sessions.at(session).pointee.detail?.replyHold != nil { return }
        // A block within the script has ended with DDL: the next statement is about tables as they are now.
        if awaitsCatalog { return worker.awaitCatalog(session) }
        let text = text(of: statements[position])
        let plan: StatementPlan
        do throws(Refusal) {
            plan = try currentPlan(statements[position].plan, text)
        } catch {
            worker.tellError(session, DatabaseMessage(error))
            return abandon()
        }
        openImplicit(for: plan)
        isStatementRunning = true
        let call = StatementCall(plan: plan, text: text)
        worker.start(worker.carryingOut(call, session, parent: self, isAlone: !hasSeveralStatements), on: session)
    }

    /// A block that has done something does not wait: who reads the catalog may wait for its locks. Nor does what ends a block, which is
    /// about no table: a cancel would find it waiting, and leave the block open.
    private var awaitsCatalog: Bool {
        guard worker.cluster.isCatalogOld else { return false }
        guard let transaction = worker.sessions.at(session).pointee.detail?.transaction else { return true }
        return transaction.participants.isEmpty && !(statements.indices.contains(position) && statements[position].plan.endsTransaction)
    }

    override func cancelRequested() {
        guard !isStatementRunning, awaitsCatalog else { return }
        worker.tellError(session, worker.reasonOfEndedWait(session))
        abandon()
    }

    /// What an earlier statement of the script changed (tables, search_path) may mean another plan for the next.
    private func currentPlan(_ plan: StatementPlan, _ text: [UInt8]) throws(Refusal) -> StatementPlan {
        let present = worker.planningEnvironment(session)
        guard present.number != environment else { return plan }
        let planned = try text.withBytes { (text) throws(Refusal) in try worker.planner.plan(text: text, environment: present) }
        return planned.first?.plan ?? plan
    }

    /// One statement's text with blanks for what stood before it, so that places in it, the plan's and those of errors,
    /// are the same as in the whole.
    private func text(of statement: PlannedStatement) -> [UInt8] {
        let before = statement.plan.hasPlaces ? statement.range.lowerBound : 0
        return Array(repeating: UInt8(ascii: " "), count: before) + text[statement.range]
    }

    /// Several statements are one transaction, unless they are about transactions themselves; so is one that needs a COMMIT of its own.
    private func openImplicit(for plan: StatementPlan) {
        let record = worker.sessions.at(session)
        guard statements.count > 1 || worker.needsOwnCommit(plan.effect, record), record.pointee.detail?.transaction == nil else { return }
        // What runs under a key opens and commits its own.
        if statements.count == 1, worker.isKeyed(plan, record) { return }
        switch plan.action {
        case .transaction, .empty: return
        // Among several it is refused, as it can be in no block.
        case .shardByShard where statements.count == 1, .sagaRun where statements.count == 1: return
        default: worker.openTransaction(session, for: plan, isAlone: statements.count == 1)
        }
    }

    override func childFinished(_ child: Execution, _ outcome: Outcome) {
        if child is CommitExecution || child is RollbackExecution {
            if case .failure(let message) = outcome { worker.tellError(session, message) }
            return end()
        }
        isStatementRunning = false
        switch outcome {
        case .success:
            position += 1
            goesOn = true
            runNext()
        case .failure(let message):
            worker.tellError(session, message)
            abandon()
        }
    }

    private var implicitTransaction: Transaction? {
        guard let transaction = worker.sessions.at(session).pointee.detail?.transaction, !transaction.isExplicit else { return nil }
        return transaction
    }

    private func commitImplicit() {
        guard implicitTransaction != nil else { return end() }
        worker.start(CommitExecution(worker: worker, session: session, parent: self), on: session)
    }

    private func abandon() {
        if implicitTransaction != nil {
            worker.start(RollbackExecution(worker: worker, session: session, parent: self), on: session)
            return
        }
        let record = worker.sessions.at(session)
        if record.pointee.detail?.transaction != nil { record.pointee.status = TransactionStatus.failed.rawValue }
        end()
    }

    private func end() {
        let record = worker.sessions.at(session)
        if record.pointee.detail?.transaction == nil { record.pointee.status = TransactionStatus.idle.rawValue }
        worker.writeReady(session)
        finish(.success)
    }
}

extension StatementPlan {
    /// Places in its text matter to its plan, or to errors.
    fileprivate var hasPlaces: Bool {
        switch action {
        case .transaction, .setting, .notify, .listen, .empty, .prepared(.deallocate): false
        default: true
        }
    }
}

extension [PlannedStatement] {
    /// How many bytes are sent or copied where they are run one by one.
    var scriptBytes: Int { reduce(0) { $1.plan.hasPlaces ? $0 + $1.range.upperBound : $0 } }
}

extension Worker {
    /// Limits of a merge for the session: a portal that is filled takes all rows at once.
    func mergeBounds(_ index: Int32) -> RowMerger.Bounds {
        let limits = settings.limits
        guard sessions.at(index).pointee.isDiverted else { return RowMerger.Bounds(limits) }
        return RowMerger.Bounds(rowBytes: limits.mergeRowBytes, totalBytes: limits.mergeBytes, outputBytes: .max)
    }

    /// ErrorResponse to the client, if it is still there.
    func tellError(_ index: Int32, _ message: DatabaseMessage) {
        statistics.errors &+= 1
        guard sessions.at(index).pointee.phase != .leaving, message.message != alreadyTold else { return }
        output(ofSession: index).pointee.output.writeErrorResponse(message)
    }

    /// NoticeResponse to the client, if it is still there.
    func warn(_ index: Int32, _ message: DatabaseMessage) {
        guard sessions.at(index).pointee.phase != .leaving else { return }
        output(ofSession: index).pointee.output.writeNoticeResponse(message)
    }

    /// CommandComplete to the client, if it is still there.
    func tellComplete(_ index: Int32, _ tag: String) {
        guard sessions.at(index).pointee.phase != .leaving else { return }
        output(ofSession: index).pointee.output.writeCommandComplete(tag)
    }
}

/// The message of a failure whose ErrorResponse passed to the client already.
let alreadyTold = "\u{0}told"
