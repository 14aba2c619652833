// FetchedModifyExecution: UPDATE or DELETE on several shards that needs rows of other shards than those it changes.
//
//     (horizon ──>) fetching ──> writing ──> (releasing ──>) committing
//        ▲                          │
//        └───── another attempt ────┘    a row was changed by somebody else since the fetch
//
// Fetch and write must see one state. Outside a block the statement has a REPEATABLE READ transaction of its own, so that both read
// from one snapshot. In a REPEATABLE READ block they do anyway. In a READ COMMITTED block the write reads from a snapshot of its own:
// before the fetch each shard is asked for its horizon, below which all transactions have ended, and the write fails when it comes to
// a row written by a transaction beyond it (FetchedModificationPlan). Rows that it does change are then those that the fetch would have
// seen. Where the write meets a change of somebody else's it is undone and all begins anew, as often as `maximumAttempts` says.
import DistributedCommit
import Primitives
import QueryPlanning
import ResultMerging
import WireProtocol

final class FetchedModifyExecution: CompoundExecution {
    /// How often it is tried to find a moment at which nobody else changes the rows.
    static let maximumAttempts = 20
    /// Between attempts in a block the transactions that are in the way get a little more time each.
    private static let pauseSeconds = 0.01
    /// Not a name that a client would choose for its own.
    private static let savepoint = "\"pgbraid write\""

    private enum Step { case idle, horizon, fetching, writing, releasing, undoing }

    private let call: StatementCall
    private let plan: FetchedModificationPlan
    private let shards: [ShardIndex]
    private var step = Step.idle
    private var attempts = 0
    /// The block takes a snapshot for each statement.
    private var isGuarded = false
    /// One a shard of the write.
    private var horizons: [String] = []
    /// What the write has told, as long as it may have to be undone.
    private var answer: PortalBuffer?

    /// - Parameter shards: those whose rows are to be changed.
    init(
        worker: Worker, session: Int32, parent: Execution?, call: StatementCall, plan: FetchedModificationPlan, shards: [ShardIndex]
    ) {
        self.call = call
        self.plan = plan
        self.shards = shards
        super.init(worker: worker, session: session, parent: parent)
    }

    private var mayTryAgain: Bool { ownsTransaction || isGuarded }

    override func resume() {
        guard step == .idle else { return }
        begin()
    }

    private func begin() {
        attempts += 1
        record.pointee.detail?.deadlock = nil
        openOwnTransaction { worker.openStableTransaction(session) }
        isGuarded = !ownsTransaction && transaction?.isolation == .readCommitted
        if isGuarded { askHorizon() } else { fetch() }
    }

    private func run(_ step: Step, _ child: Execution) {
        self.step = step
        worker.start(child, on: session)
    }

    private func ask(_ step: Step, _ text: String) {
        run(step, AskExecution(worker: worker, session: session, parent: self, shards: shards, text: text))
    }

    private func askHorizon() {
        let before = attempts == 1
            ? "SAVEPOINT \(Self.savepoint)"
            : "ROLLBACK TO SAVEPOINT \(Self.savepoint);SELECT pg_catalog.pg_sleep(\(Self.pauseSeconds * Double(attempts - 1)))"
        ask(.horizon, before + ";SELECT pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::pg_catalog.xid")
    }

    // MARK: The rows

    private func fetch() {
        var bounds = RowMerger.Bounds(worker.settings.limits)
        // Every shard is sent all of them.
        bounds.totalBytes /= shards.count
        run(
            .fetching,
            FetchExecution(
                worker: worker, session: session, parent: self, call: call, plan: plan, bounds: bounds,
                shards: plan.isFetchedFromOne ? [worker.anyShard(session)] : ShardSet.all(worker.shardCount).shards))
    }

    private func write(_ fetch: FetchExecution) {
        // Somebody must say that there was nothing to do.
        let places = shards.indices.filter { fetch.hasRows(for: shards[$0]) }.nonEmpty ?? [0]
        let texts = isGuarded ? places.map { plan.text(unchangedSince: horizons[$0]) } : [plan.text]
        let calls = places.map { writeCall(fetch.arrays(for: shards[$0])) }
        let write = ModifyExecution(
            worker: worker, session: session, parent: self, call: calls[0], shards: places.map { shards[$0] },
            texts: texts.map { Array($0.utf8) }, tag: plan.tag)
        if plan.dealing != nil { write.callsByLeg = calls }
        write.leavesOthersAlone = isGuarded
        write.description = fetch.originalDescription
        // What was told cannot be taken back.
        if mayTryAgain { answer = divert() }
        run(.writing, write)
    }

    /// The statement with the client's values and the arrays behind them.
    private func writeCall(_ arrays: [UnsafeRawBufferPointer]) -> StatementCall {
        let ownCount = plan.firstArrayParameter - 1
        var types = Array(call.parameterTypes.prefix(ownCount))
        while types.count < ownCount { types.append(0) }
        var result = call
        result.parameterTypes = types + Array(repeating: StatementCall.textArrayType, count: arrays.count)
        result.bind = call.bind(ownCount: ownCount, followedBy: arrays)
        return result
    }

