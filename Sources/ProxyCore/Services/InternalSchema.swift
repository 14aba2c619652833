// InternalSchema: the SQL of schema pgbraid on every shard: who the shard is, and what was decided.
//
// Everything is schema-qualified, so that no search_path can redirect it. Installing is idempotent and takes a lock,
// since several proxies may start at once.
import DistributedCommit
import Primitives

enum InternalSchema {
    /// Key of the advisory lock under which the schema is installed: "pgbraid" as a number.
    private static let installationLock = 0x0070_6762_7261_6964

    /// `is_own` tells the rows this transaction has written from those of others, of which it makes an error. A row's transaction
    /// number has 32 bits; it means the number nearest to the newest one that ends with them.
    static let installation = """
        /* pgbraid: schema */ BEGIN;
        SELECT pg_catalog.pg_advisory_xact_lock(\(installationLock));
        CREATE SCHEMA IF NOT EXISTS pgbraid;
        CREATE TABLE IF NOT EXISTS pgbraid.identity (
            only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
            cluster text NOT NULL, shard text NOT NULL, installed_at timestamptz NOT NULL DEFAULT pg_catalog.now());
        CREATE TABLE IF NOT EXISTS pgbraid.shard_number (
            only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), number integer NOT NULL);
        CREATE TABLE IF NOT EXISTS pgbraid.decision (
            hash uuid PRIMARY KEY, outcome text NOT NULL CHECK (outcome IN ('commit', 'abort')),
            instance text NOT NULL, decided_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp());
        CREATE OR REPLACE FUNCTION pgbraid.decide(token bytea, instance text) RETURNS void
            LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            IF pg_catalog.length(token) <> 16 THEN RAISE 'a token has 16 bytes'; END IF;
            INSERT INTO pgbraid.decision (hash, outcome, instance)
            VALUES (pg_catalog.encode(pg_catalog.substr(pg_catalog.sha256(token), 1, 16), 'hex')::pg_catalog.uuid, 'commit', instance);
            PERFORM pg_catalog.set_config('synchronous_commit', 'on', true);
            IF pg_catalog.current_setting('client_min_messages') = 'error' THEN
                PERFORM pg_catalog.set_config('client_min_messages', 'warning', true);
            END IF;
        END $$;
        CREATE OR REPLACE FUNCTION pgbraid.is_own(version xid) RETURNS boolean LANGUAGE plpgsql STABLE COST 10000 AS $$
        DECLARE
            newest bigint := GREATEST(
                pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::pg_catalog.text::pg_catalog.int8,
                pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text::pg_catalog.int8);
            top bigint := newest OPERATOR(pg_catalog.+) 2147483647;
            behind bigint := (top OPERATOR(pg_catalog.-) version::pg_catalog.text::pg_catalog.int8) OPERATOR(pg_catalog.&) 4294967295;
        BEGIN
            IF pg_catalog.pg_xact_status((top OPERATOR(pg_catalog.-) behind)::pg_catalog.text::pg_catalog.xid8)
                OPERATOR(pg_catalog.=) 'in progress'::pg_catalog.text THEN RETURN true;
            END IF;
            RAISE EXCEPTION USING ERRCODE = '40001', MESSAGE = 'could not serialize access due to concurrent update';
        END $$;
        GRANT USAGE ON SCHEMA pgbraid TO PUBLIC;
        GRANT EXECUTE ON FUNCTION pgbraid.decide(bytea, text), pgbraid.is_own(xid) TO PUBLIC;
        \(sequences)
        \(placements)
        \(sagas)
        \(outbox)
        \(reconciliation)
        \(capacity)
        \(idempotency)
        COMMIT
        """

    /// Names the shard if it has no name yet, and numbers it if it is the cluster's and has no number; answers its cluster, its name,
    /// max_prepared_transactions and its number.
    static func identify(cluster: String, shard: String, number: Int) -> String {
        """
        INSERT INTO pgbraid.identity (cluster, shard) VALUES (\(quoteLiteral(cluster)), \(quoteLiteral(shard))) ON CONFLICT DO NOTHING;
        INSERT INTO pgbraid.shard_number (number) SELECT \(number) FROM pgbraid.identity
          WHERE cluster OPERATOR(pg_catalog.=) \(quoteLiteral(cluster)) ON CONFLICT DO NOTHING;
        SELECT cluster, shard, pg_catalog.current_setting('max_prepared_transactions'), (SELECT number FROM pgbraid.shard_number)
        FROM pgbraid.identity
        """
    }

    /// The server's history: a promoted standby has another timeline, a restored copy of another cluster another identifier.
    static let history = """
        SELECT (SELECT system_identifier FROM pg_catalog.pg_control_system()) || '/' \
        || pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8)
        """

