// A server is used as the shard it is, whatever its address says.
import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct ShardIdentityTests {
        private static let servers = Result { try (0..<2).map { _ in try TemporaryPostgreSQL(settings: TestServers.settings) } }
        private static let timeouts = ["timeouts": ["reconnect_delay = \"100ms\"", "recovery_interval = \"200ms\""]]

        private func entry(_ server: TemporaryPostgreSQL) -> [String] { ["host = \"\(server.socketDirectory)\"", "port = \(server.port)"] }

        /// A cluster that has data, and is stopped.
        private func servers() throws -> [TemporaryPostgreSQL] {
            let servers = try Self.servers.get()
            let cluster = try TestCluster(servers: servers)
            try cluster.psql("DROP TABLE IF EXISTS owned; CREATE TABLE owned (user_id int PRIMARY KEY); INSERT INTO owned SELECT generate_series(1, 20)")
            cluster.stop()
            return servers
        }

        @Test(.timeLimit(.minutes(1))) func oneServerIsNotTwoShards() throws {
            let servers = try servers()
            let cluster = try TestCluster(
                servers: servers, settings: Self.timeouts, shardEntries: [entry(servers[0]), ["host = \"127.0.0.1\"", "port = \(servers[0].port)"]])
            try eventually("the log says so") { cluster.log.contains("under another address") || cluster.log.contains("of the cluster by") }
            #expect(try WireClient(port: cluster.port).run("SELECT count(*) FROM owned").state == "08001")
        }

        @Test(.timeLimit(.minutes(1))) func shardsKeepTheirOrder() throws {
            let servers = try servers()
            let cluster = try TestCluster(
                servers: servers, settings: Self.timeouts, shardEntries: [entry(servers[1]), entry(servers[0])], isWaiting: false)
            try eventually("both are refused") {
                [0, 1].allSatisfy { cluster.log.contains("it is shard \($0) of the cluster by pgbraid.shard_number there") }
            }
            #expect(throws: WireClientError.self) { try WireClient(port: cluster.port) }
        }

        /// A failover that went to the wrong server, and is put right.
        @Test(.timeLimit(.minutes(1))) func anAddressThatLeadsToAnotherShardIsNotUsed() throws {
            let servers = try servers()
            let directory = try TestDirectory.make()
            defer { try? FileManager.default.removeItem(atPath: directory) }
            let path = "\(directory)/.s.PGSQL.5432"
            func lead(to server: TemporaryPostgreSQL) throws {
                try? FileManager.default.removeItem(atPath: path)
                try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: server.socketPath)
                try servers[1].psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
            }
            try lead(to: servers[1])
            let cluster = try TestCluster(
                servers: servers, settings: Self.timeouts, shardEntries: [entry(servers[0]), ["host = \"\(directory)\""]])
            #expect(try cluster.psql("SELECT count(*) FROM owned") == [["20"]])
            try lead(to: servers[0])
            let client = try WireClient(port: cluster.port)
            try eventually("the log says so") { cluster.log.contains("it is shard 0") }
            let outcome = try client.run("SELECT count(*) FROM owned")
            #expect(outcome.state == "08001" && outcome.error?.message.contains("under another address") == true, "\(outcome)")
            try lead(to: servers[1])
            try eventually("it is used again") { try client.rows("SELECT count(*) FROM owned") == [["20"]] }
        }
    }
}