    // MARK: The course

    override func stepFinished(_ child: Execution, _ outcome: Outcome) {
        if step == .undoing { return begin() }
        if case .failure(let message) = outcome { return failed(message) }
        switch step {
        case .horizon:
            horizons = (child as? AskExecution)?.rows.map { $0.last?.first.flatMap { $0 } ?? "" } ?? []
            fetch()
        case .fetching: (child as? FetchExecution).map(write)
        case .writing where isGuarded: ask(.releasing, "RELEASE SAVEPOINT \(Self.savepoint)")
        case .writing, .releasing: end(nil)
        case .idle, .undoing: break
        }
    }

    private func failed(_ message: DatabaseMessage) {
        answer = nil
        guard step == .writing, isInTheWay(message), record.pointee.phase != .leaving, transaction?.hasLostParticipant != true else {
            // Errors of the client's own text come with the fetch.
            return end(step == .writing ? message.withoutPosition : message)
        }
        guard attempts < Self.maximumAttempts else { return end(tooBusy) }
        if isGuarded { return begin() }
        run(.undoing, RollbackExecution(worker: worker, session: session, parent: self))
    }

    /// Another transaction was, and the statement can be undone and run again. A deadlock of statements that lock the same rows in
    /// another order on each shard is none to the client; in a block it may be the client's own.
    private func isInTheWay(_ message: DatabaseMessage) -> Bool {
        if message.sqlState == .deadlockDetected { return ownsTransaction }
        return message.sqlState == .serializationFailure && mayTryAgain
    }

    private var tooBusy: DatabaseMessage {
        DatabaseMessage(
            error: .serializationFailure, "could not find a moment at which no other transaction changes the same rows",
            detail: "Rows of several shards were fetched \(attempts) times, and rows to be changed with them were changed by others meanwhile.",
            hint: "Run the transaction again; a transaction that has been open for long may be in the way.")
    }

    // MARK: The end

    override func concluded(_ problem: DatabaseMessage?) {
        if let problem { return finish(.failure(problem)) }
        worker.statistics.fetchedWrites &+= 1
        if let answer { tellClient(answer.stream.pointee.output.readable) }
        finish(.success)
    }
}

extension Array {
    fileprivate var nonEmpty: Self? { isEmpty ? nil : self }
}

extension Worker {
    /// The implicit transaction of what the client has sent, begun with its first statement.
    /// - Parameter isAlone: nothing else comes into it, so that it may have a snapshot for all it does where the statement needs that.
    func openTransaction(_ session: Int32, for plan: StatementPlan, isAlone: Bool) {
        guard isAlone, plan.insertsWhatItReads, settings.consistentReads != .off else { return openTransaction(session, isExplicit: false, modes: "") }
        openStableTransaction(session)
    }

    /// A transaction for one statement that looks at the shards more than once, and must see one state.
    func openStableTransaction(_ session: Int32) {
        openTransaction(session, isExplicit: false, modes: defaultIsolation(session) == .serializable ? "" : "ISOLATION LEVEL REPEATABLE READ")
    }
}

extension StatementCall {
    /// text[]
    static let textArrayType: UInt32 = 1009

    /// A Bind frame with the first values of this one, and more behind them in text format.
    func bind(ownCount: Int, followedBy values: [UnsafeRawBufferPointer]) -> [UInt8] {
        let pool = BlockPool()
        var queue = ByteQueue(pool: pool.reference)
        defer { queue.free() }
        (bind ?? []).withUnsafeBytes { bytes in
            let message = bind == nil ? nil : try? BindMessage(bytes)
            let mark = queue.beginFrame(FrontendMessageType.bind)
            queue.append(UInt8(0))
            queue.append(UInt8(0))
            let formats = Self.formats(of: message, count: ownCount)
            queue.append(formats: formats + Array(repeating: FormatCode.text, count: values.count))
            queue.append(count: ownCount + values.count)
            queue.append(valuesOf: message, count: ownCount)
            for value in values { queue.append(value: value) }
            queue.append(formats: resultFormats)
            queue.endFrame(mark)
        }
        return Array(queue.readable)
    }

    /// The formats of the first values of a Bind, as many as asked for.
    static func formats(of message: BindMessage?, count: Int) -> [FormatCode] {
        (0..<count).map { index in
            guard let message, index < message.parameterCount else { return .text }
            return message.parameterFormat(index)
        }
    }
}

extension ByteQueue {
    /// Appends the first values of a Bind, as many as asked for; NULL for those that it has not. O(parameters).
    mutating func append(valuesOf message: BindMessage?, count: Int) {
        message?.forEachParameter { index, parameter in
            if index < count { append(value: parameter.value) }
        }
        for _ in min(message?.parameterCount ?? 0, count)..<count { appendNull() }
    }
}