    /// Makes the session hold the lock that shows the instance lives, for as long as the session does.
    static func instanceLock(_ instance: InstanceIdentifier) -> String {
        "SELECT pg_catalog.pg_advisory_lock_shared(\(InstanceLock.classKey), \(instance.lockKey))"
    }

    /// Lets the server session be idle for ever; before PostgreSQL 14 any may.
    static let noIdleTimeout = """
        SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name OPERATOR(pg_catalog.=) 'idle_session_timeout'
        """

    /// Whether the server session has advisory locks beside that of its instance.
    static let heldLocks = """
        SELECT EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND pid = pg_catalog.pg_backend_pid()
          AND NOT (objsubid = 2 AND classid::pg_catalog.int8 = \(UInt32(bitPattern: InstanceLock.classKey))))
        """

    /// Abort rows and old commit rows; then the instances present in this database.
    static func listDecisions(retention: Span, limit: Int) -> String {
        """
        SELECT hash, outcome, instance, pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - decided_at)
        FROM pgbraid.decision
        WHERE outcome = 'abort' OR decided_at < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => \(retention.seconds))
        ORDER BY decided_at LIMIT \(limit);
        SELECT DISTINCT objid::pg_catalog.int8 FROM pg_catalog.pg_locks
        WHERE locktype = 'advisory' AND objsubid = 2 AND granted AND classid::pg_catalog.int8 = \(UInt32(bitPattern: InstanceLock.classKey))
          AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
        """
    }

    /// Prepared transactions of the whole server, and whether standbys must confirm.
    static let listPrepared = """
        SELECT gid, owner, database, pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - prepared)
        FROM pg_catalog.pg_prepared_xacts ORDER BY prepared;
        SELECT pg_catalog.current_setting('synchronous_standby_names') <> ''
        """

    /// Server processes that wait for a lock: process, when the wait began, who blocks it; and where a prepared transaction does, the name
    /// of the only one that has the lock. Waits that deadlocks are not made of (for a file to be extended, a page, an insertion to be
    /// confirmed) end by themselves.
    static let lockWaits = """
        SELECT w.pid, w.waitstart::pg_catalog.text, pg_catalog.array_to_string(b.pids, ','),
               CASE WHEN 0 = ANY (b.pids) THEN (
                   SELECT pg_catalog.min(p.gid) FROM pg_catalog.pg_locks h
                       JOIN pg_catalog.pg_locks x ON x.virtualtransaction = h.virtualtransaction AND x.locktype = 'transactionid' AND x.granted AND x.pid IS NULL
                       JOIN pg_catalog.pg_prepared_xacts p ON p.transaction = x.transactionid
                   WHERE h.granted AND h.pid IS NULL AND h.locktype = w.locktype
                     AND (h.database, h.relation, h.page, h.tuple, h.virtualxid, h.transactionid, h.classid, h.objid, h.objsubid)
                         IS NOT DISTINCT FROM (w.database, w.relation, w.page, w.tuple, w.virtualxid, w.transactionid, w.classid, w.objid, w.objsubid)
                   HAVING pg_catalog.count(DISTINCT p.gid) = 1) END
        FROM pg_catalog.pg_locks w CROSS JOIN LATERAL (SELECT pg_catalog.pg_blocking_pids(w.pid) AS pids OFFSET 0) b
        WHERE NOT w.granted AND w.waitstart IS NOT NULL AND w.pid IS NOT NULL
          AND w.locktype NOT IN ('extend', 'page', 'speculative token', 'frozenid')
        """

    /// A commit that waits for the synchronous standbys, as all of the admin user's do.
    static let synchronousCommit = "SELECT pg_catalog.pg_logical_emit_message(true, 'pgbraid', '')"

    /// Writes an abort row unless there is a row, and answers the row's outcome.
    static func fenceAndRead(_ hash: TransactionHash, instance: String) -> String {
        """
        BEGIN; SET LOCAL lock_timeout TO '200ms';
        INSERT INTO pgbraid.decision (hash, outcome, instance) VALUES ('\(hash)', 'abort', \(quoteLiteral(instance))) ON CONFLICT DO NOTHING;
        SELECT outcome FROM pgbraid.decision WHERE hash = '\(hash)';
        SELECT pg_catalog.pg_logical_emit_message(true, 'pgbraid', ''); COMMIT
        """
    }

    static func delete(_ hash: TransactionHash, _ decision: Decision) -> String {
        "DELETE FROM pgbraid.decision WHERE hash = '\(hash)' AND outcome = '\(decision.rawValue)'"
    }

    static func forget(_ hashes: [TransactionHash]) -> String {
        let list = hashes.map { "'\($0)'" }.joined(separator: ",")
        return "SET LOCAL synchronous_commit TO off;DELETE FROM pgbraid.decision WHERE outcome = 'commit' AND hash IN (\(list))"
    }
}
