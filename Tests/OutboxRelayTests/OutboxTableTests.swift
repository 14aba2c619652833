// What the relay says of outbox tables that lack something.
import Testing

@testable import OutboxRelay

@Suite("outbox table")
struct OutboxTableTests {
    private func rows(_ change: (inout [[String?]]) -> Void = { _ in }) -> [[String?]] {
        let columns = [
            ("sequence", "bigint"), ("event_id", "uuid"), ("aggregate_id", "text"), ("event_type", "text"), ("event_data", "jsonb"), ("status", "text"), ("attempts", "integer"),
            ("reason", "text"), ("created_at", "timestamp with time zone"), ("processed_at", "timestamp with time zone"),
        ]
        var rows: [[String?]] = columns.map { ["r", $0.0, $0.1, $0.0 == "sequence" ? "a" : "", "1", "t", "f", "t", "t", "t"] }
        change(&rows)
        return rows
    }

    private func mistake(_ rows: [[String?]]) -> String? {
        do throws(RelayMistake) {
            try OutboxTable.check("t", rows)
            return nil
        } catch { return error.message }
    }

    @Test("what is missing is named") func whatIsMissing() {
        #expect(mistake(rows()) == nil)
        #expect(mistake([]) == "table t does not exist")
        #expect(mistake(rows { $0.remove(at: 6) }) == "table t has no column attempts")
        #expect(mistake(rows { $0[0][2] = "integer" }) == "column sequence of t has type integer, not bigint")
        #expect(mistake(rows { $0[0][3] = "d" }) == "column sequence of t is not GENERATED ALWAYS AS IDENTITY")
        #expect(mistake(rows { $0[0][4] = "20" }) == "the numbers of t.sequence are not in order")
        #expect(mistake(rows { $0[0][9] = "f" }) == "the numbers of t.sequence may be below 1, and events are read from 1 on")
        #expect(mistake(rows { $0[0][0] = "p" }) == "t is not an ordinary table")
        #expect(mistake(rows { $0[2][8] = "f" }) == "column aggregate_id of t may be NULL")
        #expect(mistake(rows { $0[9][8] = "f" }) == nil)
        #expect(mistake(rows { $0[0][7] = "f" }) == "PostgreSQL is older than 14.1")
    }
}
