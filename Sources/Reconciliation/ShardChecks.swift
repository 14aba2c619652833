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

/// Enough has been read.
private struct Enough: Error {}

struct ShardChecks {
    /// For the catalog.
    let session: DatabaseSession
    /// For tables.
    let readers: TableReaders
    let shardCount: Int
    let limits: ReconciliationLimits

    // MARK: Misplaced rows

    /// Rows of sharded tables that lie elsewhere than their keys say, seen twice.
    func misplacedRows(_ tables: [ClusterTable], _ result: inout ReconciliationResult, _ room: inout DetailRoom) throws {
        for table in tables {
            switch table.kind {
            case .reference, .local: continue
            case .unknown(let reason): result.addUnchecked(table.shownName, reason)
            case .sharded(let key, let type, let method):
                let place = PlacementExpression.shard(of: "t.\(SQL.name(key))", type, method, shardCount: shardCount)
                try readers.check(table, &result, &room) { session, result, room in try lookTwice(session, table, place, &result, &room) }
            }
        }
    }

    private func lookTwice(
        _ session: DatabaseSession, _ table: ClusterTable, _ place: String, _ result: inout ReconciliationResult, _ room: inout DetailRoom
    ) throws {
        let first = try found(session, table, place, &result.rowCount)
        if first.total == 0 { return }
        result.firstLookCount += first.total
        BackgroundThread.sleep(milliseconds: limits.pauseMilliseconds)
        var rows = 0
        let second = try found(session, table, place, &rows)
        let known = Set(first.rows.map { $0.identity(table) })
        var unverified = max(0, second.total - second.rows.count)
        for row in second.rows {
            if known.contains(row.identity(table)) {
                add(row, of: table, &result, &room)
            } else if first.total > first.rows.count {
                // It may have been among those that the first look has only counted.
                unverified += 1
            }
        }
        result.inconsistencyCount += unverified
        result.unverifiedCount += unverified
    }

    private static let placeColumn = "pgbraid place"

    /// What one look sees, in one moment of all shards, and in the same order each time.
    private func found(_ session: DatabaseSession, _ table: ClusterTable, _ place: String, _ rowCount: inout Int) throws -> (rows: [ToldRow], total: Int) {
        var rows: [ToldRow] = []
        var (total, room) = (0, limits.candidateBytes)
        let names = [Self.placeColumn] + table.columns
        let columns = table.columns.map { "t.\(SQL.name($0))" }.joined(separator: ", ")
        // Without a primary key by what is written: not every type has an order.
        let order = table.identity.map { table.primaryKey.isEmpty ? SQL.written("t.\(SQL.name($0))") : "t.\(SQL.name($0))" }
        try session.begin()
        for shard in 0..<shardCount {
            let condition = "\(place) IS DISTINCT FROM \(shard)"
            let text = "SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE \(condition)) FROM \(table.sqlName) AS t"
            guard let counts = try session.execute(SQL.addressed(shard, text)).rows.first, let all = counts[0].flatMap({ Int($0) }), let wrong = counts[1].flatMap({ Int($0) })
            else { continue }
            rowCount += all
            total += wrong
            let left = limits.candidates - rows.count
            guard wrong > 0, left > 0, room > 0 else { continue }
            let query = """
                SELECT \(place) AS \(SQL.name(Self.placeColumn)), \(columns) FROM \(table.sqlName) AS t WHERE \(condition)
                ORDER BY \(order.joined(separator: ", ")) LIMIT \(left)
                """
            try read(session, SQL.addressed(shard, query), &room) { values in
                rows.append(ToldRow(shard: shard, values: Dictionary(zip(names, values)) { first, _ in first }))
            }
        }
        try session.end()
        return (rows, total)
    }

    /// Reads rows one by one until there is no more room for them.
    /// - Parameter room: bytes that values may still have.
    private func read(_ session: DatabaseSession, _ text: String, _ room: inout Int, _ body: ([String?]) -> Void) throws {
        session.awaitAnswer()
        do {
            try session.connection.forEachRow(of: text, partRows: 10) { values in
                session.awaitAnswer()
                room -= values.reduce(0) { $0 + ($1?.utf8.count ?? 0) }
                if room < 0 { throw Enough() }
                body(values)
            }
        } catch is Enough {}
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
        try tell(session, text, "prepared", table: nil, key: ["gid"], &result, &room) { shard, values in
            let gid = values["gid"] ?? nil
            return RepairText.comment("on shard \(shard) itself, when nobody will end it: ROLLBACK PREPARED \(SQL.literal(gid)); or COMMIT PREPARED")
        }
    }

