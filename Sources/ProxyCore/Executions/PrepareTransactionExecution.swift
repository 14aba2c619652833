// PrepareTransactionExecution: the client's own PREPARE TRANSACTION, for blocks of which one shard alone has something to keep.
//
// Shards that were only read, or told of a setting, are asked whether that is so, and committed once the one part is prepared. Whatever
// comes of it, the block is over then, as PostgreSQL has it.
import Primitives
import QueryPlanning
import WireProtocol

final class PrepareTransactionExecution: Execution {
    private enum Step { case beginning, asking, preparing, endingReaders, rollingBack }

    private let call: StatementCall
    private var step = Step.beginning
    /// Of the part that is prepared.
    private var preparedShard: ShardIndex?
    /// Why the block was rolled back, where the client must hear that instead of the tag.
    private var endingError: DatabaseMessage?

    init(worker: Worker, session: Int32, parent: Execution?, call: StatementCall) {
        self.call = call
        super.init(worker: worker, session: session, parent: parent)
    }

    private var record: UnsafeMutablePointer<Session> { worker.sessions.at(session) }
    private var transaction: Transaction? { record.pointee.detail?.transaction }
    private var participants: [Participant] { transaction?.participants ?? [] }

    override func resume() {
        guard step == .beginning else { return }
        guard let transaction else {
            warnOfNoBlock()
            return done("ROLLBACK")
        }
        if record.pointee.status == TransactionStatus.failed.rawValue || transaction.hasLostParticipant {
            return rollBack(instead: transaction.takeUntoldLoss())
        }
        if case .transaction(.prepare(let gid)) = call.plan.action, gid.hasPrefix(FinishPreparedExecution.ownPrefix) {
            return rollBack(
                instead: DatabaseMessage(
                    error: .featureNotSupported, "transaction identifiers that begin with \"\(FinishPreparedExecution.ownPrefix)\" are the proxy's own",
                    hint: "Use another identifier."))
        }
        if record.pointee.detail?.cursors.holdsRowsOfBlock == true {
            return rollBack(
                instead: DatabaseMessage(error: .featureNotSupported, "cannot PREPARE a transaction that has created a cursor WITH HOLD"))
        }
        if participants.isEmpty {
            switch worker.enlist(session, shard: worker.anyShard(session), effect: .reads, takesSnapshot: false) {
            case .waiting: return
            case .failed(let message): return rollBack(instead: message)
            case .link: break
            }
        }
        if !transaction.isExplicit { warnOfNoBlock() }
        guard participants.count > 1 else { return prepare(on: participants[0].shard) }
        step = .asking
        let text = "SELECT pg_catalog.pg_current_xact_id_if_assigned() IS NOT NULL"
        start(AskExecution(worker: worker, session: session, parent: self, shards: participants.map(\.shard), text: text))
    }

    private func start(_ child: Execution) { worker.start(child, on: session) }

    /// - Parameter hasWritten: for each participant; locks of rows count as well.
    private func choose(_ hasWritten: [Bool]) {
        let cursors = record.pointee.detail?.cursors
        let essential = zip(participants, hasWritten).filter { $1 || cursors?.forbidPreparation(on: $0.link) == true }.map(\.0.shard)
        guard essential.count <= 1 else {
            return rollBack(
                instead: DatabaseMessage(
                    error: .featureNotSupported, "PREPARE TRANSACTION works on one shard only, this transaction touched \(essential.count)",
                    hint: "COMMIT commits on all shards or none; the proxy prepares by itself."))
        }
        prepare(on: essential.first ?? participants[0].shard)
    }

    private func prepare(on shard: ShardIndex) {
        step = .preparing
        preparedShard = shard
        let links = participants.filter { $0.shard == shard }.map(\.link)
        start(BroadcastExecution(worker: worker, session: session, parent: self, text: String(decoding: call.text, as: UTF8.self), links: links))
    }

    private var readers: [Int32] { participants.filter { $0.shard != preparedShard }.map(\.link) }

    private func endReaders() {
        step = .endingReaders
        start(BroadcastExecution(worker: worker, session: session, parent: self, text: "COMMIT", links: readers))
    }

    private func rollBack(instead error: DatabaseMessage?) {
        step = .rollingBack
        endingError = error
        start(RollbackExecution(worker: worker, session: session, parent: self))
    }

    override func childFinished(_ child: Execution, _ outcome: Outcome) {
        switch (step, outcome) {
        case (.preparing, .failure) where (child as? BroadcastExecution)?.legs.contains(where: \.isLost) == true:
            rollBack(instead: lostWhilePreparing)
        case (.asking, .failure(let message)), (.preparing, .failure(let message)): rollBack(instead: message)
        case (.asking, .success): choose((child as? AskExecution)?.rows.map { $0.first?.first != "f" } ?? [])
        case (.preparing, .success):
            // It answers ROLLBACK where the block had failed on it.
            (child as? BroadcastExecution)?.tag == "PREPARE TRANSACTION" ? endReaders() : rollBack(instead: nil)
        case (.endingReaders, _):
            // The settings that the block has made may not be in force where COMMIT has failed.
            if case .failure = outcome { for link in readers { worker.links.at(link).pointee.isTainted = true } }
            worker.endTransaction(session, committed: true)
            done("PREPARE TRANSACTION")
        case (.rollingBack, _): endingError.map { finish(.failure($0)) } ?? done("ROLLBACK")
        case (.beginning, _): break
        }
    }

    /// It may be prepared all the same, and holds its locks then until somebody ends it.
    private var lostWhilePreparing: DatabaseMessage {
        DatabaseMessage(
            error: .transactionResolutionUnknown, "the connection to \(preparedShard.map { "shard \($0)" } ?? "a shard") was lost during PREPARE TRANSACTION",
            hint: "Look in pg_prepared_xacts there whether it is prepared before you repeat it.")
    }

    private func warnOfNoBlock() {
        worker.warn(session, DatabaseMessage(notice: .warning, .noActiveSQLTransaction, "there is no transaction in progress"))
    }

    private func done(_ tag: String) {
        worker.tellComplete(session, tag)
        finish(.success)
    }
}
