// InternalSchema: sagas: what pgbraid.saga_begin and its kin store, and where.
//
//   saga        one row a saga, on the shard of its name
//   saga_step   the undo of each step, on the shard where the step wrote, in the step's own transaction
//   saga_door   on each shard: whether steps of the saga may still begin there
//   saga_number numbers for the steps, drawn on the shard of the saga's name, so that their order is that of the calls
//
// A saga is undone behind closed doors. Who makes a step holds its shard's door open until its transaction has ended there, prepared or not;
// so behind closed doors all steps are known.
//
// Whose a saga or a step is, is who the current user was. All that is done with it is done as the current user, too, under policies of the
// tables, and never by the session's user alone: code of somebody else that a superuser runs (an index's function, say) must not end, or leave
// undos for, what is the superuser's. Owners are OIDs: a role that is made anew under the name of a dropped one does not inherit its undos.
// Steps and doors go by the saga's id, which only those are told who may act for its owner; a saga begun anew under an old name has another.
import QueryPlanning

extension InternalSchema {
    static let sagas = """
        \(sagaTables)
        \(sagaChanges)
        \(sagaBegin)
        \(sagaNext)
        \(sagaStep)
        \(sagaRun)
        \(sagaClose)
        \(sagaUndone)
        \(sagaEnd)
        \(sagaRetry)
        \(sagaForget)
        """

    private static let me = "pg_catalog.quote_ident(current_user)::pg_catalog.regrole::pg_catalog.oid"

    /// Made once only: even to ask for an index that is there waits for the steps of prepared transactions, which only recovery ends.
    private static let sagaTables = """
        DO $do$ BEGIN
        IF pg_catalog.to_regclass('pgbraid.saga') IS NOT NULL THEN RETURN; END IF;
        CREATE TABLE pgbraid.saga (
            name text PRIMARY KEY CHECK (pg_catalog.octet_length(name) <= 1000), id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(), owner oid NOT NULL DEFAULT \(me),
            state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'undoing', 'stuck', 'completed', 'compensated')),
            deadline timestamptz, reason text CHECK (pg_catalog.octet_length(reason) <= 10000), attempts integer NOT NULL DEFAULT 0,
            retry_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
            script jsonb, steps_done integer NOT NULL DEFAULT 0,
            search_path text NOT NULL DEFAULT pg_catalog.current_setting('search_path') CHECK (pg_catalog.octet_length(search_path) <= 10000),
            created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(), changed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp());
        CREATE INDEX saga_due ON pgbraid.saga (retry_at) WHERE state = 'undoing' OR state = 'running' AND script IS NOT NULL;
        CREATE INDEX saga_deadline ON pgbraid.saga (deadline) WHERE state = 'running';
        CREATE INDEX saga_ended ON pgbraid.saga (changed_at) WHERE state IN ('completed', 'compensated');
        ALTER TABLE pgbraid.saga ENABLE ROW LEVEL SECURITY;
        CREATE POLICY own ON pgbraid.saga USING (pg_catalog.pg_has_role(current_user, owner, 'MEMBER')) WITH CHECK (pg_catalog.pg_has_role(current_user, owner, 'MEMBER'));
        GRANT SELECT, INSERT (name, deadline, script), UPDATE (state, reason, steps_done) ON pgbraid.saga TO PUBLIC;
        CREATE TABLE pgbraid.saga_step (
            id bigint GENERATED ALWAYS AS IDENTITY, saga_id uuid NOT NULL, number bigint NOT NULL, name text NOT NULL CHECK (pg_catalog.octet_length(name) <= 1000),
            undo text CHECK (pg_catalog.octet_length(undo) <= 1048576),
            search_path text NOT NULL DEFAULT pg_catalog.current_setting('search_path') CHECK (pg_catalog.octet_length(search_path) <= 10000),
            owner oid NOT NULL DEFAULT \(me), made_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(), undone_at timestamptz);
        CREATE INDEX saga_step_of ON pgbraid.saga_step (saga_id);
        CREATE INDEX saga_step_by_id ON pgbraid.saga_step (id);
        ALTER TABLE pgbraid.saga_step ENABLE ROW LEVEL SECURITY;
        CREATE POLICY own ON pgbraid.saga_step USING (owner = \(me)) WITH CHECK (owner = \(me));
        GRANT SELECT (id, owner, undone_at), INSERT (saga_id, number, name, undo), UPDATE (undone_at) ON pgbraid.saga_step TO PUBLIC;
        CREATE TABLE pgbraid.saga_door (
            saga_id uuid PRIMARY KEY, is_open boolean NOT NULL, made_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp());
        CREATE SEQUENCE pgbraid.saga_number;
        END $do$;
        """

