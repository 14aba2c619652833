// Comparison and ComparisonRun: keys that are no plain values, and what is open while nobody looks, on a real server.
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Reconciliation

@Suite struct ComparisonTests {
    private static func outcome(
        _ server: TemporaryPostgreSQL, _ source: String, _ target: String, key: [String], pauseMilliseconds: Int = 0, begun: () -> Void = {}
    ) throws -> ComparisonOutcome {
        var limits = ReconciliationLimits()
        limits.pauseMilliseconds = pauseMilliseconds
        let sessions = try [DatabaseSession(server), DatabaseSession(server)]
        for session in sessions { try session.begin() }
        let comparison = try Comparison(
            source: ComparedSide(session: sessions[0], shard: nil, query: source, role: "source"),
            target: ComparedSide(session: sessions[1], shard: nil, query: target, role: "target"), key: key, limits: limits)
        begun()
        return try ComparisonRun(comparison: comparison, limits: limits).run()
    }

    private static func told(_ outcome: ComparisonOutcome) -> [String] {
        outcome.confirmed.map { candidate in
            let values = (candidate.row?.values ?? []).map { value in value.map { "'\($0)'" } ?? "NULL" }
            return "\(candidate.kind.rawValue) \(values.joined(separator: " "))"
        }
    }

    /// Of a type whose keys are compared by what is written.
    @Test func nullIsTheLastKey() throws {
        let server = try TemporaryPostgreSQL()
        defer { server.stop() }
        let days = "SELECT day, number FROM (VALUES (NULL::date, 1), (DATE '2026-01-02', 2), (DATE '2026-01-01', 3)) AS v(day, number)"
        #expect(try Self.told(Self.outcome(server, days, days, key: ["day"])) == [])
        // It is found again by its key.
        #expect(try Self.told(Self.outcome(server, days, days.replacingOccurrences(of: "date, 1", with: "date, 4"), key: ["day"])) == ["changed NULL '1'"])
    }

    @Test func anEmptyTextIsNoNull() throws {
        let server = try TemporaryPostgreSQL()
        defer { server.stop() }
        // A text and a date are compared by what is written.
        let texts = "SELECT k FROM (VALUES (''), (NULL)) AS v(k)"
        #expect(try Self.told(Self.outcome(server, texts, "SELECT NULL::date AS k", key: ["k"])) == ["missing ''"])
        #expect(try Self.told(Self.outcome(server, "SELECT NULL::date AS k", texts, key: ["k"])) == ["extra ''"])
        #expect(try Self.told(Self.outcome(server, "SELECT ''::text AS k", "SELECT NULL::date AS k", key: ["k"])) == ["missing ''", "extra NULL"])
    }

    /// A row of NULLs is a value.
    @Test func rowsOfNullAreKeys() throws {
        let server = try TemporaryPostgreSQL()
        defer { server.stop() }
        try server.psql("CREATE TYPE pair AS (a int, b int)")
        let pairs = "SELECT k FROM (VALUES (ROW(NULL, NULL)::pair), (NULL), (ROW(1, 2)::pair)) AS v(k)"
        #expect(try Self.told(Self.outcome(server, pairs, pairs, key: ["k"])) == [])
        #expect(try Self.told(Self.outcome(server, pairs, "SELECT NULL::pair AS k", key: ["k"])) == ["missing '(,)'", "missing '(1,2)'"])
    }

    /// How many sessions have been seen at rest, at most.
    private final class Resting: Sendable {
        let most = Mutex(0)
    }

    @Test(.timeLimit(.minutes(1))) func nothingIsOpenBetweenTwoLooks() throws {
        let server = try TemporaryPostgreSQL()
        defer { server.stop() }
        let resting = Resting()
        let text = """
            SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbraid reconcile' AND state = 'idle'
              AND state_change < clock_timestamp() - interval '300 milliseconds'
            """
        let watcher = Thread {
            let end = Date().addingTimeInterval(2.5)
            while Date() < end {
                let count = (try? server.psql(text))?.first?[0].flatMap { Int($0) } ?? 0
                resting.most.withLock { $0 = max($0, count) }
            }
        }
        let outcome = try Self.outcome(server, "SELECT 1 AS id", "SELECT 2 AS id", key: ["id"], pauseMilliseconds: 2000) { watcher.start() }
        #expect(Self.told(outcome) == ["missing '1'", "extra '2'"])
        while !watcher.isFinished { usleep(10_000) }
        let most = resting.most.withLock { $0 }
        #expect(most == 2)
    }
}
