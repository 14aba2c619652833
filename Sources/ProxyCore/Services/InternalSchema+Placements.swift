// InternalSchema: where tables' rows are: what create_distributed_table and its kin store, and the locks they take.
//
// Everything runs with the rights of who calls it, so that PostgreSQL itself checks them; only the table pgbraid.placement is
// written by functions with the rights of their owner, for those who may act as the owner of the table in question.
//
// Two advisory locks, in every database: every worker of every proxy holds the planning lock, shared, while it plans statements
// (`Worker.pausePlanning`), and a transaction that has moved rows takes it alone before it commits. The second lock makes those
// transactions follow each other.
import Primitives

enum PlanningLock {
    /// The first key: "pgbp" in ASCII.
    static let classKey: Int32 = 0x7067_6270
    static let planning: Int32 = 0
    static let moving: Int32 = 1
    /// The channel on which workers are asked to pause.
    static let channel = "pgbraid_planning"
    /// The channel on which workers hear that DDL has changed the catalog; with it the worker that has done so.
    static let catalogChannel = "pgbraid_catalog"
    /// How long a transaction waits until no worker runs a statement that was planned before.
    static let patience = Span.seconds(5)
    /// Between two requests to pause.
    static let requestInterval = Span.milliseconds(20)
    /// A pause that nobody has asked for again for so long is over.
    static let requestLifetime = Span.seconds(2)

    /// Takes a worker's share, and hears of requests to pause.
    static let hold = """
        /* pgbraid: planning */ SELECT pg_catalog.pg_advisory_lock_shared(\(classKey), \(planning));LISTEN \(channel);LISTEN \(catalogChannel)
        """

    /// Lets a transaction that waits have the lock, and waits for its end.
    static let yield = """
        SELECT pg_catalog.pg_advisory_unlock_shared(\(classKey), \(planning));SELECT pg_catalog.pg_advisory_lock_shared(\(classKey), \(planning))
        """
}

extension InternalSchema {
    /// Recovery comes behind this, so rows that a prepared transaction has deleted are not waited for.
    static let placements = """
        CREATE TABLE IF NOT EXISTS pgbraid.placement (
            name regclass PRIMARY KEY, kind text NOT NULL, key_number smallint, method text,
            CHECK (kind = 'reference' OR kind = 'sharded' AND key_number IS NOT NULL AND method IS NOT NULL));
        DELETE FROM pgbraid.placement WHERE name IN (
            SELECT p.name FROM pgbraid.placement AS p WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = p.name)
            FOR UPDATE SKIP LOCKED);
        GRANT SELECT ON pgbraid.placement TO PUBLIC;
        \(bucket)
        \(mayPlace)
        \(columnNumber)
        \(beginPlacement)
        \(recordPlacement)
        \(forgetPlacement)
        \(awaitPlanning)
        \(interruptPlanning)
        \(standIns)
        """

    private static let header = "LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp"

    /// The bucket of a value's extended hash (`PartitionHash`): hash_combine64 of zero and the hash, modulo 5,040, without a sign.
    private static let bucket = """
        CREATE OR REPLACE FUNCTION pgbraid.bucket(hash bigint) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
            SELECT pg_catalog.mod(pg_catalog.mod(
                $1::pg_catalog.numeric OPERATOR(pg_catalog.+) 23752253665144318179, 18446744073709551616), \(Limits.bucketCount))::pg_catalog.int4
            $$;
        """

    private static let mayPlace = """
        CREATE OR REPLACE FUNCTION pgbraid.check_owner(changed regclass, role name) RETURNS void \(header) AS $$
        DECLARE
            relation pg_class;
        BEGIN
            SELECT * INTO STRICT relation FROM pg_class WHERE oid = $1;
            IF NOT pg_has_role($2, relation.relowner, 'MEMBER') THEN
                RAISE insufficient_privilege USING MESSAGE = format('must be owner of table %s', relation.relname);
            END IF;
        END $$;
        """

    private static let columnNumber = """
        CREATE OR REPLACE FUNCTION pgbraid.column_number(changed regclass, column_name text) RETURNS smallint
            LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
            SELECT attnum FROM pg_attribute WHERE attrelid = $1 AND attname = $2 AND NOT attisdropped
            $$;
        """

