// OutboxStore: reading events, and what tells how far they may be read.
import DatabaseClient
import Primitives

/// Some events of a shard, in their order.
struct OutboxPage {
    var events: [OutboxEvent] = []
    /// Up to here everything was read.
    var end: Int64
    var condition: OutboxCondition
}

/// What was read of a table holds while this stays as it is. Texts to compare.
struct OutboxCondition: Equatable {
    /// Which events have failed: it changes when others fail, are tried again or are given up.
    var blocks: String
    /// Which file the sequence lies in that numbers are drawn from. PostgreSQL makes another one when they begin anew (ALTER SEQUENCE ... RESTART,
    /// TRUNCATE ... RESTART IDENTITY).
    var numbering: String

    fileprivate init(blocks: String?, numbering: String?) {
        self.blocks = blocks ?? "none"
        self.numbering = numbering ?? "none"
    }
}

extension OutboxStore {
    /// Events of so many bytes together are read by one statement; a single one may be larger.
    static let batchBytes = 16 << 20

    /// The newest event that waits and is visible, above a number; nil: there is none.
    public func newest(above sequence: Int64) throws -> Int64? {
        let text = "SELECT pg_catalog.max(sequence) FROM \(table) WHERE status = 'pending' AND sequence > $1::pg_catalog.int8"
        return try run(text, ["\(sequence)"]).rows.first?.first??.number
    }

    /// Who has the lock that inserting takes, when the server was started, and `OutboxCondition.numbering`.
    func writers() throws -> (identifiers: Set<String>, serverStart: String, numbering: String) {
        let text = """
            SELECT pg_catalog.pg_postmaster_start_time(), pg_catalog.string_agg(DISTINCT virtualtransaction, ' '), \(numbering) FROM pg_catalog.pg_locks
            WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted AND relation = pg_catalog.to_regclass($1)::pg_catalog.oid
            """
        let row = try run(text, [table]).rows.first ?? [nil, nil, nil]
        let condition = OutboxCondition(blocks: nil, numbering: row[2])
        return (Set((row[1] ?? "").split(separator: " ").map(String.init)), row[0] ?? "", condition.numbering)
    }

    /// Functions alone: the proxy joins no catalogs with tables of clients.
    private var numbering: String {
        let sequence = "pg_catalog.pg_get_serial_sequence(\(QuotedText.literal(table)), 'sequence')"
        return "pg_catalog.pg_relation_filenode(pg_catalog.to_regclass(\(sequence)))::pg_catalog.text"
    }

    private var conditionQuery: String {
        """
        SELECT pg_catalog.count(*)::pg_catalog.text || '/' || pg_catalog.sum(pg_catalog.hashint8extended(b.sequence, 0))::pg_catalog.text AS blocks,
          \(numbering) AS numbering
        FROM \(table) AS b WHERE b.status = 'failed'
        """
    }

    /// `OutboxPage.condition` alone.
    func condition() throws -> OutboxCondition {
        let row = try run(conditionQuery).rows.first ?? [nil, nil]
        return OutboxCondition(blocks: row[0], numbering: row[1])
    }

    /// Events behind `after` up to `through` in their order, as many as the limits of number and bytes allow. Where failed events block their aggregates, the
    /// younger events of these are left out.
    ///
    /// A row that cannot be told to anybody, since it lacks something or is too large, comes with its flaw and without what is wrong with it.
    func events(after: Int64, through: Int64, limit: Int) throws -> OutboxPage {
        let rows = try run(eventsQuery(limit), ["\(after)", "\(through)", "\(maximumEventBytes)"]).rows
        var page = OutboxPage(end: through, condition: OutboxCondition(blocks: rows.first?[0], numbering: rows.first?[9]))
        var bytes = 0
        for row in rows {
            guard let sequence = row[1]?.number else { continue }
            page.events.append(OutboxEvent(row, sequence: sequence, maximumBytes: maximumEventBytes))
            bytes += row[8].flatMap { Int($0) } ?? 0
        }
        if let last = page.events.last, page.events.count >= limit || bytes >= Self.batchBytes { page.end = last.sequence }
        return page
    }

    /// There is one row at least, with the table's condition. Texts are made of the data only for rows within the limits.
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
              CASE WHEN pg_catalog.isfinite(r.created_at) THEN EXTRACT(epoch FROM r.created_at)::pg_catalog.int8 END, r.bytes, b.numbering
            FROM (\(conditionQuery)) AS b LEFT JOIN (
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
    var number: Int64? { Int64(self) }
}