    /// A client ends a saga, gives it up, or has what is stuck tried again, which begins anew each time. Who works on it notes how that goes.
    private static let sagaChanges = """
        CREATE OR REPLACE FUNCTION pgbraid.saga_changes() RETURNS trigger \(invoker) AS $$
        BEGIN
            IF TG_OP = 'INSERT' THEN
                IF NEW.script IS NULL THEN RETURN NEW; END IF;
                IF octet_length(NEW.script::text) > \(SagaStepCall.maximumBytes) THEN RAISE program_limit_exceeded USING MESSAGE = 'the script is too long'; END IF;
                PERFORM FROM pgbraid.saga_steps_of(NEW.script);
                RETURN NEW;
            END IF;
            IF OLD.state = 'running' AND NEW.state = 'completed' AND OLD.steps_done < jsonb_array_length(OLD.script) THEN
                RAISE object_not_in_prerequisite_state USING MESSAGE = format('saga "%s" is a script, and has steps left', OLD.name),
                    HINT = 'The proxy makes them. SELECT pgbraid.saga_abort(...) has undone what is made.';
            END IF;
            IF NEW.steps_done NOT IN (OLD.steps_done, OLD.steps_done + 1) THEN
                RAISE object_not_in_prerequisite_state USING MESSAGE = format('saga "%s" has made %s steps', OLD.name, OLD.steps_done);
            END IF;
            IF OLD.state = 'running' AND NEW.state = 'running' THEN RETURN NEW; END IF;
            IF (OLD.state, NEW.state) IN (('running', 'completed'), ('running', 'undoing'), ('stuck', 'undoing')) THEN
                NEW.changed_at := clock_timestamp();
                NEW.retry_at := clock_timestamp();
                NEW.attempts := 0;
                RETURN NEW;
            END IF;
            IF OLD.state = 'undoing' AND NEW.state IN ('undoing', 'stuck', 'compensated')
                AND pg_has_role(current_user, (SELECT c.relowner FROM pg_class AS c WHERE c.oid = TG_RELID), 'MEMBER') THEN
                IF NEW.state <> 'undoing' THEN NEW.changed_at := clock_timestamp(); END IF;
                RETURN NEW;
            END IF;
            RAISE object_not_in_prerequisite_state USING MESSAGE = format('saga "%s" is over: %s', OLD.name, OLD.state);
        END $$;
        DO $do$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid = 'pgbraid.saga'::pg_catalog.regclass AND t.tgname = 'saga_changes') THEN
            CREATE TRIGGER saga_changes BEFORE INSERT OR UPDATE ON pgbraid.saga FOR EACH ROW EXECUTE FUNCTION pgbraid.saga_changes();
        END IF;
        END $do$;
        """

    private static let invoker = "LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp"
    private static let definer = "LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp"

