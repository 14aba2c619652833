// HeavyKeyReader: which sharding keys have most rows, and which get most statements.
//
// A key's rows are all on one shard, so that what a shard's own statistics say of its most common values is true of the cluster. They cost
// nothing to read; the few that come first are then counted, each for a limited time. Where a shard has no statistics, some pages are read.
//
// Reading a table can run functions of its owner, so all is asked in transactions that only read, and by no superuser if owners are not trusted.
import CapacityPlanning
import DatabaseClient
import Primitives
import WireProtocol

struct HeavyKeyReader {
    /// Pages that are read of a table without statistics, about.
    private static let sampledPages = 500.0

    let connection: DatabaseConnection
    let console: DatabaseConnection?
    let questions: CapacityQuestions
    let shardCount: Int

    // MARK: By rows

    /// - Parameter tables: those of the report that are sharded are looked at.
    func byRows(tables: [TableReport], _ notes: inout [String]) throws -> [HeavyKey] {
        try connection.run("SET statement_timeout = \(questions.statementTimeoutMilliseconds)")
        var found: [HeavyKey] = []
        for table in tables where table.placement == "sharded" && !table.table.hasPrefix("pgbraid.") {
            do {
                for shard in 0..<shardCount { found += try candidates(of: table, on: shard) }
            } catch let error as DatabaseMessage {
                notes.append("The heaviest keys of \(table.table) by rows are not known: \(error.message).")
            }
        }
        let heaviest = found.sorted { ($1.count, $0.table, $0.value) < ($0.count, $1.table, $1.value) }.prefix(questions.keys)
        return try heaviest.map { try counted($0, tables) }.sorted { $0.count > $1.count }
    }

    private func candidates(of table: TableReport, on shard: Int) throws -> [HeavyKey] {
        guard let key = table.key, let rows = table.rowsByShard[shard] else { return [] }
        let name = Self.parts(of: table.table)
        let text = """
            SELECT pg_catalog.unnest(most_common_vals::pg_catalog.text::pg_catalog.text[]), pg_catalog.unnest(most_common_freqs) FROM pg_catalog.pg_stats
            WHERE schemaname = $1 AND tablename = $2 AND attname = $3 AND NOT inherited ORDER BY 2 DESC LIMIT \(questions.keys)
            """
        var found = try ask(ShardText.on(shard, text), [name.schema, name.table, key]).rows.map { ($0[0], ($0.number(1) ?? 0) * rows) }
        if found.isEmpty { found = try sampled(name, key, on: shard, pages: (table.bytesByShard[shard] ?? 0) / 8192) }
        return found.compactMap { value, count in
            value.map { HeavyKey(table: table.table, column: key, value: $0, count: count, share: count / max(1, table.rows), shard: shard, isExact: false) }
        }
    }

    /// Keys of some pages, where the shard has no statistics of the column; nothing where it has, and no value is common.
    /// - Parameter pages: of the table, its indexes included.
    private func sampled(_ name: (schema: String, table: String), _ key: String, on shard: Int, pages: Double) throws -> [(String?, Double)] {
        let known = "SELECT FROM pg_catalog.pg_stats WHERE schemaname = $1 AND tablename = $2 AND attname = $3"
        guard pages > 0, try ask(ShardText.on(shard, known), [name.schema, name.table, key]).rows.isEmpty else { return [] }
        let percent = min(100, Self.sampledPages / pages * 100)
        let column = QuotedText.identifier(key)
        let text = """
            SELECT \(column)::pg_catalog.text, pg_catalog.count(*) FROM \(QuotedText.identifier(name.schema)).\(QuotedText.identifier(name.table))
            TABLESAMPLE SYSTEM (\(percent)) REPEATABLE (1) WHERE \(column) IS NOT NULL GROUP BY \(column) HAVING pg_catalog.count(*) > 1
            ORDER BY 2 DESC LIMIT \(questions.keys)
            """
        return try ask(ShardText.on(shard, text), []).rows.map { ($0[0], ($0.number(1) ?? 0) * 100 / percent) }
    }

    /// The number of rows as it is, where that can be told in time.
    private func counted(_ key: HeavyKey, _ tables: [TableReport]) throws -> HeavyKey {
        let name = Self.parts(of: key.table)
        let text = """
            SELECT pg_catalog.count(*) FROM \(QuotedText.identifier(name.schema)).\(QuotedText.identifier(name.table))
            WHERE \(QuotedText.identifier(key.column)) = $1
            """
        do {
            guard let count = try ask(text, [key.value]).rows.first?.number(0) else { return key }
            var key = key
            let rows = tables.first { $0.table == key.table }?.rows ?? 0
            key.count = count
            key.share = min(1, count / max(1, rows, count))
            key.isExact = true
            return key
        } catch is DatabaseMessage {
            // It takes too long, or may not be read: the estimate stands, and says that it is one.
            return key
        }
    }

    /// One statement, in a transaction that only reads.
    private func ask(_ text: String, _ values: [String?]) throws -> StatementResult {
        try connection.run("BEGIN TRANSACTION READ ONLY")
        do {
            let result = try connection.execute(text, values)
            try connection.run("ROLLBACK")
            return result
        } catch let error as DatabaseMessage {
            if connection.transactionStatus != .idle { try connection.run("ROLLBACK") }
            throw error
        }
    }

    /// Names of `public` go without it; a dot in a name stands in none of PostgreSQL's own.
    private static func parts(of name: String) -> (schema: String, table: String) {
        guard let dot = name.firstIndex(of: ".") else { return ("public", name) }
        return (String(name[..<dot]), String(name[name.index(after: dot)...]))
    }

    // MARK: By traffic

    /// The samples of the proxy that was asked, keys of several tables together where the column's name is the same.
    func byTraffic(_ notes: inout [String]) throws -> [HeavyKey] {
        guard let rows = try console?.execute("SHOW KEYS").last?.rows else { return [] }
        var merged: [[String]: (tables: [String], count: Double, share: Double)] = [:]
        var samples = 0.0
        for row in rows {
            guard let count = row.number(4), let statements = row.number(3), let percent = row.number(5) else { continue }
            samples = row.number(6) ?? 0
            var entry = merged[[row[1] ?? "", row[2] ?? ""]] ?? ([], 0, 0)
            entry.tables.append(row[0] ?? "")
            entry.count += count
            entry.share += statements > 0 ? percent / 100 * count / statements : 0
            merged[[row[1] ?? "", row[2] ?? ""]] = entry
        }
        if samples < 100 { notes.append("The traffic by key is told of \(Int(samples)) sampled statements only.") }
        let keys = merged.map { key, entry in
            HeavyKey(
                table: entry.tables.joined(separator: ", "), column: key[0], value: key[1], count: entry.count, share: entry.share, shard: nil, isExact: false)
        }
        return Array(keys.sorted { ($1.count, $0.value) < ($0.count, $1.value) }.prefix(questions.keys))
    }
}
