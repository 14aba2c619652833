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

    /// What SHOW CAPACITY tells of a shard: the newest sample, and growth from the first sample of its last seven days. Metrics ask for it at each scrape:
    /// two samples are read by their time, and not all that are kept.
    static let shownCapacity = """
        WITH newest AS MATERIALIZED (SELECT pg_catalog.max(sampled_at) AS taken FROM pgbraid.capacity_sample),
        base AS MATERIALIZED (
            SELECT pg_catalog.min(sampled_at) AS taken FROM pgbraid.capacity_sample
            WHERE sampled_at >= (SELECT taken FROM newest) - interval '7 days')
        SELECT CASE WHEN s.table_name IS NULL THEN '(all)' ELSE pg_catalog.concat_ws('.', s.schema_name, s.table_name) END, s.rows, s.bytes,
            CASE WHEN b.sampled_at <= s.sampled_at - interval '6 days' THEN
                pg_catalog.round((s.bytes - b.bytes) * 86400 / EXTRACT(epoch FROM s.sampled_at - b.sampled_at)) END,
            s.limit_bytes, pg_catalog.to_char(s.sampled_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
        FROM pgbraid.capacity_sample AS s LEFT JOIN pgbraid.capacity_sample AS b
            ON b.sampled_at = (SELECT taken FROM base)
            AND b.schema_name IS NOT DISTINCT FROM s.schema_name AND b.table_name IS NOT DISTINCT FROM s.table_name
        WHERE s.sampled_at = (SELECT taken FROM newest)
        ORDER BY s.table_name IS NOT NULL, s.bytes DESC, 1 LIMIT \(shownTables)
        """
}
