// CapacityReader: a report from what the samples of all shards say, asked for as any client may.
import CapacityPlanning
import DatabaseClient
import Primitives

/// What of a report is to be looked for, and how hard.
public struct CapacityQuestions: Sendable {
    /// Tables that are told of; the largest.
    public var tables = 20
    /// Keys in each list.
    public var keys = 10
    /// A limit of each shard in place of the configured one, in bytes.
    public var limitBytes: Double?
    /// What one statement about keys may take.
    public var statementTimeoutMilliseconds = 5_000

    public init() {}
}

public struct CapacityReader {
    private let connection: DatabaseConnection
    /// The admin database; nil where who asks may not use it.
    private let console: DatabaseConnection?
    private let questions: CapacityQuestions

    public init(connection: DatabaseConnection, console: DatabaseConnection?, questions: CapacityQuestions) {
        self.connection = connection
        self.console = console
        self.questions = questions
    }

    /// - Parameter madeAt: for the report's head.
    /// - Throws: DatabaseMessage, ConnectionLost.
    public func report(madeAt: String) throws -> CapacityReport {
        let totals = try readTotals()
        var notes: [String] = []
        let placements = try readPlacements(&notes)
        let newest = totals.values.flatMap { $0.points.map(\.time) }.max()
        let recent = try newest.map { try readRecent(since: $0 - DayActivity.window) } ?? [:]
        let tables = try readTables(recent, placements, newest: newest ?? 0)
        let shards = totals.keys.sorted().map { shardReport($0, totals[$0] ?? ShardTotals()) }
        let keys = HeavyKeyReader(connection: connection, console: console, questions: questions, shardCount: shards.count)
        let byRows = try keys.byRows(tables: tables, &notes)
        let byTraffic = try keys.byTraffic(&notes)
        let sizes = Dictionary(uniqueKeysWithValues: shards.compactMap { shard in shard.size.map { (shard.shard, $0.bytes) } })
        let parts = totals.values.map(\.points)
        return CapacityReport(
            madeAt: madeAt, sampledAt: try newest.map { try time($0) },
            cluster: parts.isEmpty ? nil : SizeForecast(GrowthForecast(sumOf: parts, latest: sizes.values.reduce(0, +))), shards: shards, skew: Skew(sizes),
            tables: tables, heaviestByRows: byRows, heaviestByTraffic: byTraffic, notes: notes)
    }

    private func time(_ seconds: Double) throws -> String {
        let text = "SELECT pg_catalog.to_char(pg_catalog.to_timestamp($1::pg_catalog.float8) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI \"UTC\"')"
        return try connection.execute(text, ["\(seconds)"]).rows.first?[0] ?? ""
    }

    // MARK: Shards

    private struct ShardTotals {
        var points: [CapacityPoint] = []
        var latest = CapacityPoint(time: 0, value: 0)
        var limit: Double?
        var activity = DayActivity()
    }

    /// All samples of whole databases.
    private func readTotals() throws -> [Int: ShardTotals] {
        var totals: [Int: ShardTotals] = [:]
        let text = """
            SELECT shard, EXTRACT(epoch FROM sampled_at)::pg_catalog.float8, bytes, limit_bytes, commits FROM pgbraid.capacity_sample WHERE table_name IS NULL
            """
        try connection.forEachRow(of: text) { row in
            guard let shard = row[0].flatMap({ Int($0) }), let time = row.number(1), let bytes = row.number(2) else { return }
            var total = totals[shard] ?? ShardTotals()
            total.points.append(CapacityPoint(time: time, value: bytes))
            if time >= total.latest.time {
                total.latest = CapacityPoint(time: time, value: bytes)
                total.limit = row.number(3)
            }
            total.activity.add(time, [row.number(4) ?? 0])
            totals[shard] = total
        }
        return totals
    }

    private func shardReport(_ shard: Int, _ totals: ShardTotals) -> ShardReport {
        let forecast = GrowthForecast(totals.points)
        let limit = (questions.limitBytes ?? totals.limit).map { LimitForecast(bytes: $0, forecast) }
        return ShardReport(shard: shard, size: SizeForecast(forecast), limit: limit, transactionsPerDay: totals.activity.perDay(within: DayActivity.window)?[0])
    }

    // MARK: Tables

    private struct TableName: Hashable {
        var schema: String
        var table: String
        var text: String { schema.isEmpty ? table : schema == "public" ? table : "\(schema).\(table)" }
    }

    /// What the newest samples say of one table.
    private struct RecentTable {
        var latest: [Int: (time: Double, rows: Double, bytes: Double)] = [:]
        var activity: [Int: DayActivity] = [:]

        var bytes: Double { latest.values.reduce(0) { $0 + $1.bytes } }
    }

    private func readRecent(since: Double) throws -> [TableName: RecentTable] {
        var tables: [TableName: RecentTable] = [:]
        let text = """
            SELECT shard, schema_name, table_name, EXTRACT(epoch FROM sampled_at)::pg_catalog.float8, rows, bytes, inserted + updated + deleted,
              sequential_scans + index_scans
            FROM pgbraid.capacity_sample WHERE table_name IS NOT NULL AND sampled_at >= pg_catalog.to_timestamp($1::pg_catalog.float8)
            """
        try connection.forEachRow(of: text, ["\(since)"]) { row in
            guard let shard = row[0].flatMap({ Int($0) }), let table = row[2], let time = row.number(3), let rows = row.number(4), let bytes = row.number(5)
            else { return }
            let name = TableName(schema: row[1] ?? "", table: table)
            if time >= tables[name]?.latest[shard]?.time ?? 0 { tables[name, default: RecentTable()].latest[shard] = (time, rows, bytes) }
            tables[name]?.activity[shard, default: DayActivity()].add(time, [row.number(6) ?? 0, row.number(7) ?? 0])
        }
        return tables
    }