    /// Events that have failed, or wait for longer than `age` seconds.
    func stuckEvents(in table: String, olderThan age: Double, _ result: inout ReconciliationResult, _ room: inout DetailRoom) throws {
        let outbox = try outbox(named: table)
        let isLate = "e.created_at < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => \(age))"
        let columns = ["event_id", "aggregate_id", "status", "created_at"].map { "pg_catalog.left(\(SQL.written("e.\($0)")), \(limits.valueCharacters)) AS \($0)" }
        let text = """
            SELECT \(columns.joined(separator: ", ")) FROM \(outbox.sqlName) AS e WHERE e.status = 'failed' OR e.status = 'pending' AND \(isLate)
            ORDER BY e.created_at
            """
        try tell(readers.session(for: outbox), text, nil, table: table, key: ["event_id"], &result, &room) { shard, values in
            let condition = SQL.condition(["event_id"], [values["event_id"] ?? nil])
            guard values["status"] == "failed" else { return RepairText.comment("is the relay running? shard \(shard), \(condition)") }
            return SQL.addressed(shard, "UPDATE \(outbox.sqlName) SET status = 'pending' WHERE \(condition) AND status = 'failed';")
        }
    }

    /// The one table that a name means here: its owner, who reads it, may find another one by that name in a search path of his own.
    /// - Parameter table: as SQL text.
    private func outbox(named table: String) throws -> FoundTable {
        let text = """
            SELECT c.oid, n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner)
            FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = pg_catalog.to_regclass($1)
            """
        guard let row = try session.execute(text, [table]).rows.first, let oid = row[0], let schema = row[1], let name = row[2], let owner = row[3] else {
            throw ReconciliationError("42P01", "relation \"\(table)\" does not exist", hint: "Name the table of events: table = \"...\".")
        }
        return FoundTable(oid: oid, schema: schema, name: name, owner: owner)
    }

    /// Every row that a shard tells is an inconsistency.
    /// - Parameter kind: nil: failed or waiting, by the row's status.
    private func tell(
        _ session: DatabaseSession, _ text: String, _ kind: String?, table: String?, key: [String], _ result: inout ReconciliationResult, _ room: inout DetailRoom,
        repair: (Int, [String: String?]) -> String
    ) throws {
        try session.begin()
        let names = try session.connection.describe(SQL.addressed(0, text)).map(\.nameText)
        var bytes = limits.candidateBytes
        for shard in 0..<shardCount {
            var told: [[String?]] = []
            try read(session, SQL.addressed(shard, "\(text) LIMIT \(limits.candidates)"), &bytes) { told.append($0) }
            result.rowCount += told.count
            if told.count == limits.candidates || bytes < 0 {
                let all = try session.execute(SQL.addressed(shard, "SELECT pg_catalog.count(*) FROM (\(text)) AS q")).rows.first?.first.flatMap { $0 }.flatMap { Int($0) } ?? 0
                let unverified = max(0, all - told.count)
                result.inconsistencyCount += unverified
                result.unverifiedCount += unverified
            }
            for row in told {
                let values = Dictionary(zip(names, row)) { first, _ in first }
                let found = kind ?? (values["status"] == "failed" ? "failed" : "waiting")
                result.add(
                    Inconsistency(kind: found, table: table, shard: shard, key: values.filter { key.contains($0.key) }, source: values.filter { !key.contains($0.key) }),
                    repair: repair(shard, values), &room)
            }
        }
        try session.end()
    }
}

extension ToldRow {
    /// Bytes: Swift takes texts for equal that are two keys to PostgreSQL.
    fileprivate func identity(_ table: ClusterTable) -> [[UInt8]?] {
        [Array("\(shard)".utf8)] + table.identity.map { column in (values[column] ?? nil).map { Array($0.utf8) } }
    }
}
