// CommitExecution: ends a transaction block on all its shards: plain COMMIT where one wrote, two-phase commit where
// several did. The order of things is CommitCoordinator's; here its actions become SQL and answers become its inputs.
import DistributedCommit
import Primitives
import QueryPlanning
import WireProtocol

final class CommitExecution: Execution {
    /// Everything is committed; false: everything is rolled back, because a part of it had failed before.
    private(set) var didCommit = false

    private enum Step { case idle, askingWriters, checkingConstraints, awaitingWindow, committingWriter, committingReaders, twoPhase, rollingBack }
    enum Question { case prepare, constraints, decide, finish, end }

    private var step = Step.idle
    private var questions: [Question?] = []
    /// The first error of each leg, for the client.
    private(set) var failures: [DatabaseMessage?] = []
    private var coordinator: CommitCoordinator?
    private var identity: TransactionIdentity?
    private var writers: [Int] = []
    /// As they were at the beginning: one per leg, whatever is lost meanwhile.
    private var participants: [Participant] = []
    private var isAnswered = false
    private var commitWindow: GateTicket?
    private enum Pause { case undecided, readingCatalog, asked }
    /// Nobody runs a statement whose plan this transaction makes wrong; or why that cannot be had.
    private var pause = Pause.undecided
    private var pauseFailure: DatabaseMessage?
    /// Which history each participant's shard had when it was asked to prepare.
    private var histories: [String?] = []

    /// For SHOW TRANSACTIONS: the transaction's hash once it is a distributed one.
    var hash: TransactionHash? { identity?.hash }
    var writingShards: [ShardIndex] { writers.map { legs[$0].shard } }
    var decidingShard: ShardIndex? { coordinator?.decider.map { legs[$0].shard } }
    var transactionStart: Instant? { transaction?.startedAt }

    override var keepsRows: Bool { true }

    private var transaction: Transaction? { worker.sessions.at(session).pointee.detail?.transaction }

    override func resume() {
        guard let transaction, step == .idle else { return }
        if let preparation = storing(transaction) ?? pauseExecution(transaction) { return worker.start(preparation, on: session) }
        participants = transaction.participants
        for participant in participants { _ = addLeg(link: participant.link) }
        questions = Array(repeating: nil, count: legs.count)
        failures = Array(repeating: nil, count: legs.count)
        histories = Array(repeating: nil, count: legs.count)
        let hasFailed = legs.contains { worker.links.at($0.link).pointee.status == TransactionStatus.failed.rawValue }
        failure = pauseFailure ?? transaction.takeUntoldLoss()
        // A COMMIT outside a block says COMMIT as well, and commits nothing.
        let isOver = legs.first { worker.links.at($0.link).pointee.status == TransactionStatus.idle.rawValue }
        if let isOver, failure == nil {
            failure = DatabaseMessage(
                error: .transactionRollback, "the transaction was rolled back: its part on shard \(isOver.shard) had ended before COMMIT",
                hint: "Run it again.")
        }
        if hasFailed || isOver != nil || transaction.hasLostParticipant || pauseFailure != nil { return rollBack() }
        let unknown = participants.indices.filter { participants[$0].effect == .unknown }
        let writing = participants.count { $0.effect == .writes }
        if unknown.isEmpty || unknown.count + writing <= 1 { return choose() }
        step = .askingWriters
        for leg in unknown { ask(leg, "SELECT pg_catalog.pg_current_xact_id_if_assigned() IS NOT NULL") }
    }

    /// A request's answers are stored first; nil: there are none, or they will not be committed.
    private func storing(_ transaction: Transaction) -> Execution? {
        guard transaction.idempotentRequest != nil, pauseFailure == nil, !transaction.hasLostParticipant, transaction.untoldLoss == nil else { return nil }
        let isWhole = transaction.participants.allSatisfy { worker.links.at($0.link).pointee.status == TransactionStatus.inTransaction.rawValue }
        return isWhole ? worker.storingExecution(transaction, session, parent: self) : nil
    }

