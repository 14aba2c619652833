// RecoveryDriver: one round of recovery. Its order is RecoveryRound's; here its orders become statements of the admin user.
import DistributedCommit
import Primitives
import WireProtocol

/// One recovery round under way.
final class RecoveryDriver {
    private unowned let worker: Worker
    private var round: RecoveryRound
    private let occasion: RecoveryOccasion
    /// Parts to commit that the round has named at once: those of one transaction are committed in one window.
    private var commits: [RecoveryWindow.Part] = []
    private var seen: [(shard: ShardIndex, gid: String, owner: String, ageSeconds: Double, state: String)] = []

    /// The moment of the fences when the round was made.
    private let begun: UInt64

    init(worker: Worker, occasion: RecoveryOccasion, context: RecoveryContext, begun: UInt64) {
        self.worker = worker
        self.begun = begun
        self.occasion = occasion
        round = RecoveryRound(context: context)
    }

    func tell(_ input: RecoveryInput) {
        guard let probe = worker.probe else { return handle(input) }
        for input in probe.inputs(for: input) { handle(input) }
    }

    private func handle(_ input: RecoveryInput) {
        var actions: [RecoveryAction] = []
        round.handle(input, into: &actions)
        for action in actions {
            if let inputs = worker.probe?.inputs(insteadOf: action) { inputs.forEach(handle) } else { perform(action) }
        }
        commitTogether()
    }

    /// Commits what the round has named, transaction by transaction.
    private func commitTogether() {
        var rest = commits
        commits = []
        while let first = rest.first {
            let hash = GlobalTransactionIdentifier(parsing: first.gid)?.hash
            let parts = rest.filter { GlobalTransactionIdentifier(parsing: $0.gid)?.hash == hash }
            rest.removeAll { part in parts.contains { $0.gid == part.gid } }
            RecoveryWindow(worker: worker, parts: parts) { [self] part, answer in
                tell(.finishAnswered(part.shard, gid: part.gid, answer))
            }.request()
        }
    }

    private func perform(_ action: RecoveryAction) {
        switch action {
        case .listDecisions(let shard): listDecisions(shard)
        case .listPrepared(let shard): listPrepared(shard)
        case .fenceAndRead(let decider, let hash, let instance):
            worker.fenceAndRead(shard: decider, hash: hash, instance: instance.text) { [self] status in
                tell(.decisionRead(decider: decider, hash, status))
            }
        case .commitPrepared(let shard, let gid, let owner):
            note(shard, gid, "COMMIT")
            commits.append(RecoveryWindow.Part(shard: shard, gid: gid, owner: owner))
        case .rollbackPrepared(let shard, let gid, let owner): rollBack(shard, gid, owner)
        case .deleteDecision(let shard, let hash, .commit): worker.cluster.forgetDecision(hash, on: shard)
        case .deleteDecision(let shard, let hash, .abort): worker.runAdmin(shard, InternalSchema.delete(hash, .abort)) { _ in }
        case .show(let shard, let gid, let reason):
            if let place = seen.firstIndex(where: { $0.shard == shard && $0.gid == gid }) { seen[place].state = "\(reason)" }
        case .finished(let summary): worker.recoveryFinished(occasion, summary, begun: begun, seen)
        }
    }

    private func listDecisions(_ shard: ShardIndex) {
        // Known to be down: not worth the wait for the next attempt to connect.
        guard worker.cluster.shards[shard.int].isReached else { return tell(.listingFailed(shard)) }
        worker.runAdmin(shard, InternalSchema.listDecisions(retention: worker.settings.decisionRetention, limit: 1000), limit: Worker.recoveryPatience) { [self] answer in
            guard answer.isSuccess, let records = answer.rows(of: 0, columns: 4),
                let instances = answer.rows(of: 1, columns: 1)
            else { return tell(.listingFailed(shard)) }
            let decisions = records.compactMap { row -> DecisionRecord? in
                guard let hash = row[0].flatMap({ TransactionHash(hexadecimal: $0.replacing("-", with: "")) }),
                    let outcome = row[1].flatMap({ Decision(rawValue: $0) }), let name = row[2],
                    let instance = try? InstanceIdentifier(name)
                else { return nil }
                return DecisionRecord(hash: hash, outcome: outcome, instance: instance, age: Self.span(row[3]))
            }
            let present = instances.compactMap { $0[0].flatMap { Int64($0) } }.map { Int32(truncatingIfNeeded: $0) }
            tell(.decisionsListed(shard, DecisionListing(decisions: decisions, presentInstances: present)))
        }
    }

    private func listPrepared(_ shard: ShardIndex) {
        worker.runAdmin(shard, InternalSchema.listPrepared, limit: Worker.recoveryPatience) { [self] answer in
            guard answer.isSuccess, let rows = answer.rows(of: 0, columns: 4),
                let replication = answer.rows(of: 1, columns: 1)?.first
            else { return tell(.listingFailed(shard)) }
            let transactions = rows.map { row in
                PreparedTransaction(gid: row[0] ?? "", owner: row[1] ?? "", database: row[2] ?? "", age: Self.span(row[3]))
            }
            for transaction in transactions {
                seen.append((shard, transaction.gid, transaction.owner, transaction.age.seconds, "prepared"))
            }
            guard replication[0] == "t" else {
                return tell(.preparedListed(shard, PreparedListing(transactions: transactions, isReplicated: true)))
            }
            worker.runAdmin(shard, InternalSchema.synchronousCommit, limit: Worker.recoveryPatience) { [self] confirmation in
                let isReplicated = confirmation.isSuccess && confirmation.warnings.isEmpty
                tell(.preparedListed(shard, PreparedListing(transactions: transactions, isReplicated: isReplicated)))
            }
        }
    }

    private func note(_ shard: ShardIndex, _ gid: String, _ verb: String) {
        worker.logger.notice("recovery ends a prepared transaction", metadata: ["shard": "\(shard)", "gid": "\(gid)", "as": "\(verb)"])
    }

    private func rollBack(_ shard: ShardIndex, _ gid: String, _ owner: String) {
        note(shard, gid, "ROLLBACK")
        worker.finishPrepared(shard: shard, gid: gid, verb: "ROLLBACK", owner: owner, after: .zero) { [self] answer in
            tell(.finishAnswered(shard, gid: gid, answer))
        }
    }

    private static func span(_ seconds: String?) -> Span {
        Span(nanoseconds: Int64(exactly: ((seconds.flatMap { Double($0) } ?? 0) * 1e9).rounded()) ?? 0)
    }
}
