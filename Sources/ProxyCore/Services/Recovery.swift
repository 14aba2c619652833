// Recovery: finds prepared transactions of this cluster whose coordinator is gone and ends them as decided.
//
// When and in which order is RecoveryRound's; here its orders become statements of the admin user.
import DistributedCommit
import Primitives
import WireProtocol

enum RecoveryOccasion {
    case periodic
    /// A shard came back.
    case beforeOpening(ShardIndex)
}

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
        guard worker.cluster.shards[shard.int].isUp else { return tell(.listingFailed(shard)) }
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

extension Worker {
    /// Begins a round unless one is under way.
    func runRecovery(_ occasion: RecoveryOccasion) {
        guard !cluster.isRecovering, let name = try? ClusterIdentifier(clusterIdentifier),
            let instance = try? InstanceIdentifier(cluster.instance)
        else { return }
        let identifiers = cluster.shards.map { $0.identifier.flatMap { try? ShardIdentifier($0) } }
        let scope: RecoveryScope
        if case .beforeOpening(let shard) = occasion { scope = .reopening(shard) } else { scope = .routine }
        cluster.isRecovering = true
        let context = RecoveryContext(
            cluster: name, instance: instance, shards: identifiers, database: settings.shards[0].database, scope: scope,
            ownInFlight: cluster.inFlight, inDoubtTimeout: settings.inDoubtTimeout,
            decisionRetention: settings.decisionRetention, opensInDoubt: false)
        recovery = RecoveryDriver(worker: self, occasion: occasion, context: context, begun: cluster.fences.roundBegins())
        recovery?.tell(.start)
    }

    func recoveryFinished(
        _ occasion: RecoveryOccasion, _ summary: RecoverySummary, begun: UInt64,
        _ seen: [(shard: ShardIndex, gid: String, owner: String, ageSeconds: Double, state: String)]
    ) {
        cluster.isRecovering = false
        cluster.preparedSeen = seen
        reportOldTransactions()
        cluster.recoveries &+= 1
        cluster.recoveredCommits &+= UInt64(summary.committed)
        cluster.recoveredRollbacks &+= UInt64(summary.rolledBack)
        if summary.committed + summary.rolledBack + summary.remaining > 0 {
            logger.notice(
                "recovery round",
                metadata: [
                    "committed": "\(summary.committed)", "rolled back": "\(summary.rolledBack)", "remaining": "\(summary.remaining)",
                ])
        }
        if case .beforeOpening(let shard) = occasion, cluster.shards[shard.int].isUp,
            cluster.fences.open(shard, after: summary, begun: begun)
        {
            publishClosedShards()
            logger.info("shard is open", metadata: ["shard": "\(shard)"])
        }
        openClosedShards()
    }

    /// One line in the log for each prepared transaction that has grown old, whoever made it: it holds locks and keeps VACUUM
    /// from removing rows.
    private func reportOldTransactions() {
        let limit = settings.preparedAlertAge
        let old = cluster.preparedSeen.filter { limit > .zero && $0.ageSeconds >= limit.seconds }
        for entry in old where !cluster.preparedReported.contains("\(entry.shard) \(entry.gid)") {
            logger.warning(
                "a prepared transaction is old",
                metadata: [
                    "gid": "\(entry.gid)", "shard": "\(entry.shard)", "owner": "\(entry.owner)", "age": "\(Int(entry.ageSeconds)) s", "state": "\(entry.state)",
                ])
        }
        cluster.preparedReported = Set(old.map { "\($0.shard) \($0.gid)" })
    }

    /// The server's system identifier and timeline: another one after a promotion or a restore. Nil: it does not answer.
    func readHistory(_ shard: ShardIndex, completion: @escaping (String?) -> Void) {
        runAdmin(shard, InternalSchema.history, limit: Self.recoveryPatience) { answer in
            completion(answer.isSuccess ? answer.results.last?.first?.first ?? nil : nil)
        }
    }

    /// A shard that came back, or could not be told a decision, is opened after a recovery round for it; at the start
    /// each is, before clients are let in.
    func openClosedShards() {
        guard !cluster.isRecovering else { return }
        let closed = cluster.shards.indices.filter { cluster.shards[$0].isUp && cluster.fences.isClosed(ShardIndex($0)) }
        if let shard = closed.first(where: { lastOpeningAttempt[$0] + Self.openingInterval <= now }) {
            lastOpeningAttempt[shard] = now
            return runRecovery(.beforeOpening(ShardIndex(shard)))
        }
        if !cluster.isReady { becomeReady() }
        scheduleRecovery(closed.isEmpty ? settings.recoveryInterval : Self.openingInterval)
    }

    /// How long after a round that could not open a shard the next is tried.
    static var openingInterval: Span { .milliseconds(500) }

    private func becomeReady() {
        cluster.isReady = true
        logger.info("ready", metadata: ["shards": "\(cluster.shards.count { $0.isUp }) of \(shardCount)"])
    }

    private func scheduleRecovery(_ delay: Span) {
        guard nextRecoveryAt <= now || nextRecoveryAt > now + delay else { return }
        nextRecoveryAt = now + delay
        timers.add(.recovery, at: nextRecoveryAt)
    }

    /// The timer of the next round is due.
    func recoveryIsDue() {
        guard nextRecoveryAt <= now, !cluster.isRecovering else { return }
        let hasClosed = cluster.shards.indices.contains { cluster.shards[$0].isUp && cluster.fences.isClosed(ShardIndex($0)) }
        if hasClosed { openClosedShards() } else { runRecovery(.periodic) }
    }

