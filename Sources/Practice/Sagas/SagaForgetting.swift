// SagaForgetting: forgets sagas that ended long ago, and what any shard has of sagas that are not known.
import DatabaseClient

struct SagaForgetting {
    let connection: DatabaseConnection
    let shardCount: Int

    /// Sagas that one statement forgets.
    private static let batchRows = 500
    /// Behind the age from which sagas are forgotten, in days: what is left of a saga may be as old as its beginning.
    private static let graceDays = 1

    /// Forgets the sagas of a shard that ended long ago. What somebody holds stays until another time.
    func forgetEnded(on shard: Int, keptDays: Int) throws {
        let text = """
            DELETE FROM pgbraid.saga WHERE id IN (SELECT id FROM pgbraid.saga WHERE state IN ('completed', 'compensated')
              AND changed_at < pg_catalog.clock_timestamp() - pg_catalog.make_interval(days => $1::pg_catalog.int4)
              ORDER BY changed_at LIMIT \(Self.batchRows) FOR UPDATE SKIP LOCKED)
            """
        while try connection.execute(SagaStore.on(shard, text), ["\(keptDays)"]).rowCount == Self.batchRows {}
    }

    /// Forgets steps and doors of a shard whose sagas no shard knows.
    func forgetTraces(on shard: Int, keptDays: Int) throws {
        var last: String?
        while let list = try connection.execute(
            SagaStore.on(shard, "SELECT pgbraid.saga_traces($1::pg_catalog.int4, $2::pg_catalog.uuid)"), ["\(keptDays + Self.graceDays)", last]
        ).rows.first?.first ?? nil {
            let identifiers = list.dropFirst().dropLast().split(separator: ",").map(String.init)
            let known = try knownSagas(among: list)
            let unknown = identifiers.filter { !known.contains($0) }
            if !unknown.isEmpty {
                try connection.execute(
                    SagaStore.on(shard, "SELECT pgbraid.saga_forget($1::pg_catalog.uuid[])"), ["{\(unknown.joined(separator: ","))}"])
            }
            last = identifiers.last
        }
    }

    private func knownSagas(among list: String) throws -> Set<String> {
        var known: Set<String> = []
        for shard in 0..<shardCount {
            let rows = try connection.execute(SagaStore.on(shard, "SELECT id FROM pgbraid.saga WHERE id = ANY ($1::pg_catalog.uuid[])"), [list]).rows
            for row in rows { row[0].map { _ = known.insert($0) } }
        }
        return known
    }
}
