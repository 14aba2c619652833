// FailedBlockExecution: a block that has failed lets go of its locks and snapshots on all shards, not only on the one that raised the error.
//
// PostgreSQL frees at once what a transaction that failed holds, or the subtransaction in which it did; only the block itself waits for
// its client. A shard that does not know of the failure holds everything still, and would for as long as the client likes. With no
// savepoint open its part is rolled back: nothing can bring it back, and there is only the block's end left to tell. With one it goes back
// to the last, as the client can still do.
import Primitives
import WireProtocol

final class FailedBlockExecution: Execution {
    override func resume() {
        guard legs.isEmpty, let transaction = worker.sessions.at(session).pointee.detail?.transaction else { return }
        transaction.hasLetGo = true
        for participant in transaction.participants where worker.isOpen(participant) {
            ask(addLeg(link: participant.link), transaction.textOfLettingGo)
        }
        if !hasOutstanding { allReady() }
    }

    override func allReady() { finish(.success) }
}

extension Worker {
    /// What makes a failed block let go of what it holds; nil: there is nothing that its shards do not know.
    func letGo(of transaction: Transaction, _ index: Int32) -> Execution? {
        let session = sessions.at(index)
        guard session.pointee.status == TransactionStatus.failed.rawValue, transaction.isExplicit, !transaction.hasLetGo,
            session.pointee.link < 0, transaction.participants.contains(where: isOpen)
        else { return nil }
        return FailedBlockExecution(worker: self, session: index, parent: nil)
    }

    /// Has a failed block let go of what it holds; only of a session that is idle.
    func letGoIfFailed(_ index: Int32) {
        guard let transaction = sessions.at(index).pointee.detail?.transaction, let execution = letGo(of: transaction, index) else { return }
        start(execution, on: index)
    }

    /// The participant's shard is in the block and knows of no failure, or is about to be.
    fileprivate func isOpen(_ participant: Participant) -> Bool {
        let link = links.at(participant.link)
        return link.pointee.status == TransactionStatus.inTransaction.rawValue || !link.pointee.expectations.isEmpty
    }

    /// The participant's part is over, and nothing is under way there.
    func isOver(_ participant: Participant) -> Bool {
        let link = links.at(participant.link)
        return link.pointee.status == TransactionStatus.idle.rawValue && link.pointee.expectations.isEmpty
    }
}

extension DatabaseMessage {
    static var blockIsAborted: DatabaseMessage {
        DatabaseMessage(error: .inFailedSQLTransaction, "current transaction is aborted, commands ignored until end of transaction block")
    }
}

extension Transaction {
    /// The client cannot go back to a savepoint of the proxy, nor to any once a part is lost.
    fileprivate var textOfLettingGo: String {
        let names = steps.compactMap { if case .savepoint(let name) = $0 { name } else { nil } }
        guard !hasLostParticipant, let last = names.last(where: { $0 != Self.readOnlySavepoint }) else { return "ROLLBACK" }
        return "ROLLBACK TO " + quoteIdentifier(last)
    }
}
