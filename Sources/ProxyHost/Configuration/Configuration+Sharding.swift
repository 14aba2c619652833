// The section [sharding] and the entries [[table]]: which table is placed how.
import Primitives
import ProxyCore
import ShardMap

extension Configuration {
    static func readRules(
        _ section: ConfigurationSection, _ tables: [ConfigurationSection], _ settings: inout ProxySettings,
        for purpose: Purpose
    ) {
        var shardCount = settings.shards.count
        if case .development(let count) = purpose { shardCount = count }
        let key = section.string("key") ?? "user_id"
        let method = readMethod(section, shardCount: shardCount) ?? .hash
        section.finish()
        var rules: [TableRule] = []
        for table in tables {
            guard let rule = readTable(table, shardCount: shardCount) else { continue }
            if rules.contains(where: { $0.name == rule.name }) {
                table.mistake("name", "table \(rule.name) has two entries")
            } else {
                rules.append(rule)
            }
        }
        // Duplicates are out, so this cannot fail.
        if let rules = try? ShardingRules(defaultKeyColumn: key, defaultMethod: method, tables: rules) {
            settings.rules = rules
        }
    }

    private enum Kind: String, CaseIterable {
        case sharded, reference, local
    }

    private static func readTable(_ entry: ConfigurationSection, shardCount: Int) -> TableRule? {
        let name = readName(entry)
        let kind: Kind? = entry.choice("kind")
        let key = entry.string("key")
        let method = readMethod(entry, shardCount: shardCount)
        entry.finish()
        guard let name else { return nil }
        switch kind ?? .sharded {
        case .sharded: return TableRule(name: name, kind: .sharded(keyColumn: key, method: method))
        case .reference, .local:
            for unused in ["key", "method", "ranges", "values"] where entry.has(unused) {
                entry.mistake(unused, "has no meaning for a \(kind?.rawValue ?? "") table")
            }
            return TableRule(name: name, kind: kind == .reference ? .reference : .local)
        }
    }

    private static func readName(_ entry: ConfigurationSection) -> TableName? {
        guard let text = entry.string("name") else {
            if !entry.has("name") { entry.missing("name", hint: "\"table\" or \"schema.table\"") }
            return nil
        }
        do throws(ShardMapError) {
            return try TableName(parsing: text)
        } catch {
            entry.mistake("name", error.description)
            return nil
        }
    }

    private enum Method: String, CaseIterable {
        case hash, modulo, range, list
    }

    /// The placement method of a section, or nil when it names none.
    private static func readMethod(_ section: ConfigurationSection, shardCount: Int) -> PlacementMethod? {
        let method: Method? = section.choice("method")
        let range = readRange(section, isWanted: method == .range, shardCount: shardCount)
        let list = readList(section, isWanted: method == .list, shardCount: shardCount)
        if section.value("key_type") != nil && method != .range && method != .list {
            section.mistake("key_type", "needs method = \"range\" or \"list\"")
        }
        switch method {
        case nil: return nil
        case .hash?: return .hash
        case .modulo?: return .modulo
        case .range?: return range
        case .list?: return list
        }
    }

    private static func readRange(
        _ section: ConfigurationSection, isWanted: Bool, shardCount: Int
    ) -> PlacementMethod? {
        let entries = section.entries("ranges", written: "a list of { below = KEY, shard = NUMBER }")
        let above = section.integer("shard_above", in: 0...max(0, shardCount - 1)).map { ShardIndex($0) }
        guard isWanted else {
            tellUnused(section, ["ranges", "shard_above"], needed: .range)
            return nil
        }
        let bounds = readPlaces(section, entries, "below", shardCount)
        return made(section, "ranges", bounds.count == entries.count) { () throws(ShardMapError) in
            .range(try RangePlacement(bounds.map { (below: $0.0, shard: $0.1) }, shardAbove: above))
        }
    }

    private static func readList(
        _ section: ConfigurationSection, isWanted: Bool, shardCount: Int
    ) -> PlacementMethod? {
        let entries = section.entries("values", written: "a list of { value = KEY, shard = NUMBER }")
        let others = section.integer("shard_of_others", in: 0...max(0, shardCount - 1)).map { ShardIndex($0) }
        guard isWanted else {
            tellUnused(section, ["values", "shard_of_others"], needed: .list)
            return nil
        }
        let keys = readPlaces(section, entries, "value", shardCount)
        return made(section, "values", keys.count == entries.count) { () throws(ShardMapError) in
            .list(try ListPlacement(keys.map { (key: $0.0, shard: $0.1) }, defaultShard: others))
        }
    }

    private static func tellUnused(_ section: ConfigurationSection, _ keys: [String], needed: Method) {
        for key in keys where section.has(key) {
            section.mistake(key, "needs method = \"\(needed.rawValue)\"")
        }
    }

    /// The method, unless its entries have mistakes (which are told already) or do not fit together.
    private static func made(
        _ section: ConfigurationSection, _ key: String, _ isComplete: Bool,
        _ make: () throws(ShardMapError) -> PlacementMethod
    ) -> PlacementMethod? {
        guard isComplete else { return nil }
        do throws(ShardMapError) {
            return try make()
        } catch {
            section.mistake(key, error.description)
            return nil
        }
    }

    /// How keys in the configuration are read: numbers are integers, strings are text unless key_type says uuid.
    private enum KeyKind: String, CaseIterable {
        case integer, text, uuid
    }

    private static func readPlaces(
        _ section: ConfigurationSection, _ entries: [ConfigurationSection], _ key: String, _ shardCount: Int
    ) -> [(KeyValue, ShardIndex)] {
        let kind: KeyKind? = section.choice("key_type")
        return entries.compactMap { readPlace($0, key, kind, shardCount) }
    }

    private static func readPlace(
        _ entry: ConfigurationSection, _ key: String, _ kind: KeyKind?, _ shardCount: Int
    ) -> (KeyValue, ShardIndex)? {
        let shard = entry.integer("shard", in: 0...max(0, shardCount - 1))
        let value = entry.value(key).flatMap { readKey(entry, key, $0, kind) }
        entry.finish()
        for needed in [key, "shard"] where !entry.has(needed) { entry.missing(needed) }
        guard let shard, let value else { return nil }
        return (value, ShardIndex(shard))
    }

    private static func readKey(
        _ entry: ConfigurationSection, _ key: String, _ value: ConfigurationValue, _ kind: KeyKind?
    ) -> KeyValue? {
        switch (value, kind) {
        case (.integer(let number), nil), (.integer(let number), .integer?): return .integer(Int64(number))
        case (.string(let text), nil), (.string(let text), .text?): return .text(text)
        case (.string(let text), .uuid?):
            var text = text
            if let uuid = text.withUTF8({ try? KeyType.uuid(text: UnsafeRawBufferPointer($0)) }) { return .uuid(uuid) }
            entry.mistake(key, "is no uuid")
        default:
            entry.mistake(key, "is \(value.kind), which is no key of type \(kind?.rawValue ?? "integer or text")")
        }
        return nil
    }
}
