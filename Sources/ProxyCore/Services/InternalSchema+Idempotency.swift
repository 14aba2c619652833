// InternalSchema: idempotent requests: what is kept of each key, and the functions that ask for it.
//
// Everything of a key is on the shard of the key, in one table: a row with number 0 that claims the key, and a row for each statement of the request
// with the hash of what was asked and the frames that answered it. All are written in the request's own transaction, the claim before anything
// else. So the primary key is the lock: who comes with the same key waits until the first has ended, prepared or not, and finds either nothing or
// all of it.
//
// A key belongs to the current user. Roles may insert and read their own rows and nothing more: who could also change or delete rows could lock
// the table against all others. Owners are OIDs of the shard's own, compared only there.
extension InternalSchema {
    static let idempotency = """
        \(idempotencyTable)
        \(idempotencyClaim)
        \(outcome)
        """

    private static let currentRole = "pg_catalog.quote_ident(current_user)::pg_catalog.regrole::pg_catalog.oid"

    /// Made once only, as all tables that prepared transactions may have rows in.
    private static let idempotencyTable = """
        DO $do$ BEGIN
        IF pg_catalog.to_regclass('pgbraid.idempotency') IS NOT NULL THEN RETURN; END IF;
        CREATE TABLE pgbraid.idempotency (
            key text NOT NULL CHECK (pg_catalog.octet_length(key) BETWEEN 1 AND 255), owner oid NOT NULL DEFAULT \(currentRole),
            number integer NOT NULL CHECK (number >= 0), request bytea, tag text, answer bytea,
            begun_at timestamptz NOT NULL DEFAULT pg_catalog.now(), PRIMARY KEY (key, owner, number));
        CREATE INDEX idempotency_begun ON pgbraid.idempotency (begun_at);
        ALTER TABLE pgbraid.idempotency ENABLE ROW LEVEL SECURITY;
        CREATE POLICY own ON pgbraid.idempotency USING (owner = \(currentRole)) WITH CHECK (owner = \(currentRole));
        GRANT SELECT, INSERT (key, number, request, tag, answer) ON pgbraid.idempotency TO PUBLIC;
        END $do$;
        """

    private static let invoker = "LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp"

    /// Claims a key in the present transaction, or gives what was kept of the request that has had it, unless that has more than `most` bytes, since
    /// roles can insert what they like; no rows: the key is claimed. Waits for whoever has claimed it. A row that goes away between the two
    /// statements has expired.
    private static let idempotencyClaim = """
        CREATE OR REPLACE FUNCTION pgbraid.idempotency_claim(key text, most bigint) RETURNS TABLE (number integer, request text, answer text) \(invoker) AS $$
        #variable_conflict use_column
        BEGIN
            FOR attempt IN 1..3 LOOP
                INSERT INTO pgbraid.idempotency (key, number) VALUES ($1, 0) ON CONFLICT DO NOTHING;
                IF FOUND THEN RETURN; END IF;
                IF (SELECT sum(octet_length(i.answer) + octet_length(i.request) + 64) FROM pgbraid.idempotency AS i WHERE i.key = $1 AND i.owner = \(currentRole)) > $2 THEN
                    RAISE program_limit_exceeded USING MESSAGE = format('what is stored under the idempotency key "%s" is over the limit of %s bytes', $1, $2);
                END IF;
                RETURN QUERY SELECT i.number, encode(i.request, 'hex'), encode(i.answer, 'hex') FROM pgbraid.idempotency AS i
                    WHERE i.key = $1 AND i.owner = \(currentRole) ORDER BY i.number;
                IF FOUND THEN RETURN; END IF;
            END LOOP;
            RAISE serialization_failure USING MESSAGE = 'could not serialize access due to concurrent update';
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
        BEGIN
            FOR attempt IN 1..3 LOOP
                SELECT 'committed', count(*)::integer - 1, min(i.begun_at), bool_or(i.number = 0 AND i.xmin = pg_current_xact_id_if_assigned()::xid),
                    (array_agg(i.tag ORDER BY i.number DESC))[1]
                    INTO state, statements, begun_at, own, tag FROM pgbraid.idempotency AS i WHERE i.key = $1 AND i.owner = \(currentRole)
                    HAVING bool_or(i.number = 0);
                IF FOUND THEN
                    IF own THEN state := 'in progress'; tag := NULL; END IF;
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
