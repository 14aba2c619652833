// ShardText: statements for one shard.

enum ShardText {
    /// A statement that runs on one shard, with its rows alone (docs/shards.md).
    static func on(_ shard: Int, _ text: String) -> String { "/* pgbraid: shard=\(shard) */ \(text)" }
}
