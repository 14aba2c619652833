// BatchSnapshots: batches of the extended protocol outside a block where REPEATABLE READ is the default.
//
// To PostgreSQL such a batch is one transaction with one snapshot, taken at its first statement. Over several shards all of them must be
// taken at one instant, so the block is opened before the first statement is bound, and not late as others are. A batch of one
// statement has no need of that: where all of it has arrived, as it nearly always has, nothing is opened.
import Primitives

extension Worker {
    /// A batch outside a block reads from snapshots that last to its end.
    func keepsSnapshots(_ index: Int32) -> Bool {
        guard shardCount > 1 else { return false }
        return lasts(snapshotOf: defaultIsolation(index))
    }

    /// Snapshots of the level last to the end of the block, on more shards than one.
    func lasts(snapshotOf level: IsolationLevel) -> Bool {
        level == .repeatableRead || level == .serializable && settings.serializable == .perShard
    }

    /// What is bound now must be in a block. Only for sessions that are not plain.
    /// - Parameter following: what has arrived behind the Bind.
    @inline(never)
    func bindsInBlock(_ index: Int32, following: UnsafeRawBufferPointer) -> Bool {
        sessions.at(index).pointee.detail?.transaction == nil && keepsSnapshots(index) && !following.executesAndSyncs
    }

    /// Whether hot paths need not stop for the session while it is in no block.
    func isPlainAtRest(_ index: Int32) -> Bool {
        guard let detail = sessions.at(index).pointee.detail else { return true }
        return detail.transaction == nil && detail.idempotencyKey == nil && detail.pinnedLinks.isEmpty && settings.poolMode == .transaction && !keepsSnapshots(index)
    }
}
