// What a comparison that takes long holds up, and what holds up comparisons: idle blocks, shutdown, and clients' open blocks.
import Foundation
import TestSupport
import Testing
import WireProtocol

extension IntegrationTests {
    @Suite struct ReconcileWaitingTests {
        /// Queries of the judge that take their time; the cluster's side of the comparison waits meanwhile, in a block.
        private static func cluster(_ database: String) throws -> (cluster: TestCluster, servers: TestServers) {
            let servers = try TestServers.shared.get()
            for server in servers.four { try server.psql("CREATE DATABASE \(database)") }
            let judge = "{ host = \"\(servers.judge.socketDirectory)\", port = \(servers.judge.port) }"
            func comparison(_ name: String, _ source: String, _ lines: String...) -> [String] {
                ["[[reconciliation]]", "name = \"\(name)\"", "source = \"SELECT 1 AS id\(source)\"", "target = \"SELECT 1 AS id\"", "key = \"id\""] + lines
            }
            let comparisons =
                comparison("slow", " FROM pg_sleep(4)", "source_database = \(judge)") + comparison("endless", " FROM pg_sleep(55)", "source_database = \(judge)")
                + comparison("often", "", "interval = \"2s\"") + comparison("plain", "")
            let cluster = try TestCluster(
                servers: servers.four, settings: ["timeouts": ["idle_in_transaction = \"1s\""], "": comparisons],
                shardEntries: servers.four.map { ["host = \"\($0.socketDirectory)\"", "port = \($0.port)", "dbname = \"\(database)\""] })
            return (cluster, servers)
        }

        private static let shared = Result { try UncheckedPair(ReconcileWaitingTests.cluster("reconcile_waiting")) }

        /// The suites of this target run one after another.
        private struct UncheckedPair: @unchecked Sendable {
            let cluster: TestCluster
            let servers: TestServers
            init(_ pair: (cluster: TestCluster, servers: TestServers)) { (cluster, servers) = pair }
        }

        private func status(of task: String, _ client: WireClient) throws -> [String?]? {
            try client.rows("SELECT status, error FROM pgbraid.reconciliation_tasks WHERE id = '\(task)'").first
        }

        @Test(.timeLimit(.minutes(1))) func aSideThatWaitsForTheOtherIsNoIdleClient() throws {
            let cluster = try Self.shared.get().cluster
            let client = try WireClient(port: cluster.port)
            let task = try #require(try client.rows("SELECT pgbraid.reconcile('slow')")[0][0])
            try eventually("the comparison is over", withinSeconds: 40) { try !["requested", "running"].contains(status(of: task, client)?[0]) }
            let ended = try status(of: task, client)
            #expect(ended == ["equal", nil])
            // Of clients the limit holds.
            try client.rows("BEGIN")
            Thread.sleep(forTimeInterval: 3)
            #expect(try client.run("SELECT 1").state == "25P03")
        }

        /// What an open block has requested nobody sees, and nobody else can request.
        @Test(.timeLimit(.minutes(2))) func anOpenRequestHoldsUpNoOtherComparison() throws {
            let shared = try Self.shared.get()
            let (asking, client) = (try WireClient(port: shared.cluster.port), try WireClient(port: shared.cluster.port))
            try eventually("a request is the block's own", withinSeconds: 30) {
                try asking.rows("BEGIN")
                let task = try #require(try asking.rows("SELECT pgbraid.reconcile('often')")[0][0])
                if try status(of: task, client) == nil { return true }
                try asking.rows("ROLLBACK")
                return false
            }
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'reconcile_waiting' AND wait_event_type = 'Lock'"
            try eventually("the proxy waits for it", withinSeconds: 30) {
                // The block says something, or it would be ended.
                try asking.rows("SELECT 1")
                return try shared.servers.four.contains { try $0.psql(waiting) != [["0"]] }
            }
            let task = try #require(try client.rows("SELECT pgbraid.reconcile('plain')")[0][0])
            try eventually("another comparison is made", withinSeconds: 40) {
                try asking.rows("SELECT 1")
                return try status(of: task, client)?[0] == "equal"
            }
            try asking.rows("ROLLBACK")
            try eventually("and that one, too", withinSeconds: 30) {
                try client.rows("SELECT 1 FROM pgbraid.reconciliation_tasks WHERE name = 'often' AND requested_at > now() - interval '3 seconds'").count > 0
            }
            #expect(shared.cluster.log.contains("a comparison is not requested, claimed or stored"))
        }

        @Test(.timeLimit(.minutes(2))) func shutdownDoesNotWaitForComparisons() throws {
            let (cluster, servers) = try Self.cluster("reconcile_ended")
            let client = try WireClient(port: cluster.port)
            try client.rows("SELECT pgbraid.reconcile('endless')")
            let sleeping = "FROM pg_stat_activity WHERE query LIKE '%pg_sleep(55)%' AND state = 'active' AND pid <> pg_backend_pid()"
            try eventually("the comparison waits", withinSeconds: 30) { try servers.judge.psql("SELECT count(*) \(sleeping)") == [["1"]] }
            defer { _ = try? servers.judge.psql("SELECT pg_terminate_backend(pid) \(sleeping)") }
            let begun = Date()
            cluster.stop()
            // The limit is 30 seconds.
            #expect(Date().timeIntervalSince(begun) < 15)
        }
    }
}