    /// Begins a saga, or finds the one of this name that the role has begun. Who may act for others too must not take up theirs unawares.
    private static let sagaBegin = """
        CREATE OR REPLACE FUNCTION pgbraid.saga_begin(saga text, timeout interval DEFAULT NULL) RETURNS text \(invoker) AS $$
        DECLARE
            known pgbraid.saga;
        BEGIN
            IF saga IS NULL THEN RAISE null_value_not_allowed USING MESSAGE = 'a saga needs a name'; END IF;
            INSERT INTO pgbraid.saga (name, deadline) VALUES ($1, clock_timestamp() + $2) ON CONFLICT (name) DO NOTHING;
            SELECT * INTO known FROM pgbraid.saga AS s WHERE s.name = $1;
            IF NOT FOUND OR known.owner <> \(me) THEN
                RAISE insufficient_privilege USING MESSAGE = format('saga "%s" belongs to another role', $1);
            END IF;
            RETURN known.state;
        END $$;
        COMMENT ON FUNCTION pgbraid.saga_begin(text, interval) IS 'pgbraid: key = argument 1';
        CREATE OR REPLACE FUNCTION pgbraid.saga_state(saga text) RETURNS text \(invoker) AS $$
        BEGIN
            RETURN (SELECT s.state FROM pgbraid.saga AS s WHERE s.name = $1);
        END $$;
        COMMENT ON FUNCTION pgbraid.saga_state(text) IS 'pgbraid: key = argument 1';
        CREATE OR REPLACE FUNCTION pgbraid.known_saga(saga text) RETURNS pgbraid.saga \(invoker) AS $$
        DECLARE
            known pgbraid.saga;
        BEGIN
            SELECT * INTO known FROM pgbraid.saga AS s WHERE s.name = $1;
            IF NOT FOUND THEN
                RAISE undefined_object USING MESSAGE = format('saga "%s" does not exist, or belongs to another role', $1),
                    HINT = 'SELECT pgbraid.saga_begin(...) first, in a transaction of its own.';
            END IF;
            RETURN known;
        END $$;
        """

    /// The number of the next step of a saga that goes on, and the saga's id. It writes nothing that a transaction would have to commit.
    ///
    /// Numbers are a hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014): the time in microseconds, or one more than the
    /// last number if that is more. So they grow, though a crash may take the sequence back (nothing here waits for its log), and though
    /// the server's clock may be set back.
    private static let sagaNext = """
        CREATE OR REPLACE FUNCTION pgbraid.saga_draw() RETURNS bigint \(definer) AS $$
        DECLARE
            number bigint := nextval('pgbraid.saga_number');
            time bigint := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
        BEGIN
            IF number >= time THEN RETURN number; END IF;
            RETURN setval('pgbraid.saga_number', time);
        END $$;
        CREATE OR REPLACE FUNCTION pgbraid.saga_next(saga text, OUT number bigint, OUT id uuid) \(invoker) AS $$
        DECLARE
            known pgbraid.saga := pgbraid.known_saga($1);
        BEGIN
            IF known.state <> 'running' THEN
                RAISE object_not_in_prerequisite_state USING MESSAGE = format('saga "%s" is over: %s', $1, known.state);
            END IF;
            number := pgbraid.saga_draw();
            id := known.id;
        END $$;
        """

