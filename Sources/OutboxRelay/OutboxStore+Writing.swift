// OutboxStore: marking events as sent or failed, and deleting old ones.
import DatabaseClient
import Primitives

extension OutboxStore {
    /// Marks events as sent.
    /// - Returns: how many were marked, and those that wait still, since others have locked their rows. What somebody else has marked, changed or
    ///   deleted is in neither.
    func markSent(_ marks: [EventMark]) throws -> (count: Int, locked: Set<Int64>) {
        let values: [String?] = [QuotedText.array(marks.map { "\($0.sequence)" }), QuotedText.array(marks.map { $0.id ?? "" })]
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

    /// Deletes some events that were sent long ago.
    /// - Returns: whether there may be more.
    public func deleteSent(olderThan age: Duration, atMost count: Int) throws -> Bool {
        let text = """
            DELETE FROM \(table) WHERE ctid = ANY (ARRAY(SELECT ctid FROM \(table) WHERE status = 'sent'
              AND processed_at < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $1::pg_catalog.float8) LIMIT \(count) FOR UPDATE SKIP LOCKED))
            """
        return try run(text, ["\(age.seconds)"]).rowCount == count
    }
}