    private func readTables(_ recent: [TableName: RecentTable], _ placements: [String: TablePlacement], newest: Double) throws -> [TableReport] {
        let largest = recent.sorted { ($1.value.bytes, $0.key.text) < ($0.value.bytes, $1.key.text) }.prefix(questions.tables)
        let shards = Set(recent.values.flatMap(\.latest.keys)).sorted()
        var points: [TableName: [Int: [CapacityPoint]]] = [:]
        for shard in shards { try readHistory(of: largest.map(\.key), on: shard, newest, &points) }
        return largest.map { name, table in
            let placement = placements["\(name.schema).\(name.table)"]
            let bytes = table.latest.mapValues(\.bytes)
            let activity = table.activity.values.compactMap { $0.perDay(within: DayActivity.window) }
            let forecast = GrowthForecast(sumOf: (points[name] ?? [:]).sorted { $0.key < $1.key }.map(\.value), latest: table.bytes)
            // A reference table's rows are the same on all shards.
            let rows = table.latest.values.map(\.rows)
            return TableReport(
                table: name.text, placement: placement?.kind, key: placement?.key, rows: placement?.kind == "reference" ? rows.max() ?? 0 : rows.reduce(0, +),
                size: SizeForecast(forecast), bytesByShard: bytes,
                rowsByShard: table.latest.mapValues(\.rows), skew: placement?.kind == "reference" ? nil : Skew(bytes),
                writesPerDay: activity.isEmpty ? nil : activity.reduce(0) { $0 + $1[0] }, scansPerDay: activity.isEmpty ? nil : activity.reduce(0) { $0 + $1[1] })
        }
    }

    /// Three values a day and table, of which the middle one counts and the others say how far a day's values lie apart; the shard makes them, so that
    /// few rows come.
    private func readHistory(of names: [TableName], on shard: Int, _ newest: Double, _ points: inout [TableName: [Int: [CapacityPoint]]]) throws {
        let text = """
            SELECT schema_name, table_name, pg_catalog.max(EXTRACT(epoch FROM sampled_at))::pg_catalog.float8,
              pg_catalog.percentile_disc(0.5) WITHIN GROUP (ORDER BY bytes), pg_catalog.min(bytes), pg_catalog.max(bytes)
            FROM pgbraid.capacity_sample WHERE table_name = ANY ($1::pg_catalog.text[])
            GROUP BY schema_name, table_name, pg_catalog.floor(($2::pg_catalog.float8 - EXTRACT(epoch FROM sampled_at)::pg_catalog.float8) / 86400)
            """
        let wanted = Set(names)
        try connection.forEachRow(of: ShardText.on(shard, text), [QuotedText.array(names.map(\.table)), "\(newest)"]) { row in
            guard let table = row[1], let time = row.number(2), let bytes = row.number(3), let least = row.number(4), let most = row.number(5) else { return }
            let name = TableName(schema: row[0] ?? "", table: table)
            guard wanted.contains(name) else { return }
            points[name, default: [:]][shard, default: []] += [least, bytes, most].map { CapacityPoint(time: time, value: $0) }
        }
    }

    // MARK: Placements

    private struct TablePlacement {
        var kind: String
        var key: String?
    }

    private func readPlacements(_ notes: inout [String]) throws -> [String: TablePlacement] {
        guard let rows = try console?.execute("SHOW TABLES").last?.rows else {
            notes.append("Which tables are sharded by what, and the keys, are told in the admin database, which this role may not use.")
            return [:]
        }
        var placements: [String: TablePlacement] = [:]
        for row in rows { placements["\(row[0] ?? "").\(row[1] ?? "")"] = TablePlacement(kind: row[2] ?? "", key: row[3]) }
        return placements
    }
}

/// Counters that only grow, from a day's first sample to its last.
struct DayActivity {
    static let window = 86_400.0
    /// What lies closer together says nothing of a day, in seconds.
    private static let least = 3_600.0

    private var samples: [(time: Double, counts: [Double])] = []

    mutating func add(_ time: Double, _ counts: [Double]) { samples.append((time, counts)) }

    /// Growth by day of the newest samples; nil of one sample, or where the server has begun to count anew.
    func perDay(within window: Double) -> [Double]? {
        guard let last = samples.max(by: { $0.time < $1.time }),
            let first = samples.filter({ $0.time >= last.time - window }).min(by: { $0.time < $1.time }), last.time - first.time >= Self.least
        else { return nil }
        let grown = zip(last.counts, first.counts).map { $0 - $1 }
        return grown.allSatisfy { $0 >= 0 } ? grown.map { $0 / (last.time - first.time) * 86_400 } : nil
    }
}

extension [String?] {
    func number(_ column: Int) -> Double? { self[column].flatMap { Double($0) } }
}