    /// Journals a step in the transaction that makes it. A door that was made or closed behind the snapshot of a transaction that keeps one is
    /// not seen as it is: then the transaction is to be tried again.
    private static let sagaStep = """
        CREATE OR REPLACE FUNCTION pgbraid.saga_hold(saga_id uuid) RETURNS void \(definer) AS $$
        DECLARE
            door pgbraid.saga_door;
        BEGIN
            INSERT INTO pgbraid.saga_door VALUES ($1, true) ON CONFLICT DO NOTHING;
            SELECT * INTO door FROM pgbraid.saga_door AS d WHERE d.saga_id = $1 FOR SHARE;
            IF NOT FOUND THEN
                RAISE serialization_failure USING MESSAGE = 'could not serialize access due to concurrent update';
            END IF;
            IF NOT door.is_open THEN RAISE object_not_in_prerequisite_state USING MESSAGE = 'the saga is over'; END IF;
        END $$;
        CREATE OR REPLACE FUNCTION pgbraid.saga_step(saga_id uuid, step text, undo text, number bigint) RETURNS void LANGUAGE plpgsql AS $$
        BEGIN
            IF current_user OPERATOR(pg_catalog.<>) session_user THEN
                RAISE feature_not_supported USING MESSAGE = 'a step of a saga is made by the role that has logged in', HINT = 'RESET ROLE.';
            END IF;
            PERFORM pgbraid.saga_hold($1);
            INSERT INTO pgbraid.saga_step (saga_id, number, name, undo) VALUES ($1, $4, coalesce($2, ''), $3);
        END $$;
        CREATE OR REPLACE FUNCTION pgbraid.saga_step(saga text, step text, undo text DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
        BEGIN
            RAISE feature_not_supported USING MESSAGE = 'pgbraid.saga_step is carried out by the proxy';
        END $$;
        """

    /// A saga whose steps are known from the beginning, which a proxy carries out. Each step's transaction counts it where the saga is, so that
    /// none is made twice, whoever is cut off.
    private static let sagaRun = """
        CREATE OR REPLACE PROCEDURE pgbraid.saga_run(saga text, script jsonb, timeout interval DEFAULT NULL) LANGUAGE plpgsql AS $$
        BEGIN
            RAISE feature_not_supported USING MESSAGE = 'pgbraid.saga_run is carried out by the proxy';
        END $$;
        CREATE OR REPLACE FUNCTION pgbraid.saga_steps_of(script jsonb) RETURNS TABLE (work text, undo text) \(invoker) AS $$
        BEGIN
            IF script IS NULL OR jsonb_typeof(script) <> 'array' OR EXISTS (
                SELECT FROM jsonb_array_elements(CASE jsonb_typeof(script) WHEN 'array' THEN script ELSE '[]' END) AS s (step)
                WHERE jsonb_typeof(step) <> 'object' OR step ->> 'do' IS NULL OR step - 'do' - 'undo' <> '{}') THEN
                RAISE invalid_parameter_value USING MESSAGE = 'the script of a saga is an array of steps', HINT = '[{"do": "INSERT ...", "undo": "DELETE ..."}, ...]';
            END IF;
            RETURN QUERY SELECT s.step ->> 'do', s.step ->> 'undo' FROM jsonb_array_elements(script) WITH ORDINALITY AS s (step, number) ORDER BY s.number;
        END $$;
        CREATE OR REPLACE FUNCTION pgbraid.saga_start(
            saga text, script jsonb, timeout interval, OUT state text, OUT reason text, OUT statement_timeout text) LANGUAGE plpgsql AS $$
        DECLARE
            known pgbraid.saga;
        BEGIN
            IF current_user OPERATOR(pg_catalog.<>) session_user THEN
                RAISE feature_not_supported USING MESSAGE = 'a script is carried out as the role that has logged in', HINT = 'RESET ROLE.';
            END IF;
            INSERT INTO pgbraid.saga (name, deadline, script) VALUES ($1, pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) $3, $2) ON CONFLICT (name) DO NOTHING;
            SELECT * INTO known FROM pgbraid.saga AS s WHERE s.name OPERATOR(pg_catalog.=) $1;
            IF NOT FOUND OR known.owner OPERATOR(pg_catalog.<>) \(me) THEN
                RAISE insufficient_privilege USING MESSAGE = pg_catalog.format('saga "%s" belongs to another role', $1);
            END IF;
            IF known.script IS NULL OR known.script OPERATOR(pg_catalog.<>) $2 THEN
                RAISE duplicate_object USING MESSAGE = pg_catalog.format('saga "%s" exists already, and does something else', $1);
            END IF;
            state := known.state;
            reason := known.reason;
            statement_timeout := (SELECT s.setting FROM pg_catalog.pg_settings AS s WHERE s.name OPERATOR(pg_catalog.=) 'statement_timeout');
        END $$;
        CREATE OR REPLACE FUNCTION pgbraid.saga_advance(saga text, step integer) RETURNS boolean \(invoker) AS $$
        DECLARE
            known pgbraid.saga;
        BEGIN
            UPDATE pgbraid.saga AS s SET steps_done = step + 1 WHERE s.name = $1 AND s.state = 'running' AND s.steps_done = step
              AND (s.deadline IS NULL OR s.deadline > clock_timestamp());
            IF FOUND THEN RETURN true; END IF;
            known := pgbraid.known_saga($1);
            IF known.state <> 'running' THEN
                RAISE object_not_in_prerequisite_state USING MESSAGE = format('saga "%s" is over: %s', $1, known.state);
            END IF;
            RETURN false;
        END $$;
        COMMENT ON FUNCTION pgbraid.saga_advance(text, integer) IS 'pgbraid: key = argument 1';
        """

