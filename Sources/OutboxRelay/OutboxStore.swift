// OutboxStore: the SQL of the relay on one shard, over a session of the proxy. Every statement names the shard and is a transaction of its own.
import DatabaseClient
import WireProtocol

/// How an outbox stands on a shard, and who relays it.
public struct ShardStatus: Sendable, Equatable {
    /// Events that wait, up to `OutboxStore.countedEvents`.
    public var pending = 0
    public var failed = 0
    /// Age of the oldest event that waits, in seconds.
    public var oldestSeconds = 0.0
    /// How long the oldest transaction that holds events up has been known.
    public var writerSeconds = 0.0
    /// Events sent by this relay since it began with the shard, and per second of late.
    public var sent = 0
    public var rate = 0.0
    /// What keeps events from being sent, at the moment.
    public var trouble: String?
}

/// Some events of a shard, in their order.
struct OutboxPage {
    var events: [OutboxEvent] = []
    /// Up to here everything was read.
    var end: Int64
    /// Which events have failed, as a text to compare: it changes when others fail, are tried again or are given up.
    var blocks: String
}

/// How many events wait and have failed, and the age of the oldest that waits.
struct OutboxFigures {
    var pending = 0
    var failed = 0
    var oldestSeconds = 0.0
}

public final class OutboxStore {
    /// Events that wait are counted up to here: counting a long queue would take longer than working it off.
    public static let countedEvents = 100_000

    /// Events of so many bytes together are read by one statement; a single one may be larger.
    static let batchBytes = 16 << 20
    /// How long the shard may count for the figures: behind rows that VACUUM may not clear away yet that takes long.
    private static let figuresLimit = Duration.seconds(2)

    /// Characters of `ShardStatus.trouble` that are told to others.
    private static let troubleLength = 500

    let connection: DatabaseConnection
    private let table: String
    private let shard: Int
    private let patience: Duration
    private let failureBlocks: Bool
    private let maximumEventBytes: Int
    private let lease: Duration

    /// - Parameter table: as SQL writes it.
    /// - Throws: ConnectionLost; DatabaseMessage where the proxy refuses the login.
    public init(_ settings: RelaySettings, shard: Int) throws {
        table = settings.table
        self.shard = shard
        patience = settings.patience
        failureBlocks = settings.delivery.failureBlocks
        maximumEventBytes = settings.maximumEventBytes
        lease = settings.lease
        connection = try DatabaseConnection(settings.proxy, nonce: Nonce.random())
        connection.deadline = .now + patience
        // Who waits for a lock of others must still be in time to renew the lease, which is due each third of it.
        try connection.execute("SET lock_timeout = '\(Self.milliseconds(lease / 4))'")
    }

    /// A time as settings take it.
    private static func milliseconds(_ time: Duration) -> String { "\(Int(time.seconds * 1000))ms" }

    private func run(_ text: String, _ values: [String?] = []) throws -> StatementResult {
        connection.deadline = .now + patience
        return try connection.execute("/* pgbraid: shard=\(shard) */ \(text)", values)
    }

    /// - Throws: RelayMistake for a table that lacks something on this shard; ConnectionLost, DatabaseMessage.
    func checkTable() throws {
        connection.deadline = .now + patience
        try OutboxTable.check(table, connection, shard: shard)
    }

    // MARK: Who relays

