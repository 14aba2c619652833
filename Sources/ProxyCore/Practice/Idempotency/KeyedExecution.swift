// KeyedExecution: one statement of a request under a key. The first of them claims the key; what was committed under it before is answered and not
// done again. Else the statement runs, and its answer is kept for the transaction to store.
//
// Outside a block a simple Query is a request of its own: its answer reaches the client once it is stored and committed. In blocks and batches answers
// come as they do without a key, and count once COMMIT or Sync is answered.
import Primitives
import QueryPlanning
import WireProtocol

final class KeyedExecution: CompoundExecution {
    private enum Step { case idle, claiming, running, describing }

    private let call: StatementCall
    /// The only one of its message.
    private let isAlone: Bool
    private var step = Step.idle
    private var request: IdempotentRequest?
    private var identity = RequestIdentity()
    private var buffer: PortalBuffer?
    /// What the client is to be answered.
    private var answer: [UInt8] = []
    /// The stored answer whose description is compared with what the client may have been told by now.
    private var replayed: StoredAnswer?
    private var home = ShardIndex(0)

    init(worker: Worker, session: Int32, parent: Execution?, call: StatementCall, isAlone: Bool) {
        self.call = call
        self.isAlone = isAlone
        super.init(worker: worker, session: session, parent: parent)
    }

    override func resume() {
        guard step == .idle, let detail = record.pointee.detail else { return }
        if let refusal = refusal(detail) { return finish(.failure(refusal)) }
        if parent is ScriptExecution { openOwnTransaction { worker.openTransaction(session, for: call.plan, isAlone: true) } }
        if let problem = worker.attachKey(session, call.plan) { return end(problem) }
        guard let request = detail.transaction?.idempotentRequest else { return end(Self.lost) }
        self.request = request
        identity = RequestHash.of(call, user: detail.user, settings: detail.settingsOfMeaning)
        switch request.state {
        case .unclaimed: claim(request)
        case .claimed: perform()
        case .replayed: replay(request)
        }
    }

    private static let lost = DatabaseMessage(error: .internalError, "the transaction has no idempotency key")

    /// What cannot be part of a request.
    private func refusal(_ detail: SessionDetail) -> DatabaseMessage? {
        switch call.plan.keyTreatment {
        case .runsOnce: break
        case .runsAlways:
            return DatabaseMessage(
                error: .featureNotSupported, "an idempotency key in front of \(call.plan.commandName) means nothing",
                hint: "Put it in front of a statement that does something, or of BEGIN.")
        case .isRefused(let hint):
            return DatabaseMessage(error: .featureNotSupported, "\(call.plan.commandName) cannot be part of a request with an idempotency key", hint: hint)
        }
        guard isAlone else {
            return DatabaseMessage(
                error: .featureNotSupported, "several statements in one Query cannot be part of a request with an idempotency key",
                hint: "Send each in a message of its own, between BEGIN and COMMIT.")
        }
        return nil
    }

    // MARK: The key

    private func claim(_ request: IdempotentRequest) {
        guard case .one(let home) = worker.resolve(IdempotencyKey.route(of: request.key), of: call, session: session) else { return end(Self.lost) }
        step = .claiming
        let text = "SELECT number, request, answer, formats FROM pgbraid.idempotency_claim(\(quoteLiteral(request.key)), \(Limits.idempotentRequestBytes))"
        self.home = home
        worker.start(AskExecution(worker: worker, session: session, parent: self, shards: [home], text: text, effect: .reads), on: session)
    }

    private func claimed(_ rows: [[String?]]) {
        guard let request else { return }
        step = .idle
        guard !rows.isEmpty else {
            request.claim(on: home, stored: nil)
            worker.statistics.keyedRequests &+= 1
            return perform()
        }
        guard let stored = IdempotentRequest.stored(rows) else {
            return end(DatabaseMessage(error: .internalError, "what is stored of the idempotency key \"\(request.key)\" cannot be read"))
        }
        request.claim(on: home, stored: stored)
        worker.statistics.replayedRequests &+= 1
        replay(request)
    }

    // MARK: The statement

    private func perform() {
        step = .running
        // Much more than can be kept is not even held.
        buffer = divert(reservedBytes: worker.settings.limits.mergeBytes - mostHeldBytes)
        var call = self.call
        call.isKept = true
        // The description is kept too, so that a replay can tell whether it is still what the client will be told.
        call.wantsDescription = true
        call.maximumRows = 0
        worker.start(StatementExecution(worker: worker, session: session, parent: self, call: call), on: session)
    }

