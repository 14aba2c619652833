// InternalSchema: sequences that the shards share: the SQL by which each shard takes its part of the numbers.
//
// To the client a sequence starts at s and steps by d. On shard i of n it starts at s + i * d and steps by n * d, so that no
// two shards give the same number and none has to ask another. pgbraid.sequence keeps what the client defined. A statement
// that changes a sequence finds the client's definition restored, and afterwards each shard takes its part anew.
//
// Sequences that were made without the proxy are not in pgbraid.sequence and stay as they are. Those that a statement has
// made are told by their columns' rows in pg_attribute, which nothing changes later: the running transaction wrote them.
// The functions run with the rights of who calls them, so that PostgreSQL itself checks who may alter what.
import Primitives
import QueryPlanning

extension InternalSchema {
    static let sequences = """
        CREATE TABLE IF NOT EXISTS pgbraid.sequence (
            name regclass PRIMARY KEY, shard integer NOT NULL, shard_count integer NOT NULL, start_value bigint NOT NULL,
            increment_by bigint NOT NULL, min_value bigint NOT NULL, max_value bigint NOT NULL);
        DELETE FROM pgbraid.sequence AS s WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_sequence WHERE seqrelid = s.name);
        GRANT SELECT ON pgbraid.sequence TO PUBLIC;
        \(changedHere)
        \(recordSequence)
        \(takePart)
        \(restoreSequence)
        \(shareSequence)
        \(shareNewSequences)
        \(identitySequence)
        \(nextIdentity)
        \(restoreCopied)
        \(setSequence)
        """

    private static let header = "LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp"

    /// Whether the running transaction, or a subtransaction of it, wrote a visible row: its xmin is not committed yet.
    private static let changedHere = """
        CREATE OR REPLACE FUNCTION pgbraid.changed_here(change xid) RETURNS boolean \(header) AS $$
        DECLARE
            own CONSTANT bigint := pg_current_xact_id()::text::bigint;
            distance CONSTANT bigint := (change::text::bigint - own) & 4294967295;
        BEGIN
            IF change::text::bigint < 3 OR distance >= 2147483648 THEN RETURN false; END IF;
            RETURN pg_xact_status((own + distance)::text::xid8) = 'in progress';
        END $$;
        """

    /// Keeps what the client defined. Only who may alter the sequence has altered it in this transaction.
    private static let recordSequence = """
        CREATE OR REPLACE FUNCTION pgbraid.record_sequence(
            sequence regclass, shard integer, shard_count integer, start_value bigint, increment_by bigint, min_value bigint,
            max_value bigint) RETURNS void \(header) SECURITY DEFINER AS $$
        BEGIN
            IF NOT pgbraid.changed_here((SELECT xmin FROM pg_sequence WHERE seqrelid = $1)) THEN
                RAISE insufficient_privilege USING MESSAGE = 'the transaction has not altered the sequence';
            END IF;
            INSERT INTO pgbraid.sequence VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT ON CONSTRAINT sequence_pkey DO UPDATE
            SET (shard, shard_count, start_value, increment_by, min_value, max_value)
                = ROW (excluded.shard, excluded.shard_count, excluded.start_value, excluded.increment_by, excluded.min_value,
                    excluded.max_value);
        END $$;
        """

    /// From the client's definition, which is the sequence's own at this moment, to the shard's. A sequence that cycles goes on
    /// at its bound, so that the bound is the shard's too.
    private static let takePart = """
        CREATE OR REPLACE FUNCTION pgbraid.take_part(sequence regclass, next_number bigint, shard integer, shard_count integer)
            RETURNS void \(header) AS $$
        DECLARE
            client pg_sequence;
            farthest numeric;
            ahead bigint;
            bound text;
        BEGIN
            SELECT * INTO STRICT client FROM pg_sequence WHERE seqrelid = $1;
            farthest := client.seqincrement::numeric * ($4 - 1);
            IF client.seqstart + farthest NOT BETWEEN client.seqmin AND client.seqmax
                OR $2 + farthest NOT BETWEEN client.seqmin AND client.seqmax
                OR abs(client.seqincrement::numeric * $4) > 9223372036854775807 THEN
                RAISE feature_not_supported USING
                    MESSAGE = format('sequence "%s" has no number for each of the %s shards',
                        (SELECT relname FROM pg_class WHERE oid = $1), $4),
                    HINT = 'Widen MINVALUE and MAXVALUE, or make INCREMENT smaller.';
            END IF;
            ahead := client.seqincrement * $3;
            IF client.seqcycle THEN
                bound := CASE WHEN client.seqincrement > 0 THEN ' MINVALUE ' || client.seqmin + ahead
                    ELSE ' MAXVALUE ' || client.seqmax + ahead END;
            END IF;
            EXECUTE format('ALTER SEQUENCE %s INCREMENT BY %s START WITH %s%s%s', $1, client.seqincrement * $4,
                client.seqstart + ahead, bound, ' RESTART WITH ' || $2 + ahead);
            PERFORM pgbraid.record_sequence($1, $3, $4, client.seqstart, client.seqincrement, client.seqmin, client.seqmax);
        END $$;
        """

