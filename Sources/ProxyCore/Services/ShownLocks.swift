// ShownLocks: SHOW LOCKS in the admin database: who holds advisory locks, and who waits for whom, on all shards.
//
// The server processes that the shards tell of are matched with the sessions of this worker whose links they are; those of other workers and
// proxies have a process, but no client. The locks by which the proxy shows that it lives are left out.
import DistributedCommit
import Primitives
import WireProtocol

extension Worker {
    var lockListing: ShardQuery {
        ShardQuery(columns: ["shard", "lock", "mode", "state", "client", "user", "pid", "seconds", "blocked_by"], text: InternalSchema.locks, toldColumnCount: 7) {
            [unowned self] shard, rows in
            let sessions = sessionsByProcess(on: shard)
            return rows.map { shown($0, on: shard, sessions) }
        }
    }

    /// The sessions of this worker that have a server process on the shard.
    private func sessionsByProcess(on shard: Int) -> [Int32: Int32] {
        var sessions: [Int32: Int32] = [:]
        for index in 0..<links.highWater {
            let link = links.at(index)
            guard link.pointee.isOpen, link.pointee.shard.int == shard, link.pointee.session >= 0 else { continue }
            sessions[link.pointee.cancelKey.processID] = link.pointee.session
        }
        return sessions
    }

    /// A shard's row, with the shard before it and the session whose server process it is.
    private func shown(_ row: [String?], on shard: Int, _ sessions: [Int32: Int32]) -> [String?] {
        let client = row[4].flatMap { Int32($0) }.flatMap { sessions[$0] }.map { "\(cancelKey(of: $0).processID)" }
        return ["\(shard)", row[0], row[1], row[2], client, row[3], row[4], row[5], row[6]]
    }
}

extension InternalSchema {
    /// The most locks one shard tells of; who waits comes first.
    private static let locksTold = 1_000

    /// Advisory locks, and whatever else somebody waits for: lock, mode, state, role, process, seconds of waiting, who blocks it.
    static let locks = """
        SELECT CASE l.locktype
            WHEN 'advisory' THEN 'advisory ' || CASE l.objsubid
              WHEN 1 THEN ((l.classid::pg_catalog.int8 << 32) | l.objid::pg_catalog.int8)::pg_catalog.text
              ELSE ((l.classid::pg_catalog.int8 << 32) >> 32) || ', ' || ((l.objid::pg_catalog.int8 << 32) >> 32) END
            WHEN 'transactionid' THEN 'transaction ' || l.transactionid::pg_catalog.text
            ELSE pg_catalog.concat_ws(' ', l.locktype, l.relation::pg_catalog.regclass::pg_catalog.text) END,
          l.mode, CASE WHEN l.granted THEN 'held' ELSE 'waits' END, a.usename, l.pid,
          pg_catalog.round(EXTRACT(epoch FROM pg_catalog.clock_timestamp() - l.waitstart), 1),
          CASE WHEN NOT l.granted THEN pg_catalog.array_to_string(pg_catalog.pg_blocking_pids(l.pid), ',') END
        FROM pg_catalog.pg_locks AS l LEFT JOIN pg_catalog.pg_stat_activity AS a USING (pid)
        WHERE (l.locktype = 'advisory' OR NOT l.granted)
          AND l.database IS NOT DISTINCT FROM CASE WHEN l.database IS NULL THEN NULL ELSE
            (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) END
          AND NOT (l.locktype = 'advisory' AND l.objsubid = 2
            AND l.classid::pg_catalog.int8 IN (\(UInt32(bitPattern: InstanceLock.classKey)), \(UInt32(bitPattern: PlanningLock.classKey))))
        ORDER BY l.granted, l.waitstart, 1, l.pid LIMIT \(locksTold)
        """
}
