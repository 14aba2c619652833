// CapacityStore: the SQL of the sampler, over a session of the proxy's own role, on one shard after the other.
import DatabaseClient

struct CapacityStore {
    /// Tables with rows of their own in a sample; those that are smaller are one row together. With every sample of two weeks and one of each day
    /// of two years a shard keeps 560,000 rows at most.
    static let sampledTables = 200
    static let otherTables = "(other tables)"

    let connection: DatabaseConnection

    /// Measuring a table waits for who changes it: a little, and never for ever.
    func prepare() throws { try connection.run("SET lock_timeout = '500ms'; SET statement_timeout = '30s'; SET idle_in_transaction_session_timeout = '120s'") }

    /// Takes a shard's sample if it is due.
    /// - Returns: whether it was.
    /// - Throws: DatabaseMessage, within the transaction; ConnectionLost.
    func sample(_ shard: Int, _ sampling: CapacitySampling) throws -> Bool {
        guard try isDue(shard, "next_at") else { return false }
        try connection.execute("BEGIN")
        let seconds = "pg_catalog.make_interval(secs => \(Double(sampling.intervalMilliseconds) / 1000))"
        let isTaken = try change(
            shard,
            """
            UPDATE pgbraid.capacity_lease SET next_at = CASE WHEN next_at < pg_catalog.clock_timestamp() - \(seconds)
              THEN pg_catalog.clock_timestamp() ELSE next_at END + \(seconds) WHERE next_at <= pg_catalog.clock_timestamp()
            """)
        if isTaken { _ = try change(shard, Self.measurement(shard, sampling)) }
        try connection.execute("COMMIT")
        return isTaken
    }

    /// Once a day, keeps of each older day the sample in the middle, by size, and nothing of days that are too old.
    /// - Returns: whether it was time.
    func thin(_ shard: Int, _ sampling: CapacitySampling) throws -> Bool {
        guard try isDue(shard, "thinned_at") else { return false }
        try connection.execute("BEGIN")
        let isTaken = try change(
            shard,
            """
            UPDATE pgbraid.capacity_lease SET thinned_at = pg_catalog.clock_timestamp() + interval '1 day' WHERE thinned_at <= pg_catalog.clock_timestamp()
            """)
        if isTaken {
            for text in Self.thinning(sampling) { _ = try change(shard, text) }
        }
        try connection.execute("COMMIT")
        return isTaken
    }

    /// A look that writes nothing and waits for nobody.
    private func isDue(_ shard: Int, _ column: String) throws -> Bool {
        let text = "SELECT FROM pgbraid.capacity_lease WHERE \(column) <= pg_catalog.clock_timestamp()"
        return try connection.execute(ShardText.on(shard, text)).last?.rows.count == 1
    }

    private func change(_ shard: Int, _ text: String) throws -> Bool { (try connection.execute(ShardText.on(shard, text)).last?.rowCount ?? 0) > 0 }

    // MARK: Texts