    /// Has the shard's events for this holder, for a time from now on the shard's clock; tells everybody how they stand.
    /// - Returns: whether nobody else has them.
    public func claim(_ holder: String, for lease: Duration, _ status: ShardStatus) throws -> Bool {
        let relation = "pg_catalog.to_regclass($1)::pg_catalog.oid"
        let values: [String?] = [
            table, holder, "\(lease.seconds)", "\(status.pending)", "\(status.failed)", "\(status.oldestSeconds)", "\(status.writerSeconds)", "\(status.sent)",
            "\(status.rate)", status.trouble.map { String($0.unicodeScalars.prefix(Self.troubleLength)) },
        ]
        let update = """
            UPDATE pgbraid.outbox SET holder = $2, lease_until = pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs => $3::pg_catalog.float8),
              pending = $4::pg_catalog.int8, failed = $5::pg_catalog.int8, oldest_seconds = $6::pg_catalog.float8, writer_seconds = $7::pg_catalog.float8,
              sent = $8::pg_catalog.int8, rate = $9::pg_catalog.float8, trouble = $10, told_at = pg_catalog.clock_timestamp()
            WHERE relation = \(relation) AND (holder = $2 OR lease_until < pg_catalog.clock_timestamp())
            """
        if try run(update, values).rowCount == 1 { return true }
        let insert = """
            INSERT INTO pgbraid.outbox (relation, holder, lease_until) SELECT \(relation), $2,
              pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs => $3::pg_catalog.float8)
            WHERE NOT EXISTS (SELECT FROM pgbraid.outbox WHERE relation = \(relation))
            """
        do {
            return try run(insert, Array(values.prefix(3))).rowCount == 1
        } catch let error as DatabaseMessage where error.sqlState == .uniqueViolation {
            return false
        }
    }

    /// Lets others have the shard's events at once.
    public func release(_ holder: String) throws {
        _ = try run("UPDATE pgbraid.outbox SET lease_until = '-infinity', rate = 0 WHERE holder = $1", [holder])
    }

    // MARK: Reading

    /// The newest event that waits and is visible, above a number; nil: there is none.
    public func newest(above sequence: Int64) throws -> Int64? {
        let text = "SELECT pg_catalog.max(sequence) FROM \(table) WHERE status = 'pending' AND sequence > $1::pg_catalog.int8"
        return try run(text, ["\(sequence)"]).rows.first?.first??.number
    }

    /// Who has the lock that inserting takes, and when the server was started.
    public func writers() throws -> (identifiers: Set<String>, serverStart: String) {
        let text = """
            SELECT pg_catalog.pg_postmaster_start_time(), pg_catalog.string_agg(DISTINCT virtualtransaction, ' ') FROM pg_catalog.pg_locks
            WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted AND relation = pg_catalog.to_regclass($1)::pg_catalog.oid
            """
        let row = try run(text, [table]).rows.first ?? [nil, nil]
        return (Set((row[1] ?? "").split(separator: " ").map(String.init)), row[0] ?? "")
    }

    private var blocksQuery: String {
        """
        SELECT pg_catalog.count(*)::pg_catalog.text || '/' || pg_catalog.sum(pg_catalog.hashint8extended(b.sequence, 0))::pg_catalog.text AS blocks
        FROM \(table) AS b WHERE b.status = 'failed'
        """
    }

    /// `OutboxPage.blocks` alone.
    func blocks() throws -> String { Self.blocks(try run(blocksQuery).rows.first) }

    private static func blocks(_ row: [String?]?) -> String { (row?.first ?? nil) ?? "none" }

    /// Events behind `after` up to `through` in their order, as many as the limits of number and bytes allow. Where failed events block their aggregates, the
    /// younger events of these are left out.
    ///
    /// A row that cannot be told to anybody, since it lacks something or is too large, comes with its flaw and without what is wrong with it.
    func events(after: Int64, through: Int64, limit: Int) throws -> OutboxPage {
        let rows = try run(eventsQuery(limit), ["\(after)", "\(through)", "\(maximumEventBytes)"]).rows
        var page = OutboxPage(end: through, blocks: Self.blocks(rows.first))
        var bytes = 0
        for row in rows {
            guard let sequence = row[1]?.number else { continue }
            page.events.append(OutboxEvent(row, sequence: sequence, maximumBytes: maximumEventBytes))
            bytes += row[8].flatMap { Int($0) } ?? 0
        }
        if let last = page.events.last, page.events.count >= limit || bytes >= Self.batchBytes { page.end = last.sequence }
        return page
    }

