// CommitCluster: a proxy before three shards, with a relay between them, and one account on each shard.
//
// The sum of all balances is zero as long as transactions are whole.
import Foundation
import TestSupport
import Testing

/// Servers of their own: these suites stop them and make them wait for standbys that do not exist.
struct CommitServers: Sendable {
    static let shared = Result { try CommitServers() }
    let three: [TemporaryPostgreSQL]

    private init() throws {
        three = try (0..<3).map { _ in try TemporaryPostgreSQL(settings: TestServers.settings) }
    }
}

final class CommitCluster {
    static let settings: [String: [String]] = ["timeouts": ["recovery_interval = \"200ms\"", "in_doubt = \"1s\""]]

    let servers: [TemporaryPostgreSQL]
    let relay: FaultRelay
    let cluster: TestCluster
    /// The key of the account on each shard.
    private(set) var keys: [Int] = []

    init(settings: [String: [String]] = CommitCluster.settings, servers: [TemporaryPostgreSQL]? = nil) throws {
        let servers = try servers ?? CommitServers.shared.get().three
        self.servers = servers
        relay = try FaultRelay(servers: servers)
        for server in servers { try server.psql("DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO PUBLIC") }
        cluster = try TestCluster(servers: servers, settings: settings, shardEntries: relay.entries(for: servers))
        try cluster.psql("CREATE TABLE account (user_id int PRIMARY KEY, balance int NOT NULL); GRANT ALL ON account TO PUBLIC")
        for (name, body) in [("notify", "pg_notify('news', 'x')"), ("lock_twice", "pg_advisory_lock(7), pg_advisory_xact_lock(7)")] {
            try cluster.psql("CREATE FUNCTION \(name)_beside(int) RETURNS void LANGUAGE sql AS $$SELECT \(body); SELECT$$")
            try cluster.psql("COMMENT ON FUNCTION \(name)_beside IS 'pgbraid: key = argument 1'")
        }
        try cluster.psql("INSERT INTO account VALUES " + (1...60).map { "(\($0), 0)" }.joined(separator: ", "))
        keys = try cluster.onShards("SELECT min(user_id) FROM account").compactMap { $0[0][0].flatMap { Int($0) } }
        _ = relay.takeQueries()
    }

    deinit {
        cluster.kill()
        relay.stop()
    }

    func client(user: String = "postgres") throws -> WireClient { try WireClient(port: cluster.port, user: user) }

    func update(_ shard: Int, _ amount: Int) -> String {
        "UPDATE account SET balance = balance + \(amount) WHERE user_id = \(keys[shard])"
    }

    /// One and one from the first two shards to the third; the first is the decider.
    var transfer: String { "\(update(0, -1)); \(update(1, -1)); \(update(2, 2))" }

    /// The balances on the shards themselves.
    func balances() throws -> [Int] {
        try cluster.onShards("SELECT sum(balance) FROM account").map { Int($0[0][0] ?? "") ?? .min }
    }

    func preparedCount() throws -> Int {
        try cluster.onShards("SELECT count(*) FROM pg_prepared_xacts").reduce(0) { $0 + (Int($1[0][0] ?? "") ?? 0) }
    }

    /// Nothing prepared is left, soon.
    func expectNothingPrepared() throws {
        try eventually("no prepared transaction is left") { try preparedCount() == 0 }
    }

    /// No part of a transaction is there, and none is left prepared.
    func expectUntouched() throws {
        try expectNothingPrepared()
        #expect(try balances() == [0, 0, 0])
    }

    /// `transfer` is there, once and whole.
    func expectApplied() throws {
        try expectNothingPrepared()
        #expect(try balances() == [-1, -1, 2])
    }

    // MARK: Standbys that do not exist

    /// From now on commits on the shard wait for a synchronous standby, for ever.
    func loseStandby(_ shard: Int) throws {
        try servers[shard].psql(
            "SET synchronous_commit = local; ALTER SYSTEM SET synchronous_standby_names = 'nobody'; SELECT pg_reload_conf()")
        // It is the checkpointer who has to have read it, so a commit is tried until one waits.
        let probe = "pg_logical_emit_message(true, 'probe', '')"
        try eventually("commits on shard \(shard) wait") {
            let client = try WireClient(port: servers[shard].port)
            try client.send(FrontendFrame.query("SET synchronous_commit = on; SELECT \(probe)"))
            return try (try? client.outcome(deadlineSeconds: 0.1)) == nil && standbyWaiters(shard, "pg_logical_emit_message") > 0
        }
        try servers[shard].psql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_logical_emit_message%' AND wait_event = 'SyncRep'")
    }

    func forgetStandby(_ shard: Int) throws {
        try servers[shard].psql("SET synchronous_commit = local; ALTER SYSTEM RESET synchronous_standby_names; SELECT pg_reload_conf()")
    }

    /// Waits until a backend of the shard waits for a standby while it runs a statement with this text.
    func awaitStandbyWait(_ shard: Int, _ text: String, seconds: Double = 0) throws {
        try eventually("shard \(shard) waits for its standby in \(text)") { try standbyWaiters(shard, text, seconds) > 0 }
    }

    func standbyWaiters(_ shard: Int, _ text: String, _ seconds: Double = 0) throws -> Int {
        let sql = """
            SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND position('\(text)' in query) > 0
            AND clock_timestamp() - query_start >= interval '\(seconds) s'
            """
        return Int(try servers[shard].psql(sql)[0][0] ?? "") ?? 0
    }
}
