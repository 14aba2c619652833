// CommitMessages: what a client is told about a commit over several shards that did not simply succeed.
import DistributedCommit
import WireProtocol

extension CommitExecution {
    func text(of warning: CommitWarning) -> DatabaseMessage {
        switch warning {
        case .participantFenced(let leg):
            DatabaseMessage(
                notice: .warning, .warning, "the transaction is committed; shard \(legs[leg].shard) will finish its part when it returns")
        case .participantLost(let leg):
            DatabaseMessage(
                notice: .warning, .warning, "participant lost: shard \(legs[leg].shard) no longer has its part of the transaction",
                detail: "The transaction is committed on the other shards.")
        case .notReplicated(let leg):
            DatabaseMessage(
                notice: .warning, .warning, "the commit on shard \(legs[leg].shard) was not confirmed by its synchronous standby")
        case .readerFailed(let leg, let state):
            DatabaseMessage(
                notice: .warning, .warning, "the end of the read-only part on shard \(legs[leg].shard) failed (\(state ?? "link lost"))")
        }
    }

    /// The error of a transaction that is rolled back everywhere; a shard's own one where there is one.
    func message(of reason: CommitFailure) -> DatabaseMessage {
        switch reason {
        case .participantFailed(let leg, _):
            return failures[leg] ?? legs[leg].error ?? failure
                ?? DatabaseMessage(error: .transactionRollback, "the transaction was rolled back")
        case .refused(let refusal): return message(of: refusal)
        case .participantRolledBack, .replicationInterrupted, .fencedByRecovery:
            return DatabaseMessage(
                error: .transactionRollback, "the transaction was rolled back on all shards: \(reason)", hint: "Run it again.")
        case .linkLost(let leg):
            return failure ?? DatabaseMessage(
                error: .connectionFailure, "the connection to shard \(legs[leg].shard) was lost; the transaction was rolled back on all shards",
                hint: "Run it again.")
        case .timedOut:
            return DatabaseMessage(
                error: .queryCanceled, "the transaction was rolled back on all shards: they did not prepare it in time",
                hint: "Look at pg_stat_activity of the shards for what COMMIT waits for: a lock, or a synchronous standby.")
        case .cancelled: return worker.told(DatabaseMessage(error: .queryCanceled, "canceling statement due to user request"), session)
        }
    }

    private func message(of refusal: DeciderRefusal) -> DatabaseMessage {
        let isDisabled = refusal.firstObstacle == .preparedTransactionsDisabled || refusal.secondObstacle == .preparedTransactionsDisabled
        return DatabaseMessage(
            error: .featureNotSupported,
            "the transaction cannot be committed on several shards: shards \(legs[refusal.first].shard) and \(legs[refusal.second].shard) cannot prepare it",
            hint: isDisabled
                ? "Set max_prepared_transactions on the shards to at least max_connections; SHOW SHARDS in the admin database shows it."
                : "Temporary objects, LISTEN, WITH HOLD cursors and exported snapshots allow only one writing shard beside prepared ones.")
    }
}
