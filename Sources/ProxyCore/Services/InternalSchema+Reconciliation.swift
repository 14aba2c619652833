// InternalSchema: comparisons: what is to be compared, what came of it, and who is at it.
//
//   reconciliation_tasks   one row a run, on the shard of the comparison's name
//
// A task is requested (by pgbraid.reconcile, or because its interval is over), then claimed by one proxy for a while, which it prolongs as long as
// it lives, then ended. One whose proxies are lost, as if by what they read, is given up after the third. Of each name one task is requested at most, and one runs. The rows tell of clients' data: so nobody but superusers may
// read them, or ask for a comparison, unless they are granted that.
extension InternalSchema {
    static let reconciliation = """
        \(reconciliationTable)
        \(reconcile)
        \(reconciliationClaim)
        \(reconciliationEnd)
        """

    /// Requests on one shard that wait for a proxy; beyond it they are refused.
    private static let waitingTasks = 100
    /// Proxies that take up a task, one behind the other was lost.
    private static let claims = 3

    /// Made once only: even to ask for an index that is there waits for prepared transactions, which only recovery ends.
    private static let reconciliationTable = """
        DO $do$ BEGIN
        IF pg_catalog.to_regclass('pgbraid.reconciliation_tasks') IS NOT NULL THEN
            IF NOT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = 'pgbraid.reconciliation_tasks'::pg_catalog.regclass AND attname = 'claims') THEN
                ALTER TABLE pgbraid.reconciliation_tasks ADD COLUMN claims integer NOT NULL DEFAULT 0;
            END IF;
            RETURN;
        END IF;
        CREATE TABLE pgbraid.reconciliation_tasks (
            id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(), name text NOT NULL, entity_type text, source_system text, target_system text,
            check_date timestamptz, status text NOT NULL DEFAULT 'requested'
                CHECK (status IN ('requested', 'running', 'equal', 'differences', 'unsettled', 'error')),
            inconsistency_count bigint, unverified_count bigint, unsettled_count bigint, inconsistencies jsonb, row_count bigint, duration interval, error text,
            requested_by name NOT NULL DEFAULT session_user, requested_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
            holder uuid, lease_until timestamptz, claims integer NOT NULL DEFAULT 0, PRIMARY KEY (name, id));
        CREATE UNIQUE INDEX reconciliation_requested ON pgbraid.reconciliation_tasks (name) WHERE status = 'requested';
        CREATE UNIQUE INDEX reconciliation_running ON pgbraid.reconciliation_tasks (name) WHERE status = 'running';
        END $do$;
        """

    /// The latest comparisons of a shard, for SHOW RECONCILIATIONS.
    static var reconciliationListing: ShardQuery {
        ShardQuery(
            columns: ["name", "status", "inconsistencies", "rows", "requested_by", "requested_at", "check_date", "seconds", "error"],
            text: """
                SELECT name, status, inconsistency_count, row_count, requested_by, requested_at::pg_catalog.text, check_date::pg_catalog.text,
                  pg_catalog.date_part('epoch', duration), error
                FROM pgbraid.reconciliation_tasks ORDER BY requested_at DESC LIMIT 100
                """)
    }

    private static let definer = "LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp"

    private static func keyed(_ signature: String) -> String {
        """
        COMMENT ON FUNCTION \(signature) IS 'pgbraid: key = argument 1';
        REVOKE EXECUTE ON FUNCTION \(signature) FROM PUBLIC;
        """
    }

    /// Asks for a comparison; the task that is requested already is the answer to a second call.
    private static let reconcile = """
        CREATE OR REPLACE FUNCTION pgbraid.reconcile(comparison text) RETURNS uuid \(definer) AS $$
        DECLARE
            task uuid;
        BEGIN
            IF comparison IS NULL THEN RAISE null_value_not_allowed USING MESSAGE = 'a comparison has a name'; END IF;
            IF length(comparison) > 200 THEN RAISE name_too_long USING MESSAGE = 'no comparison has a name of more than 200 characters'; END IF;
            IF (SELECT count(*) FROM pgbraid.reconciliation_tasks AS t WHERE t.status = 'requested') >= \(waitingTasks) THEN
                RAISE configuration_limit_exceeded USING MESSAGE = 'too many comparisons are requested', HINT = 'Wait for those that are.';
            END IF;
            INSERT INTO pgbraid.reconciliation_tasks (name) VALUES ($1) ON CONFLICT DO NOTHING RETURNING id INTO task;
            IF NOT FOUND THEN SELECT t.id INTO task FROM pgbraid.reconciliation_tasks AS t WHERE t.name = $1 AND t.status = 'requested'; END IF;
            RETURN task;
        END $$;
        \(keyed("pgbraid.reconcile(text)"))
        CREATE OR REPLACE FUNCTION pgbraid.reconciliation_due(comparison text, seconds double precision) RETURNS void \(definer) AS $$
        BEGIN
            INSERT INTO pgbraid.reconciliation_tasks (name) SELECT $1 WHERE NOT EXISTS (
                SELECT FROM pgbraid.reconciliation_tasks AS t
                WHERE t.name = $1 AND (t.status IN ('requested', 'running') OR t.requested_at > clock_timestamp() - make_interval(secs => $2)))
            ON CONFLICT DO NOTHING;
        END $$;
        \(keyed("pgbraid.reconciliation_due(text, double precision)"))
        """