    /// What must be done before the transaction may commit; nil: nothing more.
    private func pauseExecution(_ transaction: Transaction) -> Execution? {
        let isWhole = transaction.participants.allSatisfy { worker.links.at($0.link).pointee.status == TransactionStatus.inTransaction.rawValue }
        guard pause != .asked, pauseFailure == nil, isWhole, !transaction.hasLostParticipant, worker.shardCount > 1 else { return nil }
        if !transaction.changesPlacement {
            guard transaction.changesCatalog || transaction.comparesCatalog else { return nil }
            if transaction.catalog == nil, pause == .undecided {
                pause = .readingCatalog
                return PrivateCatalogExecution(worker: worker, session: session, parent: self)
            }
            guard let catalog = transaction.catalog, transaction.othersCatalog?.isReplaced(by: catalog) == true else { return nil }
        }
        pause = .asked
        return PlanningPauseExecution(worker: worker, session: session, parent: self)
    }

    override func childFinished(_ child: Execution, _ outcome: Outcome) {
        if case .failure(let message) = outcome { pauseFailure = message }
        resume()
    }

    private func choose() {
        writers = participants.indices.filter { index in
            // It may have a transaction ID of a lock that it took.
            if transaction?.isReadOnly == true { return false }
            return switch participants[index].effect {
            case .writes: true
            case .reads: false
            case .unknown: legs[index].rows.first?.first != "f"
            }
        }
        // COMMIT runs the queries of cursors WITH HOLD, and may fail: what was written must not be committed by then.
        if !writers.isEmpty { writers = participants.indices.filter { writers.contains($0) || holdsCursors($0) } }
        if writers.count >= 2 { return beginTwoPhase() }
        guard let writer = writers.first else { return commitReaders() }
        guard worker.hotSettings.isStrict else { return commitWriter() }
        // Once its constraints are checked, COMMIT waits for nobody's lock while its window is open.
        step = .checkingConstraints
        ask(writer, Self.constraintsText)
    }

    /// PostgreSQL does not limit the time of COMMIT, and so not that of deferred triggers.
    private static let constraintsText = "SET LOCAL statement_timeout = 0;SET CONSTRAINTS ALL IMMEDIATE"

    /// The deciding shard writes the decision once it has left the subtransaction that is READ ONLY.
    private var isReadOnlySince: Bool { transaction?.hasSavepoint(Transaction.readOnlySavepoint) == true }

    private func holdsCursors(_ leg: Int) -> Bool {
        worker.sessions.at(session).pointee.detail?.cursors.forbidPreparation(on: participants[leg].link) == true
    }

    private func commitWriter() {
        step = .committingWriter
        ask(writers[0], "COMMIT")
    }

    /// The window of a commit on one shard, which only strict reads ask for.
    private func awaitWindow() {
        step = .awaitingWindow
        if requestWindow() { commitWriter() }
    }

    private func commitReaders() {
        step = .committingReaders
        for leg in legs.indices where !writers.contains(leg) { ask(leg, "COMMIT") }
        // There are none, or all were lost while the writer committed.
        if !hasOutstanding { conclude(committed: true) }
    }

    private func rollBack() {
        leaveCommitWindow()
        step = .rollingBack
        for leg in legs.indices where !legs[leg].isLost { ask(leg, "ROLLBACK") }
        if !hasOutstanding { conclude(committed: false) }
    }

    override func allReady() {
        switch step {
        case .askingWriters:
            if let failure {
                noteFailure(failure)
                return rollBack()
            }
            choose()
        case .checkingConstraints: failure == nil ? awaitWindow() : rollBack()
        // A link was lost meanwhile.
        case .awaitingWindow: rollBack()
        case .committingWriter: writerAnswered()
        case .committingReaders: readersAnswered()
        case .rollingBack: conclude(committed: false)
        case .idle, .twoPhase: break
        }
    }

    private func writerAnswered() {
        leaveCommitWindow()
        let leg = legs[writers[0]]
        if leg.isLost {
            failure = DatabaseMessage(
                error: .transactionResolutionUnknown, "the connection to shard \(leg.shard) was lost while it committed",
                hint: "Look whether the transaction's changes are there before you repeat it.")
            return rollBack()
        }
        tellWarnings(leg)
        if leg.error != nil { return rollBack() }
        if leg.tag == "ROLLBACK" { return rollBack() }
        commitReaders()
    }

