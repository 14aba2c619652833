// RecoveryWindow: the commit window in which recovery commits the parts of one transaction on several shards.
//
// The transaction's coordinator has given it up, and its decider is closed. Its other parts lie on shards that clients read, so
// that they must become visible together, as at any commit (see SnapshotGate).
import DistributedCommit
import Primitives

final class RecoveryWindow: GateVisitor {
    /// A part that is to be committed.
    struct Part {
        let shard: ShardIndex
        let gid: String
        let owner: String
    }

    /// A part can be busy because another proxy commits it at this moment: how often it is asked again, and after which time.
    private static let busyRetries = 20
    private static let busyDelay = Span.milliseconds(50)

    private unowned let worker: Worker
    private let parts: [Part]
    private let answered: (Part, FinishAnswer) -> Void
    private var outstanding: Int
    private var ticket: GateTicket?

    /// - Parameter answered: called once for each part, within the window.
    init(worker: Worker, parts: [Part], answered: @escaping (Part, FinishAnswer) -> Void) {
        self.worker = worker
        self.parts = parts
        self.answered = answered
        outstanding = parts.count
    }

    /// Commits the parts as soon as no snapshot is being taken on two of their shards.
    func request() {
        guard parts.count > 1 else { return commit() }
        switch worker.enterGate(self, .commit, ShardSet(parts.map(\.shard))) {
        case .entered(let ticket):
            self.ticket = ticket
            commit()
        case .waiting(let ticket): self.ticket = ticket
        // Only snapshots are refused over a closed shard.
        case .closed: commit()
        }
    }

    func gateEntered(_ ticket: GateTicket) { commit() }

    func gateLimitIsOver() {}

    private func commit() { for part in parts { finish(part, after: .zero, retries: 0) } }

    private func finish(_ part: Part, after delay: Span, retries: Int) {
        worker.finishPrepared(shard: part.shard, gid: part.gid, verb: "COMMIT", owner: part.owner, after: delay) { [self] answer in
            if case .failed(sqlState: "55000") = answer, ticket != nil, retries < Self.busyRetries {
                return finish(part, after: Self.busyDelay, retries: retries + 1)
            }
            note(part, answer)
        }
    }

    private func note(_ part: Part, _ answer: FinishAnswer) {
        switch answer {
        case .done, .doneWithoutReplication, .notFound: break
        // The others show the transaction and this one does not.
        case .failed, .unreachable: if ticket != nil { worker.fence(part.shard) }
        }
        outstanding -= 1
        if outstanding == 0, let ticket {
            self.ticket = nil
            worker.leaveGate(ticket)
        }
        answered(part, answer)
    }
}
