// ShardChecks: what each shard finds out about itself: rows that are not its own, transactions prepared long ago, events that are stuck. Only
// what is wrong travels.
import DatabaseClient
import Practice
import ProxyCore

/// A row that one shard has told, by column.
private struct ToldRow: Equatable {
    var shard: Int
    var values: [String: String?]
}

struct ShardChecks {
    let session: DatabaseSession
    let shardCount: Int
    let limits: ReconciliationLimits

    // MARK: Misplaced rows

    /// Rows of sharded tables that lie elsewhere than their keys say, seen twice.
    func misplacedRows(_ tables: [ClusterTable], _ result: inout ReconciliationResult, _ room: inout DetailRoom) throws {
        for table in tables {
            guard case .sharded(let key, let type, let method) = table.kind else { continue }
            let place = PlacementExpression.shard(of: "t.\(SQL.name(key))", type, method, shardCount: shardCount)
            let first = try found(table, place, &result.rowCount)
            if first.total == 0 { continue }
            result.firstLookCount += first.total
            BackgroundThread.sleep(milliseconds: limits.pauseMilliseconds)
            var rows = 0
            let second = try found(table, place, &rows)
            let known = Set(first.rows.map { $0.identity(table) })
            for row in second.rows where known.contains(row.identity(table)) { add(row, of: table, &result, &room) }
            let beyond = max(0, second.total - second.rows.count)
            result.inconsistencyCount += beyond
            result.unverifiedCount += beyond
        }
    }

    private static let placeColumn = "pgbraid place"

    private func found(_ table: ClusterTable, _ place: String, _ rowCount: inout Int) throws -> (rows: [ToldRow], total: Int) {
        var rows: [ToldRow] = []
        var (total, bytes) = (0, 0)
        let names = [Self.placeColumn] + table.columns
        let columns = table.columns.map { "t.\(SQL.name($0))" }.joined(separator: ", ")
        for shard in 0..<shardCount {
            let condition = "\(place) IS DISTINCT FROM \(shard)"
            let counts = try ask(shard, "SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE \(condition)) FROM \(table.sqlName) AS t")
            guard let row = counts.rows.first, let all = row[0].flatMap({ Int($0) }), let wrong = row[1].flatMap({ Int($0) }) else { continue }
            rowCount += all
            total += wrong
            let left = limits.candidates - rows.count
            guard wrong > 0, left > 0 else { continue }
            session.awaitAnswer()
            let text = "SELECT \(place) AS \(SQL.name(Self.placeColumn)), \(columns) FROM \(table.sqlName) AS t WHERE \(condition) LIMIT \(left)"
            try session.connection.forEachRow(of: SQL.addressed(shard, text), partRows: 100) { values in
                session.awaitAnswer()
                bytes += values.reduce(0) { $0 + ($1?.utf8.count ?? 0) }
                if bytes <= limits.candidateBytes { rows.append(ToldRow(shard: shard, values: Dictionary(zip(names, values)) { first, _ in first })) }
            }
        }
        return (rows, total)
    }

    private func add(_ row: ToldRow, of table: ClusterTable, _ result: inout ReconciliationResult, _ room: inout DetailRoom) {
        var values = row.values
        let place = (values.removeValue(forKey: Self.placeColumn) ?? nil).flatMap { Int($0) }
        let identity = Dictionary(table.identity.map { ($0, values[$0] ?? nil) }) { first, _ in first }
        result.add(
            Inconsistency(kind: "misplaced", table: table.shownName, shard: row.shard, expectedShard: place, key: identity),
            repair: RepairText.misplaced(table, shard: row.shard, values: values), &room)
    }

    // MARK: What is old

    /// Transactions that were prepared longer ago than `age` seconds and have not been ended.
    func preparedTransactions(olderThan age: Double, _ result: inout ReconciliationResult, _ room: inout DetailRoom) throws {
        let text = """
            SELECT gid, owner, prepared FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database()
              AND prepared < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => \(age)) ORDER BY prepared
            """
        try tell(text, "prepared", table: nil, key: ["gid"], &result, &room) { shard, values in
            let gid = values["gid"] ?? nil
            return RepairText.comment("on shard \(shard) itself, when nobody will end it: ROLLBACK PREPARED \(SQL.literal(gid)); or COMMIT PREPARED")
        }
    }

    /// Events that have failed, or wait for longer than `age` seconds.
    func stuckEvents(in table: String, olderThan age: Double, _ result: inout ReconciliationResult, _ room: inout DetailRoom) throws {
        let isLate = "created_at < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => \(age))"
        let text = """
            SELECT event_id, aggregate_id, status, created_at FROM \(table) WHERE status = 'failed' OR status = 'pending' AND \(isLate)
            ORDER BY created_at
            """
        try tell(text, nil, table: table, key: ["event_id"], &result, &room) { shard, values in
            let condition = SQL.condition(["event_id"], [values["event_id"] ?? nil])
            guard values["status"] == "failed" else { return RepairText.comment("is the relay running? shard \(shard), \(condition)") }
            return SQL.addressed(shard, "UPDATE \(table) SET status = 'pending' WHERE \(condition);")
        }
    }

    /// Every row that a shard tells is an inconsistency.
    /// - Parameter kind: nil: failed or waiting, by the row's status.
    private func tell(
        _ text: String, _ kind: String?, table: String?, key: [String], _ result: inout ReconciliationResult, _ room: inout DetailRoom,
        repair: (Int, [String: String?]) -> String
    ) throws {
        for shard in 0..<shardCount {
            let told = try ask(shard, "\(text) LIMIT \(limits.candidates)")
            result.rowCount += told.rows.count
            if told.rows.count == limits.candidates {
                let all = try ask(shard, "SELECT pg_catalog.count(*) FROM (\(text)) AS q").rows.first?.first.flatMap { $0 }.flatMap { Int($0) } ?? 0
                result.inconsistencyCount += max(0, all - told.rows.count)
            }
            for row in told.rows {
                let values = Dictionary(zip(told.columnNames, row)) { first, _ in first }
                let told = kind ?? (values["status"] == "failed" ? "failed" : "waiting")
                result.add(
                    Inconsistency(kind: told, table: table, shard: shard, key: values.filter { key.contains($0.key) }, source: values.filter { !key.contains($0.key) }),
                    repair: repair(shard, values), &room)
            }
        }
    }

    private func ask(_ shard: Int, _ text: String) throws -> StatementResult {
        try session.execute(SQL.addressed(shard, text))
    }
}

extension ToldRow {
    fileprivate func identity(_ table: ClusterTable) -> [String?] { ["\(shard)"] + table.identity.map { values[$0] ?? nil } }
}
