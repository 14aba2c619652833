// Links that a session keeps are nobody else's, however it came to have them.
import Testing

extension IntegrationTests {
    @Suite struct PoolModeTests {
        private func cluster(_ mode: String) throws -> TestCluster {
            let cluster = try TestCluster(
                servers: try TestServers.shared.get().four, settings: ["proxy": ["pool_mode = \"\(mode)\""]])
            try cluster.onShards("DROP TABLE IF EXISTS kept; CREATE TABLE kept (user_id int PRIMARY KEY, n int)")
            try cluster.psql("CREATE TABLE IF NOT EXISTS kept (user_id int PRIMARY KEY, n int)")
            return cluster
        }

        private func client(_ cluster: TestCluster, _ name: String) throws -> WireClient {
            try WireClient(port: cluster.port, parameters: [("application_name", name)])
        }

        /// The server processes a client has, shard by shard.
        private func processes(_ client: WireClient, _ cluster: TestCluster) throws -> Set<String> {
            let keys = try cluster.onShards("SELECT min(user_id) FROM kept").compactMap { $0[0][0] }
            return Set(try keys.compactMap { try client.rows("SELECT pg_backend_pid() FROM kept WHERE user_id = \($0)")[0][0] })
        }

        /// The settings of a startup packet are tried on a link before the client is let in, and that link is its own from then on.
        @Test(.timeLimit(.minutes(1))) func sessionsHaveLinksOfTheirOwn() throws {
            let cluster = try cluster("session")
            try cluster.psql("INSERT INTO kept VALUES " + (1...40).map { "(\($0), 0)" }.joined(separator: ", "))
            let clients = try (0..<6).map { try client(cluster, "client \($0)") }
            let owned = try clients.map { try processes($0, cluster) }
            #expect(owned.allSatisfy { $0.count == 4 })
            #expect(Set(owned.flatMap { $0 }).count == 24, "sessions share server processes: \(owned)")
            // Blocks of all of them at once, each on every shard.
            for (number, client) in clients.enumerated() {
                let rows = (1...20).map { "(\(100 * (number + 1) + $0), 1)" }.joined(separator: ", ")
                try client.rows("BEGIN; INSERT INTO kept VALUES \(rows)")
            }
            for client in clients { try client.rows("ROLLBACK") }
            #expect(try cluster.psql("SELECT count(*), sum(n) FROM kept") == [["40", "0"]])
            for (client, before) in zip(clients, owned) { #expect(try processes(client, cluster) == before) }
        }

        /// The next statement finds done on the shards what DISCARD ALL does.
        @Test(.timeLimit(.minutes(1)), arguments: ["session", "transaction"]) func discardAllIsDoneWhenItIsAnswered(mode: String) throws {
            let cluster = try cluster(mode)
            for round in 0..<30 {
                let client = try client(cluster, "client \(round)")
                try client.rows("SELECT pg_advisory_lock(7701)")
                try client.rows("DISCARD ALL")
                #expect(try client.rows("SELECT pg_try_advisory_lock(7701)") == [["t"]])
                try client.rows("SELECT pg_advisory_unlock_all()")
            }
        }

        /// What runs on one shard after the other takes the links the session has, and leaves them to it.
        @Test(.timeLimit(.minutes(1))) func aPinnedLinkStaysBehindVacuum() throws {
            let cluster = try cluster("transaction")
            let keeper = try client(cluster, "keeper")
            try keeper.rows("CREATE TEMP TABLE mine (n int); INSERT INTO mine VALUES (7)")
            try keeper.rows("VACUUM kept")
            let others = try (0..<4).map { try client(cluster, "other \($0)") }
            for other in others {
                try other.rows("BEGIN; SELECT count(*) FROM kept")
                #expect(throws: ServerError.self) { try other.rows("SELECT n FROM mine") }
            }
            #expect(try keeper.rows("SELECT n FROM mine") == [["7"]])
            for other in others { try other.rows("ROLLBACK") }
        }
    }
}
