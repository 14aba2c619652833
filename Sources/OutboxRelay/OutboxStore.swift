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

/// How many events wait and have failed, and the age of the oldest that waits.
struct OutboxFigures {
    var pending = 0
    var failed = 0
    var oldestSeconds = 0.0
}

public final class OutboxStore {
    /// Events that wait are counted up to here: counting a long queue would take longer than working it off.
    public static let countedEvents = 100_000

    /// How long the shard may count for the figures: behind rows that VACUUM may not clear away yet that takes long.
    private static let figuresLimit = Duration.seconds(2)

    /// Characters of `ShardStatus.trouble` that are told to others.
    private static let troubleLength = 500

    let connection: DatabaseConnection
    /// As SQL writes it.
    let table: String
    private let shard: Int
    private let patience: Duration
    let failureBlocks: Bool
    let maximumEventBytes: Int
    private let lease: Duration

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

    func run(_ text: String, _ values: [String?] = []) throws -> StatementResult {
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

    // MARK: Figures

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