    /// There is one row at least, with what blocks. Texts are made of the data only for rows within the limits.
    private func eventsQuery(_ limit: Int) -> String {
        let blocked = """
             AND NOT EXISTS (SELECT FROM \(table) AS f WHERE f.status = 'failed' AND f.aggregate_id = e.aggregate_id AND f.sequence < e.sequence)
            """
        func text(_ column: String) -> String { "\(column)::pg_catalog.text" }
        func length(_ column: String) -> String { "COALESCE(pg_catalog.octet_length(\(text(column))), 0)::pg_catalog.int8" }
        func short(_ column: String) -> String { "CASE WHEN pg_catalog.octet_length(\(text(column))) <= $3::pg_catalog.int8 THEN \(text(column)) END" }
        return """
            SELECT b.blocks, r.sequence, \(short("r.event_id")), \(short("r.aggregate_id")), CASE WHEN r.bytes <= $3::pg_catalog.int8 THEN \(text("r.event_type")) END,
              CASE WHEN r.bytes <= $3::pg_catalog.int8 THEN \(text("r.event_data")) END, r.attempts,
              CASE WHEN pg_catalog.isfinite(r.created_at) THEN EXTRACT(epoch FROM r.created_at)::pg_catalog.int8 END, r.bytes
            FROM (\(blocksQuery)) AS b LEFT JOIN (
              SELECT q.*, pg_catalog.sum(q.bytes) OVER (ORDER BY q.sequence ROWS UNBOUNDED PRECEDING) - q.bytes AS bytes_before FROM (
                SELECT e.sequence, e.event_id, e.aggregate_id, e.event_type, e.event_data, e.attempts, e.created_at,
                  \(length("e.event_id")) + \(length("e.aggregate_id")) + \(length("e.event_type")) + \(length("e.event_data")) AS bytes
                FROM \(table) AS e
                WHERE e.status = 'pending' AND e.sequence > $1::pg_catalog.int8 AND e.sequence <= $2::pg_catalog.int8\(failureBlocks ? blocked : "")
                ORDER BY e.sequence LIMIT \(limit)) AS q
            ) AS r ON r.bytes_before < \(Self.batchBytes)
            ORDER BY r.sequence
            """
    }

    // MARK: Writing

    /// Marks events as sent.
    /// - Returns: how many were marked, and those that wait still, since others have locked their rows. What somebody else has marked, changed or
    ///   deleted is in neither.
    func markSent(_ marks: [EventMark]) throws -> (count: Int, locked: Set<Int64>) {
        let values: [String?] = [Self.array(marks.map { "\($0.sequence)" }), Self.array(marks.map { $0.id ?? "" })]
        let meant = """
            FROM \(table) AS o JOIN (SELECT ($1::pg_catalog.int8[])[i] AS sequence, ($2::pg_catalog.text[])[i] AS id
              FROM pg_catalog.generate_subscripts($1::pg_catalog.int8[], 1) AS i) AS d
              ON o.sequence = d.sequence AND o.event_id::pg_catalog.text = d.id WHERE o.status = 'pending'
            """
        let update = """
            UPDATE \(table) SET status = 'sent', processed_at = pg_catalog.clock_timestamp()
            WHERE ctid = ANY (ARRAY(SELECT o.ctid \(meant) FOR UPDATE OF o SKIP LOCKED))
            """
        let count = try run(update, values).rowCount
        guard count < marks.count else { return (count, []) }
        return (count, Set(try run("SELECT o.sequence \(meant)", values).rows.compactMap { $0[0]?.number }))
    }

    /// Stores that the broker has refused an event, or that it cannot be told to any.
    /// - Returns: whether it is stored, or the event is not pending any more; false: others have locked the row.
    /// - Throws: DatabaseMessage also for what an index or a constraint does not take; ConnectionLost.
    func store(_ refusal: EventRefusal) throws -> Bool {
        let meant = """
            FROM \(table) AS o WHERE o.status = 'pending' AND o.sequence = $1::pg_catalog.int8
              AND ($2::pg_catalog.text IS NULL OR o.event_id::pg_catalog.text = $2::pg_catalog.text)
            """
        let update = """
            UPDATE \(table) SET attempts = $3::pg_catalog.int4, reason = $4, status = CASE WHEN $5::pg_catalog.bool THEN 'failed' ELSE status END,
              processed_at = CASE WHEN $5::pg_catalog.bool THEN pg_catalog.clock_timestamp() END
            WHERE ctid = ANY (ARRAY(SELECT o.ctid \(meant) FOR UPDATE OF o SKIP LOCKED))
            """
        let mark: [String?] = ["\(refusal.mark.sequence)", refusal.mark.id]
        if try run(update, mark + ["\(refusal.attempts)", refusal.reason, refusal.isFinal ? "t" : "f"]).rowCount > 0 { return true }
        return try run("SELECT o.sequence \(meant)", mark).rows.isEmpty
    }

