// ShardFences: which shards a proxy keeps its clients from, and when one may be opened again.
//
// A shard is closed when it was lost, or when a coordinator could not tell it a decision. It opens after a recovery
// round for it, but a round is a series of looks at other machines, and what it saw may be outdated when it ends.
// Two rules make opening safe. The round must have begun after the shard was last closed. And every shard the round
// could not look at must be closed now: what is prepared or decided there is then seen by nobody, and before that
// shard opens, a round for it will look at this one. Without the second rule two rounds, each blind for the other's
// shard, would open both and show a transaction on one of them only.
import Primitives

/// The closed shards of one proxy (of all its workers together).
public struct ShardFences: Sendable {
    /// Per shard, the moment it was closed at; nil: open.
    private var closedAt: [UInt64?] {
        didSet { hasClosed = closedAt.contains { $0 != nil } }
    }
    /// Some shard is closed. Asked for every statement, and therefore kept beside the list.
    public private(set) var hasClosed: Bool
    private var moment: UInt64 = 0

    /// All shards are closed at first: at the start of a proxy each is opened by a round.
    public init(shardCount: Int) {
        closedAt = [UInt64?](repeating: 0, count: shardCount)
        hasClosed = shardCount > 0
    }

    public func isClosed(_ shard: ShardIndex) -> Bool { closedAt[shard.int] != nil }

    /// Keeps clients from the shard; also when it is closed already, as a running round may know less than this.
    public mutating func close(_ shard: ShardIndex) {
        moment += 1
        closedAt[shard.int] = moment
    }

    /// Call when a round is made, and keep the result for `open`.
    public mutating func roundBegins() -> UInt64 {
        moment += 1
        return moment
    }

    /// Opens a shard after a round with the scope `reopening`. False: another round is needed.
    public mutating func open(_ shard: ShardIndex, after summary: RecoverySummary, begun: UInt64) -> Bool {
        guard summary.mayOpen, let closed = closedAt[shard.int], closed < begun else { return false }
        let isBlindOnlyForClosed = closedAt.indices.allSatisfy {
            $0 == shard.int || closedAt[$0] != nil || !summary.unreached.contains(ShardIndex($0))
        }
        if isBlindOnlyForClosed { closedAt[shard.int] = nil }
        return isBlindOnlyForClosed
    }
}