    /// The sizes of a shard's tables, partitions with their root, and of its database. Tables that somebody has locked against readers are left
    /// out: their size is part of the database's. So are those of whoever has not committed them.
    private static func measurement(_ shard: Int, _ sampling: CapacitySampling) -> String {
        """
        WITH RECURSIVE rooted AS (
          SELECT oid, oid AS root FROM pg_catalog.pg_class WHERE relkind IN ('r', 'm', 'p') AND NOT relispartition
          UNION ALL
          SELECT i.inhrelid, rooted.root FROM rooted JOIN pg_catalog.pg_inherits AS i ON i.inhparent = rooted.oid
            JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid AND c.relispartition),
        locked AS (
          SELECT l.relation FROM pg_catalog.pg_locks AS l WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'),
        measured AS (
          SELECT rooted.root, pg_catalog.pg_total_relation_size(c.oid) AS bytes,
            CASE WHEN s.n_live_tup > 0 THEN s.n_live_tup ELSE GREATEST(c.reltuples, 0)::pg_catalog.int8 END AS rows,
            s.n_tup_ins, s.n_tup_upd, s.n_tup_del, s.seq_scan, s.idx_scan
          FROM rooted JOIN pg_catalog.pg_class AS c ON c.oid = rooted.oid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            LEFT JOIN pg_catalog.pg_stat_all_tables AS s ON s.relid = c.oid
          WHERE c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
            AND NOT EXISTS (SELECT FROM locked WHERE locked.relation IN (c.oid, c.reltoastrelid))
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_index AS i JOIN locked ON locked.relation = i.indexrelid WHERE i.indrelid IN (c.oid, c.reltoastrelid))),
        tables AS (
          SELECT n.nspname, c.relname, m.*, pg_catalog.row_number() OVER (ORDER BY m.bytes DESC, m.root) > \(sampledTables) AS is_other FROM (
            SELECT root, pg_catalog.sum(bytes) AS bytes, pg_catalog.sum(rows) AS rows, pg_catalog.sum(n_tup_ins) AS inserted, pg_catalog.sum(n_tup_upd) AS updated,
              pg_catalog.sum(n_tup_del) AS deleted, pg_catalog.sum(seq_scan) AS sequential_scans, pg_catalog.sum(idx_scan) AS index_scans
            FROM measured GROUP BY root) AS m JOIN pg_catalog.pg_class AS c ON c.oid = m.root JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace),
        named AS (
          SELECT CASE WHEN is_other THEN NULL ELSE nspname END AS schema_name, CASE WHEN is_other THEN '\(otherTables)' ELSE relname END AS table_name,
            pg_catalog.sum(rows) AS rows, pg_catalog.sum(bytes) AS bytes, pg_catalog.sum(inserted) AS inserted, pg_catalog.sum(updated) AS updated,
            pg_catalog.sum(deleted) AS deleted, pg_catalog.sum(sequential_scans) AS sequential_scans, pg_catalog.sum(index_scans) AS index_scans
          FROM tables GROUP BY 1, 2),
        together AS (
          SELECT schema_name, table_name, rows, bytes, inserted, updated, deleted, sequential_scans, index_scans, NULL::pg_catalog.int8 AS commits,
            NULL::pg_catalog.int8 AS limit_bytes FROM named
          UNION ALL
          SELECT NULL, NULL, (SELECT pg_catalog.sum(rows) FROM named), pg_catalog.pg_database_size(d.oid), d.tup_inserted, d.tup_updated, d.tup_deleted, 0, 0,
            d.xact_commit, \(sampling.limitBytes.map { "\($0)" } ?? "NULL")
          FROM (SELECT b.oid, t.* FROM pg_catalog.pg_database AS b JOIN pg_catalog.pg_stat_database AS t ON t.datid = b.oid
            WHERE b.datname = pg_catalog.current_database()) AS d)
        INSERT INTO pgbraid.capacity_sample (shard, sampled_at, schema_name, table_name, rows, bytes, inserted, updated, deleted, sequential_scans,
          index_scans, commits, limit_bytes)
        SELECT \(shard), pg_catalog.transaction_timestamp(), schema_name, table_name, COALESCE(rows, 0), bytes, COALESCE(inserted, 0), COALESCE(updated, 0),
          COALESCE(deleted, 0), COALESCE(sequential_scans, 0), COALESCE(index_scans, 0), commits, limit_bytes
        FROM together WHERE bytes IS NOT NULL
        """
    }

    private static func thinning(_ sampling: CapacitySampling) -> [String] {
        [
            "DELETE FROM pgbraid.capacity_sample WHERE sampled_at < pg_catalog.clock_timestamp() - pg_catalog.make_interval(days => \(sampling.keptDays))",
            """
            DELETE FROM pgbraid.capacity_sample WHERE ctid IN (SELECT id FROM (
              SELECT ctid AS id, pg_catalog.row_number() OVER (of_day ORDER BY bytes, sampled_at) AS place, pg_catalog.count(*) OVER of_day AS count
              FROM pgbraid.capacity_sample
              WHERE sampled_at < pg_catalog.date_trunc('day', (pg_catalog.clock_timestamp() AT TIME ZONE 'UTC') - pg_catalog.make_interval(days => \(sampling.detailedDays))) AT TIME ZONE 'UTC'
              WINDOW of_day AS (PARTITION BY schema_name, table_name, pg_catalog.date_trunc('day', sampled_at AT TIME ZONE 'UTC'))) AS days
              WHERE place <> (count + 1) / 2)
            """,
        ]
    }
}
