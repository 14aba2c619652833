// InternalSchema: idempotent requests: what is kept of each key, and the functions that ask for it.
//
// Everything of a key is on the shard of the key, in one table: a row with number 0 that claims the key, and a row for each statement of the request
// with the hash of what was asked, its values and formats (`RequestForm`), and the frames that answered it. All are written in the request's own
// transaction, the claim before anything else. So the primary key is the lock: who comes with the same key waits until the first has ended, prepared
// or not, and finds either nothing or all of it.
//
// A key belongs to the current user. Roles may insert and read their own rows and nothing more: who could also change or delete rows could lock
// the table against all others. What they insert by hand has the form of what the proxy stores, and its size: a proxy reads no more than one may store.
// Owners are OIDs of the shard's own, compared only there.
//
// A key's time runs from `seen_at`, when a proxy has first seen it committed; '-infinity' there says that it is being forgotten.
import Primitives

extension InternalSchema {
    static let idempotency = """
        \(idempotencyTable)
        \(idempotencyClaim)
        \(idempotencyHeld)
        \(outcome)
        """

    /// SHOW IDEMPOTENCY: what a shard keeps. Rows as its statistics have them, since counting would read all of them.
    static var idempotencyListing: ShardQuery {
        ShardQuery(
            columns: ["rows", "bytes", "oldest_seconds"],
            text: """
                SELECT (SELECT n_live_tup FROM pg_catalog.pg_stat_all_tables WHERE relid = 'pgbraid.idempotency'::pg_catalog.regclass),
                    pg_catalog.pg_total_relation_size('pgbraid.idempotency'),
                    pg_catalog.floor(extract(epoch FROM pg_catalog.now() - (SELECT min(begun_at) FROM pgbraid.idempotency)))
                """)
    }

    private static let currentRole = "pg_catalog.quote_ident(current_user)::pg_catalog.regrole::pg_catalog.oid"

    /// A hash, and a byte for each parameter and each column, of both of which there are no more than 65535.
    private static let mostFormatBytes = 140_000
    /// Each takes that much at least.
    private static let mostStatements = Limits.idempotentRequestBytes / StoredAnswer.overheadBytes

    /// Made once only, as all tables that prepared transactions may have rows in.
    private static let idempotencyTable = """
        DO $do$ BEGIN
        IF pg_catalog.to_regclass('pgbraid.idempotency') IS NOT NULL THEN RETURN; END IF;
        CREATE TABLE pgbraid.idempotency (
            key text NOT NULL CHECK (pg_catalog.octet_length(key) BETWEEN 1 AND 255), owner oid NOT NULL DEFAULT \(currentRole),
            number integer NOT NULL CHECK (number BETWEEN 0 AND \(mostStatements)), request bytea CHECK (pg_catalog.octet_length(request) = 32),
            tag text CHECK (pg_catalog.octet_length(tag) <= 100), answer bytea CHECK (pg_catalog.octet_length(answer) <= \(Limits.idempotentRequestBytes)),
            formats bytea NOT NULL DEFAULT '' CHECK (pg_catalog.octet_length(formats) <= \(mostFormatBytes)),
            begun_at timestamptz NOT NULL DEFAULT pg_catalog.now(), seen_at timestamptz, PRIMARY KEY (key, owner, number),
            CHECK (CASE number WHEN 0 THEN request IS NULL AND tag IS NULL AND answer IS NULL
                ELSE request IS NOT NULL AND tag IS NOT NULL AND answer IS NOT NULL END));
        CREATE INDEX idempotency_begun ON pgbraid.idempotency (begun_at);
        CREATE INDEX idempotency_unseen ON pgbraid.idempotency (begun_at) WHERE number = 0 AND seen_at IS NULL;
        ALTER TABLE pgbraid.idempotency ENABLE ROW LEVEL SECURITY;
        CREATE POLICY own ON pgbraid.idempotency USING (owner = \(currentRole)) WITH CHECK (owner = \(currentRole));
        GRANT SELECT, INSERT (key, number, request, tag, answer, formats) ON pgbraid.idempotency TO PUBLIC;
        END $do$;
        """

    private static let invoker = "LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp"

