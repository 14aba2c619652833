// InternalSchema: capacity: what tables had on a shard, and when, written by the proxy's sampler (Practice/Capacity).
//
//   capacity_sample  a row a table and sample, and one of the whole database, where `table_name` is NULL
//   capacity_lease   one row: when the next sample is due; who updates it takes the sample, and nobody else
//
// Everybody may read the samples: PostgreSQL tells any role the names and sizes of all tables. Only the proxy's own role writes.
extension InternalSchema {
    static let capacity = """
        DO $do$ BEGIN
        IF pg_catalog.to_regclass('pgbraid.capacity_sample') IS NOT NULL THEN RETURN; END IF;
        CREATE TABLE pgbraid.capacity_sample (
            shard integer NOT NULL, sampled_at timestamptz NOT NULL, schema_name text, table_name text, rows bigint NOT NULL, bytes bigint NOT NULL,
            inserted bigint NOT NULL, updated bigint NOT NULL, deleted bigint NOT NULL, sequential_scans bigint NOT NULL, index_scans bigint NOT NULL,
            commits bigint, limit_bytes bigint);
        CREATE INDEX capacity_sample_of ON pgbraid.capacity_sample (table_name, schema_name, sampled_at);
        CREATE INDEX capacity_sample_at ON pgbraid.capacity_sample (sampled_at);
        GRANT SELECT ON pgbraid.capacity_sample TO PUBLIC;
        CREATE TABLE pgbraid.capacity_lease (
            only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), next_at timestamptz NOT NULL, thinned_at timestamptz NOT NULL);
        INSERT INTO pgbraid.capacity_lease (next_at, thinned_at) VALUES ('-infinity', '-infinity');
        END $do$;
        """

    /// The most tables a shard tells of.
    private static let shownTables = 1_000

    /// What SHOW CAPACITY tells of a shard: the newest sample, and growth as the median of the differences of days that follow each other, which single
    /// bulk loads do not move.
    static let shownCapacity = """
        WITH days AS (
            SELECT schema_name, table_name, pg_catalog.date_trunc('day', sampled_at AT TIME ZONE 'UTC') AS day,
                pg_catalog.percentile_disc(0.5) WITHIN GROUP (ORDER BY bytes) AS bytes
            FROM pgbraid.capacity_sample WHERE sampled_at > pg_catalog.clock_timestamp() - interval '90 days' GROUP BY 1, 2, 3),
        steps AS (
            SELECT schema_name, table_name, (bytes - pg_catalog.lag(bytes) OVER of_table)
                / NULLIF(EXTRACT(epoch FROM day - pg_catalog.lag(day) OVER of_table) / 86400, 0) AS step
            FROM days WINDOW of_table AS (PARTITION BY schema_name, table_name ORDER BY day)),
        growth AS (
            SELECT schema_name, table_name, CASE WHEN pg_catalog.count(step) >= 6 THEN
                pg_catalog.round(pg_catalog.percentile_cont(0.5) WITHIN GROUP (ORDER BY step)::pg_catalog.numeric) END AS per_day
            FROM steps GROUP BY 1, 2)
        SELECT CASE WHEN s.table_name IS NULL THEN '(all)' ELSE pg_catalog.concat_ws('.', s.schema_name, s.table_name) END, s.rows, s.bytes, g.per_day,
            s.limit_bytes, pg_catalog.to_char(s.sampled_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
        FROM pgbraid.capacity_sample AS s LEFT JOIN growth AS g
            ON g.schema_name IS NOT DISTINCT FROM s.schema_name AND g.table_name IS NOT DISTINCT FROM s.table_name
        WHERE s.sampled_at = (SELECT pg_catalog.max(sampled_at) FROM pgbraid.capacity_sample)
        ORDER BY s.table_name IS NOT NULL, s.bytes DESC, 1 LIMIT \(shownTables)
        """
}
