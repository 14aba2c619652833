// InternalSchema: outbox tables: which relay has a shard's events, until when, and how they stand. One row for each outbox table, on each shard.
//
// Relays write it as clients, with the rights of their own role: whoever may change the rows of the outbox table may also say who relays it. Tables
// are named by what the shard calls them, so that there is one row for each table at most. The grants name columns: a right to change any row of the
// whole table would also be one to lock it against all others. Temporary tables have no row: every role may make them.
extension InternalSchema {
    /// Who may say something of a table: who may change all of its columns. Nobody, for a table that is gone.
    private static let mayChange = """
        pg_catalog.has_table_privilege(relation, 'UPDATE')
            AND EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = relation AND c.relpersistence <> 't')
        """

    /// How long the rows of tables that are gone may keep a proxy from starting.
    private static let cleaningPatience = "100ms"

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
        CREATE POLICY own ON pgbraid.outbox USING (\(mayChange)) WITH CHECK (\(mayChange));
        GRANT SELECT, INSERT (relation, holder, lease_until),
            UPDATE (holder, lease_until, pending, failed, oldest_seconds, writer_seconds, sent, rate, trouble, told_at) ON pgbraid.outbox TO PUBLIC;
        END $do$;
        DO $do$
        DECLARE
            limit_before text := pg_catalog.current_setting('lock_timeout');
        BEGIN
            PERFORM pg_catalog.set_config('lock_timeout', '\(cleaningPatience)', true);
            DELETE FROM pgbraid.outbox WHERE relation IN (
                SELECT o.relation FROM pgbraid.outbox AS o WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = o.relation)
                FOR UPDATE SKIP LOCKED);
            PERFORM pg_catalog.set_config('lock_timeout', limit_before, true);
        EXCEPTION WHEN lock_not_available THEN
            -- Rows of tables that are gone hurt nobody: the next start deletes them. The limit is undone with the rest of the block.
            NULL;
        END $do$;
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
