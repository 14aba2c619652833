// ReferenceTables: whether each reference table has the same rows on all shards: a sum over hashes of the rows first, on one snapshot of all
// shards; only where that differs are rows compared, those of shard 0 with those of the shard that differs.

struct ReferenceTables {
    let readers: TableReaders
    let shardCount: Int
    let limits: ReconciliationLimits

    func check(_ tables: [ClusterTable], _ result: inout ReconciliationResult, _ room: inout DetailRoom) throws {
        for table in tables where table.kind == .reference {
            try readers.check(table, &result, &room) { session, result, room in
                try session.begin()
                let sums = try (0..<shardCount).map { try sum(table, on: $0, session) }
                result.rowCount += sums.reduce(0) { $0 + (Int($1.first.flatMap { $0 } ?? "") ?? 0) }
                for shard in 0..<shardCount where sums[shard] != sums[0] { try compare(table, shard, session, &result, &room) }
            }
        }
    }

    /// The number of rows and the sum of their hashes, in whatever order they lie.
    private func sum(_ table: ClusterTable, on shard: Int, _ session: DatabaseSession) throws -> [String?] {
        let row = table.columns.map { "t.\(SQL.name($0))" }.joined(separator: ", ")
        let hash = "pg_catalog.hashtextextended(pg_catalog.format('%s', ROW(\(row))), 0)::pg_catalog.numeric"
        let text = SQL.addressed(shard, "SELECT pg_catalog.count(*), pg_catalog.sum(\(hash)) FROM \(table.sqlName) AS t")
        return try session.execute(text).rows.first ?? []
    }

    private func compare(
        _ table: ClusterTable, _ shard: Int, _ session: DatabaseSession, _ result: inout ReconciliationResult, _ room: inout DetailRoom
    ) throws {
        let query = query(table)
        let comparison = try Comparison(
            source: ComparedSide(session: session, shard: 0, query: query, role: "source"),
            target: ComparedSide(session: session, shard: shard, query: query, role: "target"), key: table.identity, limits: limits)
        let outcome = try ComparisonRun(comparison: comparison, limits: limits).run()
        result.add(outcome, comparison, Self.unlike(table, shard), &room)
    }

    /// Without a primary key rows are told apart by all their values, and counted.
    private func query(_ table: ClusterTable) -> String {
        guard table.primaryKey.isEmpty else { return "SELECT \(table.columns.map { SQL.name($0) }.joined(separator: ", ")) FROM \(table.sqlName)" }
        let written = table.columns.map { "\(SQL.written("t.\(SQL.name($0))")) AS \(SQL.name($0))" }.joined(separator: ", ")
        let list = table.columns.map { "r.\(SQL.name($0))" }.joined(separator: ", ")
        return "SELECT \(list), pg_catalog.count(*) AS \"pgbraid copies\" FROM (SELECT \(written) FROM \(table.sqlName) AS t) AS r GROUP BY \(list)"
    }

    private static func unlike(_ table: ClusterTable, _ shard: Int) -> OutcomeTelling {
        OutcomeTelling(table: table.shownName, shard: shard) { candidate, columns, keyCount in
            let note = RepairText.comment("on shard \(shard) itself, past the proxy; shard 0 is taken to be right:")
            let repaired = RepairText.Table(
                name: table.sqlName, insertable: table.insertable, hasOwnNumbers: table.hasOwnNumbers, hasCascade: table.hasCascade,
                prefix: "/* on shard \(shard) only */ ")
            if table.primaryKey.isEmpty { return RepairText.comment("on shard \(shard), \(table.sqlName) has other rows than on shard 0; it has no primary key") }
            return note + "\n" + RepairText.row(candidate, table: repaired, columns: columns, keyCount: keyCount)
        }
    }
}
