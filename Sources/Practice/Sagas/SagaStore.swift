// SagaStore: the SQL of the runner, over a session of the proxy's own role, on one shard after the other (`InternalSchema+Sagas` has what it
// works on). A shard that is down keeps its own sagas waiting and nobody else's.
import DatabaseClient

/// A saga that nobody else works on before the claim is over.
struct ClaimedSaga: Equatable {
    var shard: Int
    var name: String
    var id: String
    var attempts: Int
    /// To be undone; else its script is to be carried out.
    var isUndoing: Bool
    /// The OID that the role whose it is has on the shard.
    var owner: String
}

/// A step that is to be undone.
struct JournalledStep: Equatable {
    var shard: Int
    /// On its shard.
    var id: Int
    /// In the saga.
    var number: Int
    var name: String
    /// The OID that the role that made it has on the shard.
    var owner: String
}

/// A step of a script, which is not made yet.
struct ScriptStep: Equatable {
    /// From 0.
    var number: Int
    /// nil: it is behind the last one.
    var work: String?
    var undo: String?
    /// The OID that the role whose saga it is has on the saga's shard.
    var owner: String
    var searchPath: String
    /// The saga's time is over.
    var isOverdue: Bool
}

struct SagaStore {
    let connection: DatabaseConnection
    let shardCount: Int

    /// Rows that one statement changes.
    private static let batchRows = 500

    /// Sagas of a shard whose time is over are to be undone from now on; those that somebody holds, later.
    func abortOverdue(on shard: Int) throws {
        try connection.execute(
            Self.on(
                shard,
                """
                UPDATE pgbraid.saga SET state = 'undoing', reason = 'timed out', retry_at = pg_catalog.clock_timestamp()
                WHERE name IN (SELECT name FROM pgbraid.saga WHERE state = 'running' AND deadline < pg_catalog.clock_timestamp()
                  ORDER BY deadline LIMIT \(Self.batchRows) FOR UPDATE SKIP LOCKED)
                """))
    }

    /// What there is to work on: sagas to undo, and scripts to carry out.
    private static let isOpen = "(state = 'undoing' OR state = 'running' AND script IS NOT NULL)"

    /// Whether sagas of a shard wait to be worked on, and whether the time of any is over.
    func look(on shard: Int) throws -> (isDue: Bool, isOverdue: Bool) {
        let text = """
            SELECT EXISTS (SELECT FROM pgbraid.saga WHERE \(Self.isOpen) AND retry_at <= pg_catalog.clock_timestamp()),
              EXISTS (SELECT FROM pgbraid.saga WHERE state = 'running' AND deadline < pg_catalog.clock_timestamp())
            """
        let row = try connection.execute(Self.on(shard, text)).first?.rows.first
        return (row?[0] == "t", row?[1] == "t")
    }

    /// Claims the saga of a shard that is due for the longest time; nil: there is none. Nothing stays open: a claim is over by time, and what
    /// two do at once is done once, since a step is marked in the transaction that undoes it.
    /// - Parameter otherThan: the OID of a role whose sagas come behind those of others: it had its turn.
    func claim(on shard: Int, seconds: Int, otherThan owner: String?) throws -> ClaimedSaga? {
        let text = """
            UPDATE pgbraid.saga SET retry_at = pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs => \(seconds))
            WHERE name = (SELECT name FROM pgbraid.saga WHERE \(Self.isOpen) AND retry_at <= pg_catalog.clock_timestamp()
              ORDER BY (owner = \(owner.flatMap { UInt32($0) } ?? 0)), retry_at LIMIT 1 FOR UPDATE SKIP LOCKED)
            RETURNING name, id, attempts, state, owner
            """
        guard let row = try connection.execute(Self.on(shard, text)).first?.rows.first, let name = row[0], let id = row[1],
            let attempts = row[2].flatMap({ Int($0) })
        else { return nil }
        return ClaimedSaga(shard: shard, name: name, id: id, attempts: attempts, isUndoing: row[3] == "undoing", owner: row[4] ?? "")
    }

