// SagaJournal: the steps of a saga that may have to be undone, on all shards, and what keeps them from being known.
import DatabaseClient

/// What is known of a saga's steps on all shards.
struct SagaJournal {
    let connection: DatabaseConnection
    let shardCount: Int

    /// Lets no further step begin anywhere.
    /// - Throws: 55P03 while the transaction of a step goes on.
    func closeDoors(of saga: ClaimedSaga) throws {
        for shard in 0..<shardCount { try connection.execute(SagaStore.on(shard, "SELECT pgbraid.saga_close($1::pg_catalog.uuid)"), [saga.id]) }
    }

    /// Steps of one shard that are listed at a time.
    private static let listedSteps = 1000

    /// What is to be undone next, the last step first: all there is, or what is certainly behind whatever is left. All doors are closed.
    func steps(of saga: ClaimedSaga) throws -> [JournalledStep] {
        var steps: [JournalledStep] = []
        var behind = Int.min
        for shard in 0..<shardCount {
            let text = """
                SELECT s.id, s.number, s.name, s.owner FROM pgbraid.saga_step AS s
                WHERE s.saga_id = $1::pg_catalog.uuid AND s.undone_at IS NULL ORDER BY s.number DESC, s.id DESC LIMIT \(Self.listedSteps)
                """
            let listed = try connection.execute(SagaStore.on(shard, text), [saga.id]).rows.map { try step($0, on: shard) }
            if listed.count == Self.listedSteps, let last = listed.last { behind = max(behind, last.number) }
            steps += listed
        }
        return steps.filter { $0.number >= behind }.sorted { ($0.number, $0.id) > ($1.number, $1.id) }
    }

    private func step(_ row: [String?], on shard: Int) throws -> JournalledStep {
        guard let id = row[0].flatMap({ Int($0) }), let number = row[1].flatMap({ Int($0) }), let name = row[2], let owner = row[3] else {
            throw ConnectionLost(description: "the journal of sagas cannot be read")
        }
        return JournalledStep(shard: shard, id: id, number: number, name: name, owner: owner)
    }

    /// How a step is undone, and the search_path of it.
    func undo(of step: JournalledStep) throws -> (text: String?, searchPath: String) {
        let text = "SELECT undo, search_path FROM pgbraid.saga_step WHERE id = $1::pg_catalog.int8"
        guard let row = try connection.execute(SagaStore.on(step.shard, text), ["\(step.id)"]).rows.first, let path = row[1] else {
            throw ConnectionLost(description: "a step has left the journal of sagas")
        }
        return (row[0], path)
    }

    /// The roles that have made steps of a saga, whether they are undone or not. All doors are closed.
    func owners(of saga: ClaimedSaga, _ store: SagaStore) throws -> Set<String> {
        var names: Set<String> = []
        let text = "SELECT DISTINCT owner FROM pgbraid.saga_step WHERE saga_id = $1::pg_catalog.uuid"
        for shard in 0..<shardCount {
            for row in try connection.execute(SagaStore.on(shard, text), [saga.id]).rows {
                if let owner = row[0], let name = try store.role(owner, on: shard) { names.insert(name) }
            }
        }
        return names
    }

    /// Transactions of several shards that are prepared somewhere by some roles, or others that these may become, each part by the names of its shard and
    /// itself. A step that is committed on the shard of its journal may be prepared on another still: its undo would not see what it has done there.
    private func prepared(by roles: Set<String>) throws -> Set<String> {
        var names: Set<String> = []
        // Not every role must be known to every shard.
        let text = """
            SELECT p.gid FROM pg_catalog.pg_prepared_xacts AS p WHERE p.database = pg_catalog.current_database()
              AND pg_catalog.starts_with(p.gid, (SELECT 'pgbraid:' || cluster || ':' FROM pgbraid.identity))
              AND EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = $1 AND pg_catalog.pg_has_role(r.oid, p.owner, 'MEMBER'))
            """
        for shard in 0..<shardCount {
            for role in roles {
                for row in try connection.execute(SagaStore.on(shard, text), [role]).rows { row[0].map { _ = names.insert("\(shard) \($0)") } }
            }
        }
        return names
    }

    /// What is half committed now may be what the last step did, or undid, whichever of the roles made it: it is waited for.
    /// - Throws: SagaFailure when it takes long.
    func awaitPrepared(by roles: Set<String>, _ limits: SagaLimits) throws {
        let before = try prepared(by: roles)
        if before.isEmpty { return }
        var pause = limits.firstLookMilliseconds
        for _ in 0..<limits.preparedLooks {
            BackgroundThread.sleep(milliseconds: pause)
            pause = min(2 * pause, limits.longestLookMilliseconds)
            if try prepared(by: roles).isDisjoint(with: before) { return }
        }
        throw SagaFailure("a transaction of several shards is not finished yet", .circumstance)
    }
}