    /// Lets no further step begin on this shard, and waits a while for those that have begun.
    private static let sagaClose = """
        CREATE OR REPLACE FUNCTION pgbraid.saga_close(saga_id uuid) RETURNS void \(definer) SET lock_timeout = '1s' AS $$
        BEGIN
            INSERT INTO pgbraid.saga_door VALUES ($1, false) ON CONFLICT ON CONSTRAINT saga_door_pkey DO UPDATE SET is_open = false;
        END $$;
        REVOKE EXECUTE ON FUNCTION pgbraid.saga_close(uuid) FROM PUBLIC;
        COMMENT ON FUNCTION pgbraid.saga_close(uuid) IS 'pgbraid: local';
        """

    /// Marks a step as undone, in the transaction that undoes it, before it does. Only who made the step can; false: it is marked already.
    private static let sagaUndone = """
        CREATE OR REPLACE FUNCTION pgbraid.saga_undone(step bigint) RETURNS boolean \(invoker) AS $$
        BEGIN
            UPDATE pgbraid.saga_step AS s SET undone_at = clock_timestamp() WHERE s.id = $1 AND s.undone_at IS NULL;
            IF FOUND THEN RETURN true; END IF;
            IF EXISTS (SELECT FROM pgbraid.saga_step AS s WHERE s.id = $1 AND s.undone_at IS NOT NULL) THEN RETURN false; END IF;
            RAISE insufficient_privilege USING MESSAGE = format('step %s belongs to another role', $1);
        END $$;
        COMMENT ON FUNCTION pgbraid.saga_undone(bigint) IS 'pgbraid: local';
        """

    /// Ends a saga, one way or the other; a second time the same is no error. Nobody waits for who undoes it.
    private static let sagaEnd = """
        CREATE OR REPLACE FUNCTION pgbraid.leave_saga(saga text, wanted text, already text[], reason text) RETURNS text \(invoker) AS $$
        DECLARE
            known pgbraid.saga;
        BEGIN
            UPDATE pgbraid.saga AS s SET state = wanted, reason = left($4, 1000) WHERE s.name = $1 AND s.state = 'running';
            IF FOUND THEN RETURN wanted; END IF;
            known := pgbraid.known_saga($1);
            IF known.state = ANY (already) THEN RETURN known.state; END IF;
            RAISE object_not_in_prerequisite_state USING MESSAGE = format('saga "%s" is over: %s', $1, known.state);
        END $$;
        CREATE OR REPLACE FUNCTION pgbraid.saga_end(saga text) RETURNS text \(invoker) AS $$
        BEGIN
            RETURN pgbraid.leave_saga($1, 'completed', '{completed}', NULL);
        END $$;
        COMMENT ON FUNCTION pgbraid.saga_end(text) IS 'pgbraid: key = argument 1';
        CREATE OR REPLACE FUNCTION pgbraid.saga_abort(saga text, reason text DEFAULT 'aborted') RETURNS text \(invoker) AS $$
        BEGIN
            RETURN pgbraid.leave_saga($1, 'undoing', '{undoing,stuck,compensated}', $2);
        END $$;
        COMMENT ON FUNCTION pgbraid.saga_abort(text, text) IS 'pgbraid: key = argument 1';
        """