    /// A part that only read may fail as well: as SERIALIZABLE, for example.
    private func readersAnswered() {
        let failed = legs.indices.filter { !writers.contains($0) && !legs[$0].isLost && legs[$0].error != nil }
        if writers.isEmpty, let first = failed.first {
            failure = legs[first].error
            // Where COMMIT went well, settings are left.
            for leg in legs where !leg.isLost && leg.error == nil { worker.distrustSettings(ofLink: leg.link) }
            return rollBack()
        }
        // The settings that the block has made are not in force there.
        for leg in failed { worker.links.at(legs[leg].link).pointee.isTainted = true }
        conclude(committed: true)
    }

    /// What deferred triggers have told.
    private func tellWarnings(_ leg: Leg) {
        for warning in leg.warnings where !hidesWarnings && !warning.tellsOfReplication || coordinator == nil {
            worker.warn(session, warning)
        }
    }

    private func conclude(committed: Bool) {
        guard !isAnswered else { return }
        isAnswered = true
        didCommit = committed
        // COMMIT leaves the cursors WITH HOLD whose queries it has run before it fails.
        if !committed { for leg in legs.indices where !legs[leg].isLost && holdsCursors(leg) { worker.links.at(legs[leg].link).pointee.isTainted = true } }
        if committed, coordinator == nil, writers.count == 1 { worker.statistics.onePhaseCommits &+= 1 }
        worker.endTransaction(session, committed: committed)
        if let failure, !committed { return finish(.failure(failure)) }
        finish(.success)
    }

    // MARK: Two-phase commit

    private func beginTwoPhase() {
        step = .twoPhase
        let participants: [CommitParticipant] = legs.indices.map { index in
            writers.contains(index)
                ? .wrote(self.participants[index].obstacle ?? worker.preparationObstacle(session, link: legs[index].link)) : .read
        }
        var timing = worker.settings.commitTiming
        // The queries of cursors WITH HOLD are run by the COMMIT that decides.
        if legs.indices.contains(where: holdsCursors) { timing.decisionLimit = max(timing.decisionLimit, timing.prepareLimit) }
        let coordinator = CommitCoordinator(participants: participants, timing: timing)
        self.coordinator = coordinator
        identity = worker.newTransactionIdentity(decider: legs[coordinator.decider ?? writers[0]].shard)
        if let identity { worker.cluster.inFlight.insert(identity.hash) }
        worker.statistics.twoPhaseCommits &+= 1
        tell(.start)
    }

    /// Gives the coordinator an event and carries out what it orders.
    func tell(_ input: CommitInput) {
        guard let probe = worker.probe, let probed else { return handle(input) }
        for input in probe.inputs(for: input, probed) { handle(input) }
    }

    private func handle(_ input: CommitInput) {
        var actions: [CommitAction] = []
        coordinator?.handle(input, into: &actions)
        for action in actions {
            if let probe = worker.probe, let probed, let inputs = probe.inputs(insteadOf: action, probed) {
                inputs.forEach(handle)
            } else {
                perform(action)
            }
        }
    }

    /// This commit as a probe sees it.
    private var probed: ProbedCommit? {
        guard let coordinator, let identity else { return nil }
        return ProbedCommit(
            hash: identity.hash, phase: coordinator.phase, shards: legs.map(\.shard), decider: coordinator.decider,
            prepared: writers.filter { $0 != coordinator.decider })
    }