    /// An array as SQL writes it.
    private static func array(_ texts: [String]) -> String {
        "{\(texts.map { "\"\($0.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\"" }.joined(separator: ","))}"
    }

    /// Deletes some events that were sent long ago.
    /// - Returns: whether there may be more.
    public func deleteSent(olderThan age: Duration, atMost count: Int) throws -> Bool {
        let text = """
            DELETE FROM \(table) WHERE ctid = ANY (ARRAY(SELECT ctid FROM \(table) WHERE status = 'sent'
              AND processed_at < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $1::pg_catalog.float8) LIMIT \(count) FOR UPDATE SKIP LOCKED))
            """
        return try run(text, ["\(age.seconds)"]).rowCount == count
    }

    /// How the outbox stands. It has a time limit of its own.
    /// - Throws: DatabaseMessage, with the session ready again; ConnectionLost.
    func figures() throws -> OutboxFigures {
        let text = """
            SELECT (SELECT pg_catalog.count(*) FROM (SELECT FROM \(table) WHERE status = 'pending' LIMIT \(Self.countedEvents)) AS p),
              (SELECT pg_catalog.count(*) FROM (SELECT FROM \(table) WHERE status = 'failed' LIMIT \(Self.countedEvents)) AS f),
              (SELECT CASE WHEN pg_catalog.isfinite(created_at) THEN EXTRACT(epoch FROM pg_catalog.clock_timestamp() - created_at) END
               FROM \(table) WHERE status = 'pending' ORDER BY sequence LIMIT 1)
            """
        connection.deadline = .now + patience
        try connection.execute("BEGIN")
        do {
            // The shard is the first of the transaction: so the setting needs no other one, which may be down.
            _ = try run("SELECT 1")
            try connection.execute("SET LOCAL statement_timeout = '\(Self.milliseconds(min(Self.figuresLimit, lease / 4)))'")
            let row = try run(text).rows.first ?? [nil, nil, nil]
            try connection.execute("COMMIT")
            return OutboxFigures(
                pending: row[0].flatMap { Int($0) } ?? 0, failed: row[1].flatMap { Int($0) } ?? 0, oldestSeconds: max(0, row[2].flatMap { Double($0) } ?? 0))
        } catch let error as DatabaseMessage {
            try connection.execute("ROLLBACK")
            throw error
        }
    }
}

extension OutboxEvent {
    /// A row of `OutboxStore.events`.
    fileprivate init(_ row: [String?], sequence: Int64, maximumBytes: Int) {
        let bytes = row[8].flatMap { Int($0) } ?? 0
        var flaw: String?
        if bytes > maximumBytes {
            flaw = "it has \(bytes) bytes, and max_event_bytes is \(maximumBytes)"
        } else if let missing = zip(["event_id", "aggregate_id", "event_type"], row[2...4]).first(where: { $0.1 == nil }) {
            flaw = "\(missing.0) is NULL"
        }
        self.init(
            sequence: sequence, id: row[2], aggregate: row[3] ?? "", type: row[4] ?? "", data: row[5] ?? "", attempts: row[6].flatMap { Int($0) } ?? 0,
            createdAt: row[7]?.number ?? 0, flaw: flaw)
    }
}

extension String {
    fileprivate var number: Int64? { Int64(self) }
}

extension Duration {
    /// With a fraction.
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}

/// Random bytes for SCRAM.
enum Nonce {
    static func random() -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<18).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }
}