    /// Claims a key in the present transaction, or gives what was kept of the request that has had it, unless that has more than `most` bytes, since
    /// roles can insert what they like; no rows: the key is claimed. Waits for whoever has claimed it. A row that goes away between the two
    /// statements has expired; so may have some of those that are read, whose claim then says so or is gone.
    private static let idempotencyClaim = """
        CREATE OR REPLACE FUNCTION pgbraid.idempotency_claim(key text, most bigint) RETURNS TABLE (number integer, request text, answer text, formats text) \(invoker) AS $$
        #variable_conflict use_column
        BEGIN
            FOR attempt IN 1..3 LOOP
                INSERT INTO pgbraid.idempotency (key, number) VALUES ($1, 0) ON CONFLICT DO NOTHING;
                IF FOUND THEN RETURN; END IF;
                IF (SELECT sum(coalesce(octet_length(i.answer), 0) + octet_length(i.formats) + \(StoredAnswer.overheadBytes)) FROM pgbraid.idempotency AS i
                    WHERE i.key = $1 AND i.owner = \(currentRole) AND i.number > 0) > $2 THEN
                    RAISE program_limit_exceeded USING MESSAGE = format('what is stored under the idempotency key "%s" is over the limit of %s bytes', $1, $2);
                END IF;
                RETURN QUERY SELECT i.number, encode(i.request, 'hex'), encode(i.answer, 'hex'), encode(i.formats, 'hex') FROM pgbraid.idempotency AS i
                    WHERE i.key = $1 AND i.owner = \(currentRole) ORDER BY i.number;
                IF FOUND THEN
                    IF NOT EXISTS (SELECT FROM pgbraid.idempotency AS i
                        WHERE i.key = $1 AND i.owner = \(currentRole) AND i.number = 0 AND i.seen_at IS DISTINCT FROM '-infinity') THEN
                        RAISE serialization_failure USING MESSAGE = format('the idempotency key "%s" is being forgotten', $1), HINT = 'Try again.';
                    END IF;
                    RETURN;
                END IF;
            END LOOP;
            RAISE serialization_failure USING MESSAGE = 'could not serialize access due to concurrent update';
        END $$;
        """

    /// Fails unless the present role is the one that has claimed the key: a function may have changed it unseen, and the request would be stored in parts of
    /// two owners.
    private static let idempotencyHeld = """
        CREATE OR REPLACE FUNCTION pgbraid.idempotency_held(key text) RETURNS void \(invoker) AS $$
        #variable_conflict use_column
        BEGIN
            IF NOT EXISTS (SELECT FROM pgbraid.idempotency AS i WHERE i.key = $1 AND i.owner = \(currentRole) AND i.number = 0) THEN
                RAISE active_sql_transaction USING MESSAGE = 'the role has changed in a transaction that has claimed an idempotency key',
                    HINT = 'Have functions give the role back that they change.';
            END IF;
        END $$;
        """

    /// What became of a request: `committed`, `in progress` (its transaction has not ended, or its end is not known on this shard yet), or `unknown`:
    /// no transaction with this key has committed, and none that has claimed it is under way. To know that, the key is claimed and given back at
    /// once, which waits for who has it as long as this function may.
    private static let outcome = """
        CREATE OR REPLACE FUNCTION pgbraid.outcome(key text, OUT state text, OUT tag text, OUT statements integer, OUT begun_at timestamptz)
        RETURNS SETOF record \(invoker) SET lock_timeout = '5s' AS $$
        #variable_conflict use_column
        DECLARE
            own boolean;
            ending boolean;
        BEGIN
            FOR attempt IN 1..3 LOOP
                SELECT 'committed', count(*)::integer - 1, min(i.begun_at), bool_or(i.number = 0 AND i.xmin = pg_current_xact_id_if_assigned()::xid),
                    bool_or(i.number = 0 AND i.seen_at = '-infinity'), (array_agg(i.tag ORDER BY i.number DESC))[1]
                    INTO state, statements, begun_at, own, ending, tag FROM pgbraid.idempotency AS i WHERE i.key = $1 AND i.owner = \(currentRole)
                    HAVING bool_or(i.number = 0);
                IF FOUND THEN
                    IF own THEN state := 'in progress'; tag := NULL; END IF;
                    IF ending THEN statements := NULL; tag := NULL; END IF;
                    RETURN NEXT;
                    RETURN;
                END IF;
                BEGIN
                    INSERT INTO pgbraid.idempotency (key, number) VALUES ($1, 0);
                    RAISE SQLSTATE 'PGBRK';
                EXCEPTION
                    WHEN SQLSTATE 'PGBRK' THEN
                        state := 'unknown';
                        RETURN NEXT;
                        RETURN;
                    WHEN lock_not_available THEN
                        state := 'in progress';
                        RETURN NEXT;
                        RETURN;
                    WHEN unique_violation THEN NULL;
                END;
            END LOOP;
            RAISE serialization_failure USING MESSAGE = 'could not serialize access due to concurrent update';
        END $$;
        COMMENT ON FUNCTION pgbraid.outcome(text) IS 'pgbraid: key = argument 1';
        """
}