    private func perform(_ action: CommitAction) {
        guard let identity else { return }
        switch action {
        case .prepare(let leg):
            histories[leg] = worker.cluster.shards[legs[leg].shard.int].history
            put(.prepare, leg, prepareText(leg))
        case .checkConstraints(let leg): put(.constraints, leg, Self.constraintsText + (isReadOnlySince ? ";RELEASE \(Transaction.readOnlySavepoint)" : ""))
        case .enterCommitWindow: enterCommitWindow()
        case .leaveCommitWindow: leaveCommitWindow()
        case .decideAndCommit(let leg):
            put(.decide, leg, "SELECT pgbraid.decide('\\x\(identity.tokenHexadecimal)', '\(identity.instance)');COMMIT")
        case .commitPrepared(let leg): commitPrepared(leg)
        case .rollbackPrepared(let leg): put(.finish, leg, "ROLLBACK PREPARED '\(gid(leg))'")
        case .rollback(let leg): put(.end, leg, "ROLLBACK")
        case .commitReader(let leg): put(.end, leg, "COMMIT")
        case .retryCommitPrepared(let leg, let delay): finishByAdmin(leg, "COMMIT", after: delay)
        case .retryRollbackPrepared(let leg, let delay): finishByAdmin(leg, "ROLLBACK", after: delay)
        case .resolveDecision: resolveDecision()
        case .cancel(let leg): worker.sendCancel(toLink: legs[leg].link)
        case .closeLink(let leg): closeLink(leg)
        case .resynchronizeSettings(let leg):
            if !legs[leg].isLost { worker.distrustSettings(ofLink: legs[leg].link) }
        case .fence(let leg): worker.fence(legs[leg].shard)
        case .deleteDecision(let decision):
            if decision == .commit { worker.cluster.forgetDecision(identity.hash, on: decider) }
        case .setTimer(let timer, let delay):
            worker.timers.add(
                .commit(session: session, generation: worker.sessions.at(session).pointee.generation, hash: identity.hash, timer: timer),
                at: worker.now + delay)
        case .answerCommitted(let warnings): answerCommitted(warnings)
        case .answerFailed(let failure): answerFailed(failure)
        case .answerUnknown: answerUnknown()
        }
    }

    private func enterCommitWindow() { if requestWindow() { tell(.commitWindowEntered) } }

    /// True: the window is open; else `gateEntered` follows.
    private func requestWindow() -> Bool {
        switch worker.enterGate(self, .commit, ShardSet(writers.map { legs[$0].shard })) {
        case .entered(let ticket):
            commitWindow = ticket
            return true
        case .waiting(let ticket):
            commitWindow = ticket
            return false
        // Only snapshots are refused there.
        case .closed: return false
        }
    }

    private func leaveCommitWindow() {
        guard let ticket = commitWindow else { return }
        commitWindow = nil
        worker.leaveGate(ticket)
    }

    private var decider: ShardIndex { legs[coordinator?.decider ?? 0].shard }

    func gid(_ leg: Int) -> String { identity?.gid(participant: worker.cluster.shardIdentifier(legs[leg].shard)) ?? "" }

    func put(_ question: Question, _ leg: Int, _ text: String) {
        questions[leg] = question
        if let error = legs[leg].error, failures[leg] == nil { failures[leg] = error }
        withLeg(leg) {
            $0.tag = ""
            $0.error = nil
            $0.warnings = []
        }
        ask(leg, text)
    }

    private func closeLink(_ leg: Int) {
        guard !legs[leg].isLost else { return }
        questions[leg] = nil
        worker.breakLink(legs[leg].link, reason: "its transaction could not be ended")
    }

    override func legReady(_ leg: Int) {
        guard step == .twoPhase else { return }
        if legs[leg].isLost {
            questions[leg] = nil
            return tell(.linkLost(leg))
        }
        guard let question = questions[leg] else { return }
        questions[leg] = nil
        let answer = legs[leg]
        let state = answer.error?.sqlState.rawValue
        let isUnreplicated = answer.warnings.contains(where: \.tellsOfReplication)
        if question != .finish, question != .end { tellWarnings(answer) }
        switch question {
        case .prepare: tell(.prepareAnswered(leg, prepareAnswer(answer, state, isUnreplicated)))
        case .constraints: tell(.constraintsChecked(state.map { .failed(sqlState: $0) } ?? .satisfied))
        case .decide: tell(.decisionAnswered(decisionAnswer(answer, state, isUnreplicated)))
        case .finish where state == "42704": finishedByAnother(leg)
        case .finish: tell(.finishAnswered(leg, finishAnswer(state, isUnreplicated)))
        case .end: tell(.transactionEnded(leg, sqlState: state))
        }
    }

