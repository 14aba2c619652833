// Names of clusters, proxy instances and shards, as they are stored in the shards and written into gids.
//
// They are short and plain ([a-z0-9-]), so that a gid needs no quoting, can be cut at its colons and stays below
// PostgreSQL's limit. The three kinds are different types: a shard's name can never be passed for a cluster's.

/// A name of 1 to 63 bytes of `a-z`, `0-9` and `-`. `Kind` only keeps different names apart.
public struct Identifier<Kind>: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The longest name, in bytes.
    public static var maximumBytes: Int { 63 }

    public let text: String

    /// - Throws: `IdentifierError` when the text is empty, too long, or holds another character.
    public init(_ text: String) throws(IdentifierError) {
        guard Self.isValid(text[...]) else { throw IdentifierError(text: text) }
        self.text = text
    }

    /// The name in a piece of a gid; nil when it is none.
    init?(parsing text: Substring) {
        guard Self.isValid(text) else { return nil }
        self.text = String(text)
    }

    private static func isValid(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.count <= maximumBytes
            && text.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
            }
    }

    public static func < (left: Self, right: Self) -> Bool { left.text < right.text }
    public var description: String { text }
}

/// A name that is not 1 to 63 bytes of `[a-z0-9-]`.
public struct IdentifierError: Error, Equatable {
    public var text: String
}

/// Tags that keep the names apart; never instantiated.
public enum ClusterKind {}
public enum InstanceKind {}
public enum ShardKind {}

/// The cluster, drawn once and stored in every shard: recovery touches only gids of its own cluster.
public typealias ClusterIdentifier = Identifier<ClusterKind>
/// One run of one proxy process, drawn at random at its start.
public typealias InstanceIdentifier = Identifier<InstanceKind>
/// A shard's stored name; unlike `ShardIndex` it survives every change of the configuration.
public typealias ShardIdentifier = Identifier<ShardKind>

extension Identifier where Kind == InstanceKind {
    /// The second key of the advisory lock by which every link of this instance shows that it lives (the first is
    /// `InstanceLock.classKey`). FNV-1a of the name: two instances that share a key only make recovery wait longer.
    public var lockKey: Int32 {
        var hash: UInt32 = 0x811C_9DC5
        for byte in text.utf8 { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
        return Int32(bitPattern: hash)
    }
}

/// The session-level shared advisory lock that each link of an instance holds on its shard, from before its first
/// statement to its end. While a link exists, a transaction on it can still decide; once no link of an instance is
/// left on a shard, none of that instance's transactions there can decide any more.
public enum InstanceLock {
    /// The first key: "pgbr" in ASCII.
    public static let classKey: Int32 = 0x7067_6272
}