    /// Before a statement that alters the sequence. Of a sequence that is not the caller's the statement itself says so.
    private static let restoreSequence = """
        CREATE OR REPLACE FUNCTION pgbraid.restore_sequence(sequence regclass) RETURNS void \(header) AS $$
        DECLARE
            client pgbraid.sequence;
        BEGIN
            SELECT s.* INTO client FROM pgbraid.sequence AS s JOIN pg_class AS c ON c.oid = s.name
            WHERE s.name = $1 AND pg_has_role(c.relowner, 'USAGE');
            IF NOT FOUND THEN RETURN; END IF;
            EXECUTE format('ALTER SEQUENCE %s INCREMENT BY %s MINVALUE %s MAXVALUE %s START WITH %s', $1, client.increment_by,
                client.min_value, client.max_value, client.start_value);
        END $$;
        """

    /// After a statement that altered the sequence. How far the shards are differs, so that another increment without a new
    /// beginning would let them give the same numbers.
    private static let shareSequence = """
        CREATE OR REPLACE FUNCTION pgbraid.share_sequence(sequence regclass, restarts boolean, shard integer, shard_count integer)
            RETURNS void STRICT \(header) AS $$
        DECLARE
            former_increment bigint;
            next_number bigint;
        BEGIN
            SELECT s.increment_by INTO former_increment FROM pgbraid.sequence AS s WHERE s.name = $1;
            IF $2 THEN
                EXECUTE format('SELECT last_value FROM %s', $1) INTO next_number;
            ELSIF former_increment IS NULL THEN
                RETURN;
            ELSIF former_increment <> (SELECT seqincrement FROM pg_sequence WHERE seqrelid = $1) THEN
                RAISE feature_not_supported USING
                    MESSAGE = format('the increment of sequence "%s" cannot be changed while its numbers go on',
                        (SELECT relname FROM pg_class WHERE oid = $1)),
                    DETAIL = 'Each shard has come to another number.',
                    HINT = 'Say where they go on: add RESTART WITH to the statement.';
            END IF;
            PERFORM pgbraid.take_part($1, next_number, $3, $4);
        END $$;
        """

    /// After a statement that may have made sequences. One that was used at once has numbered a table's rows, on every shard
    /// from the same number on.
    private static let shareNewSequences = """
        CREATE OR REPLACE FUNCTION pgbraid.share_new_sequences(shard integer, shard_count integer) RETURNS void \(header) AS $$
        DECLARE
            made record;
            was_used boolean;
        BEGIN
            FOR made IN
                WITH recent AS MATERIALIZED (
                    SELECT c.oid FROM pg_class AS c
                    WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND pgbraid.changed_here(c.xmin))
                SELECT r.oid::regclass AS sequence, d.refobjid::regclass AS owner, q.seqstart
                FROM recent AS r JOIN pg_sequence AS q ON q.seqrelid = r.oid
                    JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attnum = 1 AND pgbraid.changed_here(a.xmin)
                    LEFT JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = r.oid
                        AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
                WHERE NOT EXISTS (SELECT FROM pgbraid.sequence AS s WHERE s.name = r.oid AND pgbraid.changed_here(s.xmin))
                    AND NOT EXISTS (SELECT FROM pg_depend AS e WHERE e.classid = 'pg_class'::regclass AND e.objid = r.oid
                        AND e.deptype = 'e')
            LOOP
                EXECUTE format('SELECT is_called FROM %s', made.sequence) INTO was_used;
                IF was_used THEN
                    RAISE feature_not_supported USING
                        MESSAGE = format('ADD COLUMN would give the rows of table "%s" values that no single server gives',
                            (SELECT relname FROM pg_class WHERE oid = made.owner)),
                        HINT = 'Add the column without a default, '
                            'SET DEFAULT nextval(...) of a sequence, then UPDATE ... SET column = DEFAULT.';
                END IF;
                PERFORM pgbraid.take_part(made.sequence, made.seqstart, $1, $2);
            END LOOP;
        END $$;
        """

