// KeyForgetting: the statements by which one shard forgets idempotency keys, each bounded.
//
// A key is forgotten in three steps: it is marked as one that is being forgotten, which claims are told; then the rows of its statements go, a bounded number
// at a time, as any role can store many; and its claim last, so that what is left of a key can never be taken for a request. Whoever is interrupted
// leaves the rest to the next visit. Keys that cannot be deleted are passed over one by one.
import DatabaseClient
import WireProtocol

struct KeyForgetting {
    /// Keys, or rows of them, that one statement changes.
    static let keysAtATime = 500
    static let rowsAtATime = 2000
    private let shard: Int
    private let lifetime: String
    private let connection: DatabaseConnection

    init(shard: Int, lifetimeSeconds: Double, connection: DatabaseConnection) {
        self.shard = shard
        lifetime = "\(lifetimeSeconds)"
        self.connection = connection
    }

    /// A claim's place in the order in which they are looked at.
    private struct Position {
        var begunAt = "-infinity"
        var key = ""
        var owner = "0"

        var values: [String?] { [begunAt, key, owner] }

        init() {}

        /// nil for what is no row of `expired`.
        init?(row: [String?]) {
            guard row.count == 3, let begunAt = row[0], let key = row[1], let owner = row[2] else { return nil }
            self.begunAt = begunAt
            self.key = key
            self.owner = owner
        }
    }

    /// Hears of keys that stay.
    typealias Report = (DatabaseMessage) -> Void

    /// Marks what has been committed since the last visit.
    /// - Throws: ConnectionLost, DatabaseMessage, as all here.
    func mark(_ report: Report) throws { while try run(Self.unseen).rowCount >= Self.keysAtATime {} }

    /// Forgets the keys that were marked a lifetime ago.
    func forgetExpired(_ report: Report) throws {
        var position = Position()
        while true {
            let found = try run(Self.expired, [lifetime] + position.values).rows.compactMap(Position.init(row:))
            guard let last = found.last else { return }
            try forgetEach(from: position, through: found, report)
            guard found.count >= Self.keysAtATime else { return }
            position = last
        }
    }

    /// Rows that somebody has inserted by hand, without a claim.
    func forgetUnclaimed(_ report: Report) throws { while try run(Self.unclaimed, [lifetime]).rowCount >= Self.rowsAtATime {} }

    /// Forgets all keys of a range, or else each that can be.
    private func forgetEach(from lower: Position, through keys: [Position], _ report: Report) throws {
        guard let last = keys.last else { return }
        do {
            try forgetAll(from: lower, through: last)
        } catch let message as DatabaseMessage {
            guard keys.count > 1 else { return report(message) }
            var before = lower
            for key in keys {
                try forgetEach(from: before, through: [key], report)
                before = key
            }
        }
    }

    private func forgetAll(from lower: Position, through upper: Position) throws {
        let values = [lifetime] + lower.values + upper.values
        try run(Self.forgotten, values)
        while try run(Self.rows, values).rowCount >= Self.rowsAtATime {}
        try run(Self.claims, values)
    }

    @discardableResult
    private func run(_ text: String, _ values: [String?] = []) throws -> StatementResult { try connection.execute("/* pgbraid: shard=\(shard) */ \(text)", values) }

    // MARK: Statements

    private static let unseen = """
        UPDATE pgbraid.idempotency SET seen_at = pg_catalog.now() WHERE (key, owner, number) IN (SELECT key, owner, number FROM pgbraid.idempotency
          WHERE number = 0 AND seen_at IS NULL ORDER BY begun_at LIMIT \(keysAtATime) FOR UPDATE SKIP LOCKED)
        """

    private static let end = "pg_catalog.now() - pg_catalog.make_interval(secs => $1::pg_catalog.float8)"
    /// A key is seen when it has begun, or later.
    private static let isOver = "c.number = 0 AND c.seen_at < \(end) AND c.begun_at < \(end)"
    private static let isBehind = "(c.begun_at, c.key, c.owner) > ($2::pg_catalog.timestamptz, $3::pg_catalog.text, $4::pg_catalog.oid)"
    private static let isWithin = "\(isBehind) AND (c.begun_at, c.key, c.owner) <= ($5::pg_catalog.timestamptz, $6::pg_catalog.text, $7::pg_catalog.oid)"

    private static let expired = """
        SELECT c.begun_at, c.key, c.owner FROM pgbraid.idempotency AS c WHERE \(isOver) AND \(isBehind) ORDER BY c.begun_at, c.key, c.owner LIMIT \(keysAtATime)
        """

    private static let forgotten = """
        UPDATE pgbraid.idempotency SET seen_at = '-infinity' WHERE (key, owner, number) IN (SELECT c.key, c.owner, c.number FROM pgbraid.idempotency AS c
          WHERE \(isOver) AND \(isWithin) AND c.seen_at > '-infinity' FOR UPDATE SKIP LOCKED)
        """

    private static let rows = """
        DELETE FROM pgbraid.idempotency WHERE (key, owner, number) IN (SELECT i.key, i.owner, i.number
          FROM pgbraid.idempotency AS c JOIN pgbraid.idempotency AS i ON i.key = c.key AND i.owner = c.owner
          WHERE \(isOver) AND \(isWithin) AND c.seen_at = '-infinity' AND i.number > 0 LIMIT \(rowsAtATime) FOR UPDATE OF i SKIP LOCKED)
        """

    private static let claims = """
        DELETE FROM pgbraid.idempotency WHERE (key, owner, number) IN (SELECT c.key, c.owner, c.number FROM pgbraid.idempotency AS c
          WHERE \(isOver) AND \(isWithin) AND c.seen_at = '-infinity'
            AND NOT EXISTS (SELECT FROM pgbraid.idempotency AS i WHERE i.key = c.key AND i.owner = c.owner AND i.number > 0) FOR UPDATE SKIP LOCKED)
        """

    private static let unclaimed = """
        DELETE FROM pgbraid.idempotency WHERE (key, owner, number) IN (SELECT i.key, i.owner, i.number FROM pgbraid.idempotency AS i
          WHERE i.number > 0 AND i.begun_at < \(end)
            AND NOT EXISTS (SELECT FROM pgbraid.idempotency AS c WHERE c.key = i.key AND c.owner = i.owner AND c.number = 0)
          LIMIT \(rowsAtATime) FOR UPDATE SKIP LOCKED)
        """
}
