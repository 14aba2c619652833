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

public final class OutboxStore {
    /// Events that wait are counted up to here: counting a long queue would take longer than working it off.
    public static let countedEvents = 100_000

    /// Characters of `ShardStatus.trouble` that are told to others.
    private static let troubleLength = 500

    let connection: DatabaseConnection
    private let table: String
    private let shard: Int
    private let patience: Duration
    private let failureBlocks: Bool

    /// - Parameter table: as SQL writes it.
    /// - Throws: ConnectionLost; DatabaseMessage where the proxy refuses the login.
    public init(_ settings: RelaySettings, shard: Int) throws {
        table = settings.table
        self.shard = shard
        patience = settings.patience
        failureBlocks = settings.delivery.failureBlocks
        connection = try DatabaseConnection(settings.proxy, nonce: Nonce.random())
    }

    private func run(_ text: String, _ values: [String?] = []) throws -> StatementResult {
        connection.deadline = .now + patience
        return try connection.execute("/* pgbraid: shard=\(shard) */ \(text)", values)
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

    /// The newest event that waits and is visible; nil: there is none.
    public func newest() throws -> Int64? {
        try run("SELECT pg_catalog.max(sequence) FROM \(table) WHERE status = 'pending'").rows.first?.first??.number
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

    /// Events behind `after` up to `through` in their order; and what tells whether others have failed, been tried again or given up since: of whom
    /// failed events block the aggregate.
    /// - Returns: no blocks where there are no events.
    public func events(after: Int64, through: Int64, limit: Int) throws -> (events: [OutboxEvent], blocks: String?) {
        let blocked = """
             AND NOT EXISTS (SELECT FROM \(table) AS f WHERE f.status = 'failed' AND f.aggregate_id = e.aggregate_id AND f.sequence < e.sequence)
            """
        let text = """
            SELECT e.sequence, e.event_id, e.aggregate_id, e.event_type, e.event_data, e.attempts, EXTRACT(epoch FROM e.created_at)::pg_catalog.int8,
              (SELECT pg_catalog.count(*)::pg_catalog.text || '/' || pg_catalog.sum(pg_catalog.hashint8extended(b.sequence, 0))::pg_catalog.text
               FROM \(table) AS b WHERE b.status = 'failed')
            FROM \(table) AS e WHERE e.status = 'pending' AND e.sequence > $1::pg_catalog.int8 AND e.sequence <= $2::pg_catalog.int8\(failureBlocks ? blocked : "")
            ORDER BY e.sequence LIMIT \(limit)
            """
        let rows = try run(text, ["\(after)", "\(through)"]).rows
        return (rows.compactMap(OutboxEvent.init), rows.first.map { $0[7] ?? "none" })
    }

    // MARK: Writing

    public func markSent(_ sequences: [Int64]) throws {
        let text = "UPDATE \(table) SET status = 'sent', processed_at = pg_catalog.clock_timestamp() WHERE status = 'pending' AND sequence = ANY ($1::pg_catalog.int8[])"
        _ = try run(text, ["{\(sequences.map(String.init).joined(separator: ","))}"])
    }

    /// Stores that the broker has refused an event.
    public func store(_ refusal: EventRefusal) throws {
        let text = """
            UPDATE \(table) SET attempts = $2::pg_catalog.int4, reason = $3, status = CASE WHEN $4::pg_catalog.bool THEN 'failed' ELSE status END,
              processed_at = CASE WHEN $4::pg_catalog.bool THEN pg_catalog.clock_timestamp() END
            WHERE status = 'pending' AND sequence = $1::pg_catalog.int8
            """
        _ = try run(text, ["\(refusal.sequence)", "\(refusal.attempts)", refusal.reason, refusal.isFinal ? "t" : "f"])
    }

    /// Deletes some events that were sent long ago.
    /// - Returns: whether there may be more.
    public func deleteSent(olderThan age: Duration, atMost count: Int) throws -> Bool {
        let text = """
            DELETE FROM \(table) WHERE ctid = ANY (ARRAY(SELECT ctid FROM \(table) WHERE status = 'sent'
              AND processed_at < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $1::pg_catalog.float8) LIMIT \(count)))
            """
        return try run(text, ["\(age.seconds)"]).rowCount == count
    }

    /// How many events wait and have failed, and the age of the oldest that waits.
    public func figures() throws -> (pending: Int, failed: Int, oldestSeconds: Double) {
        let text = """
            SELECT (SELECT pg_catalog.count(*) FROM (SELECT FROM \(table) WHERE status = 'pending' LIMIT \(Self.countedEvents)) AS p),
              (SELECT pg_catalog.count(*) FROM (SELECT FROM \(table) WHERE status = 'failed' LIMIT \(Self.countedEvents)) AS f),
              (SELECT EXTRACT(epoch FROM pg_catalog.clock_timestamp() - created_at) FROM \(table) WHERE status = 'pending' ORDER BY sequence LIMIT 1)
            """
        let row = try run(text).rows.first ?? [nil, nil, nil]
        return (row[0].flatMap { Int($0) } ?? 0, row[1].flatMap { Int($0) } ?? 0, max(0, row[2].flatMap { Double($0) } ?? 0))
    }
}

extension OutboxEvent {
    /// A row of `OutboxStore.events`.
    fileprivate init?(_ row: [String?]) {
        guard let sequence = row[0]?.number, let id = row[1], let aggregate = row[2], let type = row[3] else { return nil }
        self.init(
            sequence: sequence, id: id, aggregate: aggregate, type: type, data: row[4] ?? "", attempts: row[5].flatMap { Int($0) } ?? 0,
            createdAt: row[6]?.number ?? 0)
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