    /// Between a CREATE TABLE (LIKE ...), whose identity columns got the definitions of the shard's sequences, and the taking of its parts.
    private static let restoreCopied = """
        CREATE OR REPLACE FUNCTION pgbraid.restore_copied(copy regclass, source regclass) RETURNS void STRICT \(header) AS $$
        DECLARE
            made record;
        BEGIN
            FOR made IN
                SELECT d.objid::regclass AS sequence, s.increment_by, s.min_value, s.max_value, s.start_value
                FROM pg_depend AS d JOIN pg_attribute AS c ON c.attrelid = d.refobjid AND c.attnum = d.refobjsubid
                    JOIN pg_attribute AS a ON a.attrelid = d.objid AND a.attnum = 1 AND pgbraid.changed_here(a.xmin)
                    JOIN pgbraid.sequence AS s ON s.name = pgbraid.identity_sequence($2, c.attname)
                WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.deptype = 'i'
                    AND NOT EXISTS (SELECT FROM pgbraid.sequence AS o WHERE o.name = d.objid AND pgbraid.changed_here(o.xmin))
            LOOP
                EXECUTE format('ALTER SEQUENCE %s INCREMENT BY %s MINVALUE %s MAXVALUE %s START WITH %s', made.sequence,
                    made.increment_by, made.min_value, made.max_value, made.start_value);
            END LOOP;
        END $$;
        """

    /// setval of what the client sees as one sequence. The number before the shard's next one is set as its last, so that the
    /// last of all shards' is what the client has set; where there is none before it, the next one. A shard whose part has no
    /// number left gives none, or begins anew. What PostgreSQL tells of its caches while it runs is not the client's.
    private static let setSequence = """
        CREATE OR REPLACE FUNCTION pgbraid.setval(sequence regclass, value bigint, was_given boolean DEFAULT true) RETURNS bigint
            STRICT \(header) SET client_min_messages = notice AS $$
        DECLARE
            client pgbraid.sequence;
            own pg_sequence;
            next_number numeric;
            last_number numeric;
        BEGIN
            SELECT * INTO client FROM pgbraid.sequence AS s WHERE s.name = $1;
            IF NOT FOUND THEN RETURN setval($1, $2, $3); END IF;
            IF $2 NOT BETWEEN client.min_value AND client.max_value THEN
                RAISE numeric_value_out_of_range USING
                    MESSAGE = format('setval: value %s is out of bounds for sequence "%s" (%s..%s)',
                    $2, (SELECT relname FROM pg_class WHERE oid = $1), client.min_value, client.max_value);
            END IF;
            SELECT * INTO STRICT own FROM pg_sequence WHERE seqrelid = $1;
            next_number := $2 + client.increment_by::numeric * (client.shard + CASE WHEN $3 THEN 1 ELSE 0 END);
            last_number := next_number - own.seqincrement;
            IF last_number BETWEEN own.seqmin AND own.seqmax AND ($3 OR next_number NOT BETWEEN own.seqmin AND own.seqmax) THEN
                PERFORM setval($1, last_number::bigint, true);
            ELSIF next_number BETWEEN own.seqmin AND own.seqmax THEN
                PERFORM setval($1, next_number::bigint, false);
            ELSE
                PERFORM setval($1, CASE WHEN own.seqincrement > 0 THEN own.seqmax ELSE own.seqmin END, true);
            END IF;
            RETURN $2;
        END $$;
        """

    private static let identitySequence = """
        CREATE OR REPLACE FUNCTION pgbraid.identity_sequence(owner regclass, column_name text) RETURNS regclass
            LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
            SELECT d.objid::regclass
            FROM pg_depend AS d JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
            WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND a.attname = $2
                AND d.deptype = 'i'
            $$;
        """

    /// The next number of an identity column for an INSERT, which PostgreSQL gives to whoever may insert. Within the function the
    /// client's role is what SET ROLE has said, or who logged in.
    private static let nextIdentity = """
        CREATE OR REPLACE FUNCTION pgbraid.next_identity(owner regclass, column_name text) RETURNS bigint \(header) SECURITY DEFINER AS $$
        BEGIN
            IF NOT has_any_column_privilege(coalesce(nullif(current_setting('role'), 'none')::name, session_user), $1, 'INSERT') THEN
                RAISE insufficient_privilege USING
                    MESSAGE = format('permission denied for table %s', (SELECT relname FROM pg_class WHERE oid = $1));
            END IF;
            RETURN nextval(pgbraid.identity_sequence($1, $2));
        END $$;
        """

    /// To be run before a statement that changes these sequences; nil: nothing.
    static func restore(_ change: SequenceChange) -> String? {
        guard !change.altered.isEmpty else { return nil }
        return change.altered.map { "SELECT pgbraid.restore_sequence(\($0.sequence))" }.joined(separator: ";")
    }

    /// To be run after a statement that made or changed sequences.
    static func share(_ change: SequenceChange, shard: ShardIndex, shardCount: Int) -> String {
        let altered = change.altered.map {
            "SELECT pgbraid.share_sequence(\($0.sequence), \($0.restarts), \(shard.int), \(shardCount));"
        }
        let copied = change.copied.map { "SELECT pgbraid.restore_copied(\($0.table), \($0.source));" }
        return altered.joined() + copied.joined() + "SELECT pgbraid.share_new_sequences(\(shard.int), \(shardCount))"
    }
}