    /// Keeps everyone from the shard until recovery has finished its decided transactions.
    func fence(_ shard: ShardIndex) {
        logger.warning("shard is closed until its decided transactions are finished", metadata: ["shard": "\(shard)"])
        closeShard(shard)
        if hotSettings.isStrict { letGo(of: shard) }
        openClosedShards()
    }

    /// Blocks that are on the shard already end: what it would answer them shows half of the transaction that closed it, and with strict
    /// reads no single answer may.
    private func letGo(of shard: ShardIndex) {
        for index in 0..<links.highWater {
            let link = links.at(index)
            guard link.pointee.isOpen, link.pointee.session >= 0, link.pointee.shard == shard else { continue }
            breakLink(index, reason: "the shard is closed until its decided transactions are finished")
        }
    }

    /// From now on nobody gets a link to the shard, nor do those who wait for one.
    func closeShard(_ shard: ShardIndex) {
        cluster.fences.close(shard)
        publishClosedShards()
        for pool in pools {
            let shardPool = pool.shards + shard.int
            while shardPool.pointee.firstWaiting >= 0 { failWait(shardPool.pointee.firstWaiting, closed(shard)) }
        }
    }

    /// How long an answer to recovery may take before its link is given up: one silent shard must not keep the round
    /// from ending, and with it the others from being opened.
    static var recoveryPatience: Span { .seconds(10) }

    /// COMMIT PREPARED or ROLLBACK PREPARED as the admin user, under the owner's role where that is needed.
    /// - Parameter owner: nil: it is looked up.
    func finishPrepared(
        shard: ShardIndex, gid: String, verb: String, owner: String?, after delay: Span, completion: @escaping (FinishAnswer) -> Void
    ) {
        guard let owner else {
            return readOwner(shard, gid) { [self] owner in
                guard let owner else { return completion(.unreachable) }
                if owner.isEmpty { return completion(.notFound(sameHistory: true)) }
                finishPrepared(shard: shard, gid: gid, verb: verb, owner: owner, after: delay, completion: completion)
            }
        }
        let text = "\(verb) PREPARED \(quoteLiteral(gid))"
        if delay > .zero {
            timers.add(.finishPrepared(shard: shard, text: text, owner: owner, completion: completion), at: now + delay)
        } else {
            runFinish(shard, text, owner: owner, completion)
        }
    }

    /// Who prepared it: the role in force then, which SET ROLE and functions can make another than the session's. Empty: it is
    /// gone; nil: the shard does not answer.
    private func readOwner(_ shard: ShardIndex, _ gid: String, completion: @escaping (String?) -> Void) {
        runAdmin(shard, InternalSchema.listPrepared, limit: Self.recoveryPatience) { answer in
            guard answer.isSuccess, let rows = answer.rows(of: 0, columns: 4) else { return completion(nil) }
            completion(rows.first { $0[0] == gid }?[1] ?? "")
        }
    }

    /// - Parameter owner: only it, or a superuser, may end the prepared transaction.
    func runFinish(_ shard: ShardIndex, _ text: String, owner: String, _ completion: @escaping (FinishAnswer) -> Void) {
        let isOwn = owner == settings.adminUser.name
        let texts = isOwn ? [text] : ["SET ROLE \(quoteIdentifier(owner))", text, "RESET ROLE"]
        runAdmin(shard, texts, limit: Self.recoveryPatience) { answer in
            if answer.isLost { return completion(.unreachable) }
            switch answer.error?.sqlState.rawValue {
            case nil: completion(answer.warnings.isEmpty ? .done : .doneWithoutReplication)
            // Whether it is the same server still is for a coordinator to ask; recovery knows no earlier one.
            case "42704": completion(.notFound(sameHistory: true))
            case let state?: completion(.failed(sqlState: state))
            }
        }
    }

    /// Writes an abort row unless there is a decision, and reads which.
    func fenceAndRead(
        shard: ShardIndex, hash: TransactionHash, instance: String? = nil, completion: @escaping (DecisionStatus) -> Void
    ) {
        let text = InternalSchema.fenceAndRead(hash, instance: instance ?? cluster.instance)
        runAdmin(shard, [text], limit: Self.recoveryPatience) { answer in
            if answer.isLost { return completion(.unreachable) }
            guard answer.error == nil, answer.warnings.isEmpty, answer.tags.last == "COMMIT",
                let outcome = answer.rows(of: 0, columns: 1)?.first?[0].flatMap({ Decision(rawValue: $0) })
            else { return completion(.waiting) }
            completion(outcome == .commit ? .commit : .abort)
        }
    }

    /// A fresh token and the names that go with it.
    func newTransactionIdentity(decider: ShardIndex) -> TransactionIdentity? {
        let token = random.bytes(16)
        guard let hash = TransactionHash(bytes: Digest.sha256(token).prefix(16)) else { return nil }
        return TransactionIdentity(
            cluster: clusterIdentifier, instance: cluster.instance, decider: cluster.shardIdentifier(decider),
            tokenHexadecimal: hexadecimal(token), hash: hash)
    }

    /// What forbids PREPARE TRANSACTION on a link of the session.
    func preparationObstacle(_ index: Int32, link: Int32) -> PreparationObstacle? {
        let shard = links.at(link).pointee.shard
        if cluster.shards[shard.int].maximumPreparedTransactions == 0 { return .preparedTransactionsDisabled }
        guard let detail = sessions.at(index).pointee.detail else { return nil }
        if detail.cursors.forbidPreparation(on: link) { return .heldCursors }
        guard let pinned = detail.pinnedLinks.first(where: { $0.link == link }) else { return nil }
        if pinned.reasons.contains(.temporaryTable) { return .temporaryObjects }
        if pinned.reasons.contains(.listen) { return .notifications }
        return pinned.reasons.contains(.sessionAdvisoryLock) ? .mixedAdvisoryLocks : nil
    }
}