    /// Goes on with a claim.
    func renew(_ saga: ClaimedSaga, seconds: Int) throws {
        let text = """
            UPDATE pgbraid.saga SET retry_at = pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs => \(seconds))
            WHERE id = $1::pg_catalog.uuid AND \(Self.isOpen)
            """
        try connection.execute(Self.on(saga.shard, text), [saga.id])
    }

    /// What stands in a reason between why a saga is undone and what keeps it from being so.
    private static let butNotYet = "; not undone yet: "
    private static let cause = "pg_catalog.split_part(reason, '\(butNotYet)', 1)"

    /// What kept it from being undone is over: its reason is the cause again.
    func compensated(_ saga: ClaimedSaga) throws {
        let text = "UPDATE pgbraid.saga SET state = 'compensated', reason = \(Self.cause) WHERE id = $1::pg_catalog.uuid AND state = 'undoing'"
        try connection.execute(Self.on(saga.shard, text), [saga.id])
    }

    /// Stores why a claimed saga is not undone, or carried out, yet. Why it is undone at all stays in front.
    /// - Parameter isStuck: nobody tries again unasked.
    func postponed(_ saga: ClaimedSaga, reason: String, attempts: Int, delayMilliseconds: Int, isStuck: Bool) throws {
        let text = """
            UPDATE pgbraid.saga SET state = CASE WHEN $2::pg_catalog.bool THEN 'stuck' ELSE state END,
              reason = CASE state WHEN 'undoing' THEN coalesce(pg_catalog.left(\(Self.cause), 1000), '') || '\(Self.butNotYet)' ELSE '' END || pg_catalog.left($3, 1000),
              attempts = $4::pg_catalog.int4, retry_at = pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs => $5::pg_catalog.float8 / 1000)
            WHERE id = $1::pg_catalog.uuid AND \(Self.isOpen)
            """
        try connection.execute(Self.on(saga.shard, text), [saga.id, isStuck ? "t" : "f", reason, "\(attempts)", "\(delayMilliseconds)"])
    }

    /// Gives a claim back: others have their turn.
    func released(_ saga: ClaimedSaga) throws { try renew(saga, seconds: 0) }

    /// The step of a script that comes next; nil: the saga does not run any more.
    func nextStep(of saga: ClaimedSaga) throws -> ScriptStep? {
        let text = """
            SELECT steps_done, script -> steps_done ->> 'do', script -> steps_done ->> 'undo', owner, search_path,
              deadline < pg_catalog.clock_timestamp() FROM pgbraid.saga
            WHERE id = $1::pg_catalog.uuid AND state = 'running' AND script IS NOT NULL
            """
        guard let row = try connection.execute(Self.on(saga.shard, text), [saga.id]).rows.first, let number = row[0].flatMap({ Int($0) }), let owner = row[3],
            let path = row[4]
        else { return nil }
        return ScriptStep(number: number, work: row[1], undo: row[2], owner: owner, searchPath: path, isOverdue: row[5] == "t")
    }

    /// All steps of a script are made.
    func completed(_ saga: ClaimedSaga) throws {
        try connection.execute(
            Self.on(
                saga.shard,
                "UPDATE pgbraid.saga SET state = 'completed' WHERE id = $1::pg_catalog.uuid AND state = 'running' AND steps_done >= pg_catalog.jsonb_array_length(script)"),
            [saga.id])
    }

    /// A step of a script cannot be made.
    func aborted(_ saga: ClaimedSaga, reason: String) throws {
        try connection.execute(
            Self.on(saga.shard, "UPDATE pgbraid.saga SET state = 'undoing', reason = pg_catalog.left($2, 1000) WHERE id = $1::pg_catalog.uuid AND state = 'running'"), [saga.id, reason])
    }

    /// The role of an OID of a shard; nil: it has been dropped.
    func role(_ identifier: String, on shard: Int) throws -> String? {
        try connection.execute(Self.on(shard, "SELECT rolname FROM pg_catalog.pg_roles WHERE oid = $1::pg_catalog.oid"), [identifier]).rows.first?.first ?? nil
    }

    static func on(_ shard: Int, _ text: String) -> String { "/* pgbraid: shard=\(shard) */ \(text)" }
}