    /// Tries again what is stuck, from the first failure on.
    private static let sagaRetry = """
        CREATE OR REPLACE FUNCTION pgbraid.saga_retry(saga text) RETURNS text \(invoker) AS $$
        DECLARE
            known pgbraid.saga;
        BEGIN
            UPDATE pgbraid.saga AS s SET state = 'undoing' WHERE s.name = $1 AND s.state = 'stuck';
            IF FOUND THEN RETURN 'undoing'; END IF;
            known := pgbraid.known_saga($1);
            RAISE object_not_in_prerequisite_state USING MESSAGE = format('saga "%s" is not stuck: %s', $1, known.state);
        END $$;
        COMMENT ON FUNCTION pgbraid.saga_retry(text) IS 'pgbraid: key = argument 1';
        """

    /// Forgets what a shard has of sagas that are not known any more; what somebody holds, another time. `saga_traces` names the next thousand
    /// sagas of which a shard has something that is old.
    private static let sagaForget = """
        CREATE OR REPLACE FUNCTION pgbraid.saga_forget(ids uuid[]) RETURNS void \(definer) SET lock_timeout = '1s' AS $$
        BEGIN
            DELETE FROM pgbraid.saga_step AS s WHERE s.ctid IN (SELECT h.ctid FROM pgbraid.saga_step AS h WHERE h.saga_id = ANY (ids) FOR UPDATE SKIP LOCKED);
            DELETE FROM pgbraid.saga_door AS d WHERE d.ctid IN (SELECT h.ctid FROM pgbraid.saga_door AS h WHERE h.saga_id = ANY (ids) FOR UPDATE SKIP LOCKED);
        END $$;
        REVOKE EXECUTE ON FUNCTION pgbraid.saga_forget(uuid[]) FROM PUBLIC;
        COMMENT ON FUNCTION pgbraid.saga_forget(uuid[]) IS 'pgbraid: local';
        CREATE OR REPLACE FUNCTION pgbraid.saga_traces(days integer, behind uuid) RETURNS uuid[] \(definer) AS $$
        BEGIN
            RETURN (SELECT array_agg(t.saga_id ORDER BY t.saga_id) FROM (
                SELECT saga_id FROM pgbraid.saga_door WHERE made_at < clock_timestamp() - make_interval(days => days) AND (behind IS NULL OR saga_id > behind)
                UNION SELECT saga_id FROM pgbraid.saga_step WHERE made_at < clock_timestamp() - make_interval(days => days) AND (behind IS NULL OR saga_id > behind)
                ORDER BY 1 LIMIT 1000) AS t);
        END $$;
        REVOKE EXECUTE ON FUNCTION pgbraid.saga_traces(integer, uuid) FROM PUBLIC;
        COMMENT ON FUNCTION pgbraid.saga_traces(integer, uuid) IS 'pgbraid: local';
        """

    /// For SHOW SAGAS: how many there are in each state, and of those that have not ended the one that has been so for the longest time.
    static let sagasByState = """
        SELECT s.state, s.count, pg_catalog.round(EXTRACT(epoch FROM pg_catalog.clock_timestamp() - o.changed_at)), pg_catalog.left(o.name, 1000), pg_catalog.left(o.reason, 2100)
        FROM (SELECT state, pg_catalog.count(*) AS count FROM pgbraid.saga GROUP BY state) AS s LEFT JOIN LATERAL (
          SELECT name, reason, changed_at FROM pgbraid.saga AS l WHERE l.state = s.state AND l.state IN ('running', 'undoing', 'stuck')
          ORDER BY changed_at LIMIT 1) AS o ON true
        ORDER BY 1
        """
}