    /// What may still be kept of the answers.
    private var bytesLeft: Int { max(0, worker.settings.limits.idempotentAnswerBytes - (request?.answerBytes ?? 0)) }

    /// Notices among the answers are told and not kept.
    private var mostHeldBytes: Int { min(worker.settings.limits.mergeBytes, 2 * bytesLeft) }

    private var tooLong: DatabaseMessage {
        DatabaseMessage(
            error: .configurationLimitExceeded,
            "the answer to a request with an idempotency key is over the limit of \(worker.settings.limits.idempotentAnswerBytes) bytes",
            detail: "It must be kept whole for a retry; nothing was done.", hint: "Return fewer rows, or raise limits.idempotent_answer.")
    }

    private func performed() {
        guard let buffer, let request else { return }
        let frames = AnswerFrames(buffer.stream.pointee.output.readable)
        self.buffer = nil
        // Of what a client that has left was to be told, some is not there. Nobody has promised it anything.
        guard record.pointee.phase != .leaving else { return end(DatabaseMessage(error: .connectionFailure, "the client has left")) }
        guard !frames.tag.isEmpty else { return end(DatabaseMessage(error: .internalError, "the statement has ended without an answer")) }
        if call.maximumRows > 0, frames.rowCount >= Int(call.maximumRows) {
            return end(
                DatabaseMessage(
                    error: .featureNotSupported, "a portal with a row limit cannot be part of a request with an idempotency key", hint: "Fetch all rows at once."))
        }
        let limit = worker.settings.limits.idempotentAnswerBytes
        guard request.keep(StoredAnswer(request: identity.hash, tag: frames.tag, frames: frames.kept, form: identity.form), limit: limit) else {
            return end(tooLong)
        }
        answer = frames.told(withDescription: call.wantsDescription)
        end(nil)
    }

    // MARK: The replay

    private func replay(_ request: IdempotentRequest) {
        let stored: StoredAnswer
        switch request.replay(identity) {
        case .answer(let answer): stored = answer
        case .otherRequest: return end(request.otherRequest)
        case .otherFormats: return end(request.otherFormats)
        }
        let frames = stored.frames.withUnsafeBytes { AnswerFrames($0) }
        answer = frames.told(withDescription: call.wantsDescription)
        guard !call.wantsDescription, !frames.description.isEmpty else { return end(nil) }
        step = .describing
        replayed = stored
        worker.start(
            DescribedColumnsExecution(worker: worker, session: session, parent: self, text: call.text, declaredTypes: call.parameterTypes), on: session)
    }

    /// What Describe says now must be what the rows are.
    private func described(_ columns: [FieldDescription]?) {
        guard let stored = replayed, let request else { return }
        let kept = stored.frames.withUnsafeBytes { AnswerFrames($0).columns }
        guard let columns, columns.map(\.typeOID) == kept.map(\.typeOID) else {
            return end(
                DatabaseMessage(
                    error: .featureNotSupported, "the statement returns other columns than when it was committed under the idempotency key \"\(request.key)\"",
                    hint: "pgbraid.outcome tells what is known of the request."))
        }
        end(nil)
    }

    override func stepFinished(_ child: Execution, _ outcome: Outcome) {
        if case .failure(let message) = outcome {
            let isTooLong = message.sqlState == .configurationLimitExceeded && (buffer?.stream.pointee.output.count ?? 0) > mostHeldBytes
            buffer = nil
            if isTooLong { return end(tooLong) }
            return end(step == .running ? message : message.withoutPosition)
        }
        switch step {
        case .idle: return
        case .claiming: claimed((child as? AskExecution)?.rows.first ?? [])
        case .running: performed()
        case .describing: described((child as? DescribedColumnsExecution)?.columns)
        }
    }

    override func concluded(_ problem: DatabaseMessage?) {
        if let problem { return finish(.failure(problem)) }
        answer.withUnsafeBytes { tellClient($0) }
        finish(.success)
    }
}

/// Learns what a statement returns.
final class DescribedColumnsExecution: DescribingExecution {
    override func described() { finish(failure.map(Outcome.failure) ?? .success) }
}
