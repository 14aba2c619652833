// GlobalTransactionIdentifier: the name of one prepared transaction, `PREPARE TRANSACTION '<gid>'`.
//
//     pgbraid:<cluster>:<instance>:<decider's shard>:<hash, 32 hexadecimal digits>:<participant's shard>
//
// Everything recovery needs is in the name: whose it is, where its decision lies and under which hash. What does
// not have exactly this form is foreign and never touched.

/// The gid of one participant of a distributed transaction.
public struct GlobalTransactionIdentifier: Hashable, Sendable, CustomStringConvertible {
    /// PostgreSQL refuses a gid of 200 bytes (GIDSIZE in src/include/access/xact.h counts the terminator).
    public static let maximumBytes = 199
    /// What every gid of pgbraid begins with.
    public static let prefix = "pgbraid:"

    public let cluster: ClusterIdentifier
    public let instance: InstanceIdentifier
    public let decider: ShardIdentifier
    public let hash: TransactionHash
    public let participant: ShardIdentifier

    /// - Throws: `TooLong` when the text would exceed 199 bytes: shorter cluster and shard names are needed.
    public init(
        cluster: ClusterIdentifier, instance: InstanceIdentifier, decider: ShardIdentifier, hash: TransactionHash,
        participant: ShardIdentifier
    ) throws(TooLong) {
        self.cluster = cluster
        self.instance = instance
        self.decider = decider
        self.hash = hash
        self.participant = participant
        let bytes = description.utf8.count
        if bytes > Self.maximumBytes { throw TooLong(bytes: bytes) }
    }

    /// The parts of a gid found in a shard; nil when it is foreign. `init(parsing: gid.description) == gid`, and no
    /// other text gives that gid.
    public init?(parsing text: String) {
        guard text.utf8.count <= Self.maximumBytes else { return nil }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 6, parts[0] == "pgbraid", let hash = TransactionHash(hexadecimal: parts[4]),
            let cluster = ClusterIdentifier(parsing: parts[1]), let instance = InstanceIdentifier(parsing: parts[2]),
            let decider = ShardIdentifier(parsing: parts[3]), let participant = ShardIdentifier(parsing: parts[5])
        else { return nil }
        self.cluster = cluster
        self.instance = instance
        self.decider = decider
        self.hash = hash
        self.participant = participant
    }

    public var description: String {
        "\(Self.prefix)\(cluster):\(instance):\(decider):\(hash):\(participant)"
    }

    /// The parts together do not fit into a gid.
    public struct TooLong: Error, Equatable {
        public var bytes: Int
    }
}