    /// Answers whether others may know the table, since this transaction has not made it. A snapshot that is older than the lock
    /// would not show all rows.
    private static let beginPlacement = """
        CREATE OR REPLACE FUNCTION pgbraid.begin_placement(changed regclass, key_name text) RETURNS boolean \(header) AS $$
        DECLARE
            overwriting text;
            key_number CONSTANT smallint := pgbraid.column_number($1, $2);
        BEGIN
            PERFORM pgbraid.check_owner($1, current_user);
            IF current_setting('transaction_isolation') <> 'read committed' THEN
                RAISE feature_not_supported USING
                    MESSAGE = 'rows are moved between shards in READ COMMITTED transactions only',
                    HINT = 'SET TRANSACTION ISOLATION LEVEL READ COMMITTED.';
            END IF;
            PERFORM pg_advisory_xact_lock(\(PlanningLock.classKey), \(PlanningLock.moving));
            EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', $1);
            IF row_security_active($1) THEN
                RAISE feature_not_supported USING
                    MESSAGE = format('row-level security hides rows of table "%s"', (SELECT relname FROM pg_class WHERE oid = $1)),
                    HINT = 'ALTER TABLE ... NO FORCE ROW LEVEL SECURITY, and FORCE it afterwards.';
            END IF;
            SELECT k.conname INTO overwriting FROM pg_constraint AS k
            WHERE k.conrelid = $1 AND k.contype = 'f' AND key_number = ANY (k.conkey) AND (k.confupdtype IN ('n', 'd')
                OR k.confdeltype IN ('n', 'd') AND coalesce(nullif(to_jsonb(k) -> 'confdelsetcols', 'null') @> to_jsonb(key_number), true));
            IF overwriting IS NOT NULL THEN
                RAISE feature_not_supported USING
                    MESSAGE = format('foreign key "%s" could set the distribution column to NULL or a default', overwriting),
                    HINT = 'Drop it, and add it again with the other columns named: ON DELETE SET NULL (...).';
            END IF;
            RETURN NOT pgbraid.changed_here((SELECT xmin FROM pg_attribute WHERE attrelid = $1 AND attnum = -1));
        END $$;
        """

    private static let recordPlacement = """
        CREATE OR REPLACE FUNCTION pgbraid.record_placement(changed regclass, kind text, key_name text, method text)
            RETURNS void \(header) SECURITY DEFINER AS $$
        BEGIN
            PERFORM pgbraid.check_owner($1, session_user);
            DELETE FROM pgbraid.placement AS p WHERE p.name = $1 OR NOT EXISTS (SELECT FROM pg_class WHERE oid = p.name);
            INSERT INTO pgbraid.placement VALUES ($1, $2, pgbraid.column_number($1, $3), $4);
        END $$;
        """

    private static let forgetPlacement = """
        CREATE OR REPLACE FUNCTION pgbraid.forget_placement(changed regclass) RETURNS void \(header) SECURITY DEFINER AS $$
        BEGIN
            PERFORM pgbraid.check_owner($1, session_user);
            DELETE FROM pgbraid.placement AS p WHERE p.name = $1;
        END $$;
        """

    private static let awaitPlanning = """
        CREATE OR REPLACE FUNCTION pgbraid.await_planning() RETURNS void \(header)
            SET lock_timeout = '\(PlanningLock.patience.nanoseconds / 1_000_000)ms' AS $$
        BEGIN
            PERFORM pg_advisory_xact_lock(\(PlanningLock.classKey), \(PlanningLock.planning));
        END $$;
        """

    /// Statements that wait for the transaction were planned before it: they are ended. Whoever waits for the planning lock is not.
    private static let interruptPlanning = """
        CREATE OR REPLACE FUNCTION pgbraid.interrupt_planning(holder integer, pause double precision) RETURNS void \(header) AS $$
        BEGIN
            PERFORM pg_sleep($2);
            PERFORM pg_cancel_backend(w.pid)
            FROM (SELECT DISTINCT l.pid FROM pg_locks AS l
                WHERE NOT l.granted AND l.pid IS NOT NULL
                    AND NOT (l.locktype = 'advisory' AND l.objsubid = 2 AND l.classid::bigint = \(PlanningLock.classKey) AND l.objid = \(PlanningLock.planning))) AS w
            WHERE $1 = ANY (pg_blocking_pids(w.pid));
            PERFORM pg_notify('\(PlanningLock.channel)', '');
        END $$;
        """

    /// Functions that only let statements with calls be described. A database with Citus has them already.
    private static let standIns = """
        DO $install$
        DECLARE
            signature text;
        BEGIN
            FOREACH signature IN ARRAY ARRAY[
                'create_distributed_table(table_name regclass, distribution_column text, distribution_type text DEFAULT ''hash'', colocate_with text DEFAULT ''default'')',
                'create_reference_table(table_name regclass)', 'undistribute_table(table_name regclass)']
            LOOP
                CONTINUE WHEN EXISTS (SELECT FROM pg_catalog.pg_proc WHERE proname = pg_catalog.split_part(signature, '(', 1));
                EXECUTE 'CREATE FUNCTION pg_catalog.' || signature || ' RETURNS void LANGUAGE plpgsql AS $body$
                    BEGIN RAISE feature_not_supported USING MESSAGE = ''the proxy moves rows for a SELECT of nothing but this call''; END $body$';
            END LOOP;
        END $install$;
        """
}