    private func prepareAnswer(_ leg: Leg, _ state: String?, _ isUnreplicated: Bool) -> PrepareAnswer {
        if let state { return .failed(sqlState: state) }
        if leg.tag == "PREPARE TRANSACTION" {
            worker.statistics.prepares &+= 1
            return isUnreplicated ? .preparedWithoutReplication : .prepared
        }
        return .rolledBack
    }

    private func decisionAnswer(_ leg: Leg, _ state: String?, _ isUnreplicated: Bool) -> DecisionAnswer {
        if let state { return leg.tag.isEmpty ? .refused(sqlState: state) : .failed(sqlState: state) }
        if leg.tag == "COMMIT" { return isUnreplicated ? .committedWithoutReplication : .committed }
        return .rolledBack
    }

    private func finishAnswer(_ state: String?, _ isUnreplicated: Bool) -> FinishAnswer {
        switch state {
        case nil: isUnreplicated ? .doneWithoutReplication : .done
        case let state?: .failed(sqlState: state)
        }
    }

    /// The prepared part is gone: recovery has ended it as decided, unless the shard is another one than it was, a standby
    /// that was promoted without it or a restored copy.
    private func finishedByAnother(_ leg: Int) {
        worker.readHistory(legs[leg].shard) { [weak self] history in
            guard let self else { return }
            guard let history else { return tell(.finishAnswered(leg, .unreachable)) }
            tell(.finishAnswered(leg, .notFound(sameHistory: history == histories[leg])))
        }
    }

    private func finishByAdmin(_ leg: Int, _ verb: String, after delay: Span) {
        worker.finishPrepared(shard: legs[leg].shard, gid: gid(leg), verb: verb, owner: nil, after: delay) { [weak self] answer in
            if case .notFound = answer { self?.finishedByAnother(leg) } else { self?.tell(.finishAnswered(leg, answer)) }
        }
    }

    private func resolveDecision() {
        guard let identity else { return }
        worker.fenceAndRead(shard: decider, hash: identity.hash) { [weak self] status in self?.tell(.decisionResolved(status)) }
    }

    override func cancelRequested() {
        if step == .twoPhase { return tell(.cancelRequested) }
        switch step {
        case .askingWriters, .checkingConstraints: cancelLegs()
        case .awaitingWindow:
            noteFailure(DatabaseMessage(error: .queryCanceled, "canceling statement due to user request"))
            rollBack()
        // With strict reads its window is open, and COMMIT waits for nobody.
        case .committingWriter: if !worker.hotSettings.isStrict { cancelLegs() }
        case .idle, .committingReaders, .twoPhase, .rollingBack: break
        }
    }

    private func answerCommitted(_ warnings: [CommitWarning]) {
        for warning in warnings { worker.warn(session, text(of: warning)) }
        endTwoPhase(committed: true)
    }

    private func answerFailed(_ reason: CommitFailure) {
        failure = message(of: reason)
        endTwoPhase(committed: false)
    }

    private func answerUnknown() {
        failure = DatabaseMessage(
            error: .transactionResolutionUnknown, "the outcome of the transaction is not known yet",
            detail: "Global transaction identifier: \(gid(coordinator?.decider ?? 0)).",
            hint: "Recovery finishes it on all shards alike; SHOW TRANSACTIONS in the admin database tells when.")
        endTwoPhase(committed: false)
    }

    private func endTwoPhase(committed: Bool) {
        for leg in legs.indices where legs[leg].outstanding > 0 { closeLink(leg) }
        if let identity { worker.cluster.inFlight.remove(identity.hash) }
        conclude(committed: committed)
    }
}

extension CommitExecution: GateVisitor {
    func gateEntered(_ ticket: GateTicket) { step == .awaitingWindow ? commitWriter() : tell(.commitWindowEntered) }

    /// The coordinator has timers of its own.
    func gateLimitIsOver() {}
}