    /// Claims the task of a name that nobody is at; NULL: there is none.
    private static let reconciliationClaim = """
        CREATE OR REPLACE FUNCTION pgbraid.reconciliation_claim(comparison text, holder uuid, seconds double precision) RETURNS uuid \(definer) AS $$
        DECLARE
            task uuid;
        BEGIN
            UPDATE pgbraid.reconciliation_tasks AS t
            SET status = 'error', lease_until = NULL, error = 'given up: \(claims) proxies in turn were lost while they made it'
            WHERE t.name = $1 AND t.status = 'running' AND t.lease_until < clock_timestamp() AND t.claims >= \(claims);
            UPDATE pgbraid.reconciliation_tasks AS t
            SET status = 'running', holder = $2, check_date = clock_timestamp(), lease_until = clock_timestamp() + make_interval(secs => $3), claims = t.claims + 1
            WHERE t.name = $1 AND t.id = (
                SELECT c.id FROM pgbraid.reconciliation_tasks AS c
                WHERE c.name = $1 AND (c.status = 'running' AND c.lease_until < clock_timestamp() OR c.status = 'requested' AND NOT EXISTS (
                    SELECT FROM pgbraid.reconciliation_tasks AS r WHERE r.name = $1 AND r.status = 'running'))
                ORDER BY c.status DESC LIMIT 1 FOR UPDATE SKIP LOCKED)
            RETURNING t.id INTO task;
            RETURN task;
        EXCEPTION WHEN unique_violation THEN RETURN NULL;
        END $$;
        \(keyed("pgbraid.reconciliation_claim(text, uuid, double precision)"))
        CREATE OR REPLACE FUNCTION pgbraid.reconciliation_renew(comparison text, task uuid, holder uuid, seconds double precision) RETURNS boolean \(definer) AS $$
        BEGIN
            UPDATE pgbraid.reconciliation_tasks AS t SET lease_until = clock_timestamp() + make_interval(secs => $4)
            WHERE t.name = $1 AND t.id = $2 AND t.holder = $3 AND t.status = 'running';
            RETURN FOUND;
        END $$;
        \(keyed("pgbraid.reconciliation_renew(text, uuid, uuid, double precision)"))
        """

    /// Stores what came of a task that `holder` still has, and forgets old tasks of the name. Without a task it stores one that is over already.
    private static let reconciliationEnd = """
        CREATE OR REPLACE FUNCTION pgbraid.reconciliation_end(comparison text, task uuid, holder uuid, result jsonb, kept integer) RETURNS boolean \(definer) AS $$
        DECLARE
            ended uuid := $2;
            is_stored boolean;
        BEGIN
            IF ended IS NULL THEN
                INSERT INTO pgbraid.reconciliation_tasks (name, status, holder, check_date)
                VALUES ($1, 'equal', $3, clock_timestamp() - make_interval(secs => ($4 ->> 'seconds')::float8)) RETURNING id INTO ended;
            END IF;
            UPDATE pgbraid.reconciliation_tasks AS t
            SET status = $4 ->> 'status', entity_type = $4 ->> 'entity_type', source_system = $4 ->> 'source_system', target_system = $4 ->> 'target_system',
                inconsistency_count = ($4 ->> 'inconsistency_count')::int8, unverified_count = ($4 ->> 'unverified_count')::int8,
                unsettled_count = ($4 ->> 'unsettled_count')::int8, row_count = ($4 ->> 'row_count')::int8,
                duration = make_interval(secs => ($4 ->> 'seconds')::float8), error = $4 ->> 'error', inconsistencies = $4 -> 'inconsistencies', lease_until = NULL
            WHERE t.name = $1 AND t.id = ended AND t.holder = $3 AND ($2 IS NULL OR t.status = 'running');
            is_stored := FOUND;
            DELETE FROM pgbraid.reconciliation_tasks AS t WHERE t.name = $1 AND t.status NOT IN ('requested', 'running') AND t.id NOT IN (
                SELECT k.id FROM pgbraid.reconciliation_tasks AS k WHERE k.name = $1 ORDER BY k.requested_at DESC LIMIT $5);
            RETURN is_stored;
        END $$;
        \(keyed("pgbraid.reconciliation_end(text, uuid, uuid, jsonb, integer)"))
        """
}
