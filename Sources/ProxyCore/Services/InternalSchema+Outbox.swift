// InternalSchema: outbox tables: which relay has a shard's events, until when, and how they stand. One row for each outbox table, on each shard.
//
// Relays write it as clients, with the rights of their own role: whoever may change the rows of the outbox table may also say who relays it. Tables
// are named by what the shard calls them, so that there is one row for each table at most.
extension InternalSchema {
    /// Made once only: DDL would wait for transactions that are prepared.
    static let outbox = """
        DO $do$ BEGIN
        IF pg_catalog.to_regclass('pgbraid.outbox') IS NOT NULL THEN RETURN; END IF;
        CREATE TABLE pgbraid.outbox (
            relation oid PRIMARY KEY, holder text NOT NULL CHECK (pg_catalog.length(holder) <= 300), lease_until timestamptz NOT NULL, pending bigint NOT NULL DEFAULT 0, failed bigint NOT NULL DEFAULT 0,
            oldest_seconds double precision NOT NULL DEFAULT 0, writer_seconds double precision NOT NULL DEFAULT 0, sent bigint NOT NULL DEFAULT 0,
            rate double precision NOT NULL DEFAULT 0, trouble text CHECK (pg_catalog.length(trouble) <= 1000),
            told_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp());
        ALTER TABLE pgbraid.outbox ENABLE ROW LEVEL SECURITY;
        CREATE POLICY own ON pgbraid.outbox USING (pg_catalog.has_table_privilege(relation, 'UPDATE'))
            WITH CHECK (pg_catalog.has_table_privilege(relation, 'UPDATE'));
        GRANT SELECT, INSERT, UPDATE ON pgbraid.outbox TO PUBLIC;
        END $do$;
        DELETE FROM pgbraid.outbox WHERE relation IN (
            SELECT o.relation FROM pgbraid.outbox AS o WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = o.relation)
            FOR UPDATE SKIP LOCKED);
        """

    /// The most outbox tables one shard tells of.
    private static let outboxesTold = 100

    static let outboxes = """
        SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),
          CASE WHEN o.lease_until >= pg_catalog.clock_timestamp() THEN o.holder END, o.pending, o.failed, pg_catalog.round(o.oldest_seconds::pg_catalog.numeric, 1),
          pg_catalog.round(o.writer_seconds::pg_catalog.numeric, 1), o.sent, pg_catalog.round(o.rate::pg_catalog.numeric, 1),
          pg_catalog.round(EXTRACT(epoch FROM pg_catalog.clock_timestamp() - o.told_at), 1), o.trouble
        FROM pgbraid.outbox AS o JOIN pg_catalog.pg_class AS c ON c.oid = o.relation JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        ORDER BY 1 LIMIT \(outboxesTold)
        """
}

extension Worker {
    /// SHOW OUTBOX: what each shard's relay has last told.
    var outboxListing: ShardQuery {
        ShardQuery(
            columns: ["outbox", "relay", "pending", "failed", "oldest_seconds", "writer_seconds", "sent", "per_second", "told_seconds_ago", "trouble"],
            text: InternalSchema.outboxes)
    }
}
