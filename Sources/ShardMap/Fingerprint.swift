// Fingerprint: do several proxies place every key alike?
//
// The effective rules are written out as text in one fixed order (every name quoted, every default filled in), and
// the text is hashed. The text itself is kept readable, so that `pgbraid check` can show what differs.
import Primitives

enum Fingerprint {
    /// The effective rules, one a line.
    static func canonicalText(shardCount: Int, rules: ShardingRules, buckets: [ShardIndex]) -> String {
        var lines = ["shards \(shardCount)", "buckets \(text(of: buckets, shardCount: shardCount))"]
        lines.append("default \(TableName.quoted(rules.defaultKeyColumn)) \(text(of: rules.defaultMethod))")
        for rule in rules.tables { lines.append("table \(rule.name) \(text(of: rule.kind, in: rules))") }
        return lines.joined(separator: "\n") + "\n"
    }

    /// 32 hexadecimal digits: two row hashes of `text` with different beginnings. Tells apart, does not protect.
    static func digest(_ text: String) -> String {
        let hashes = ["1", "2"].map { prefix in
            Array((prefix + text).utf8).withUnsafeBytes { PartitionHash.rowHash(bytes: $0) }
        }
        return hashes.map { UUIDKey.hexadecimal($0) }.joined()
    }

    private static func text(of buckets: [ShardIndex], shardCount: Int) -> String {
        if buckets.indices.allSatisfy({ buckets[$0].int == $0 % shardCount }) { return "round robin" }
        return buckets.map(\.description).joined(separator: " ")
    }

    private static func text(of kind: TableRule.Kind, in rules: ShardingRules) -> String {
        switch kind {
        case .reference: return "reference"
        case .local: return "local"
        case .sharded(let keyColumn, let method):
            let column = TableName.quoted(keyColumn ?? rules.defaultKeyColumn)
            return "sharded \(column) \(text(of: method ?? rules.defaultMethod))"
        }
    }

    private static func text(of method: PlacementMethod) -> String {
        switch method {
        case .hash: return "hash"
        case .modulo: return "modulo"
        case .range(let range):
            let entries = zip(range.upperBounds, range.shards).map { "<\(literal($0))=\($1)" }
            return "range \(range.family.name) " + (entries + rest(range.shardAbove)).joined(separator: " ")
        case .list(let list):
            let entries = zip(list.listedKeys, list.shards).map { "\(literal($0))=\($1)" }
            return "list \(list.family.name) " + (entries + rest(list.defaultShard)).joined(separator: " ")
        }
    }

    private static func rest(_ shard: ShardIndex?) -> [String] { shard.map { ["else=\($0)"] } ?? [] }

    /// Text as hexadecimal bytes, so that no key can imitate the syntax around it.
    private static func literal(_ key: KeyValue) -> String {
        switch key {
        case .integer(let value): return "\(value)"
        case .uuid(let value): return value.text
        case .text(let bytes):
            return "x" + bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
    }
}
