// What an operator sets and does: time limits of zero, the number of clients, settings of the shards, a reload.
import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct OperationTests {
        @Test(.timeLimit(.minutes(1))) func zeroMeansNever() throws {
            let zeros = ["link_idle = \"0s\"", "link_lifetime = \"0s\"", "shutdown = \"0s\""]
            let cluster = try TestCluster(servers: try TestServers.shared.get().four, settings: ["timeouts": zeros])
            try cluster.psql("DROP TABLE IF EXISTS lasting; CREATE TABLE lasting (user_id int PRIMARY KEY)")
            let client = try WireClient(port: cluster.port)
            let process = try client.rows("SELECT pg_backend_pid() FROM (SELECT count(*) FROM lasting WHERE user_id = 1) AS x")
            // Idle links are looked at every second.
            try cluster.servers[0].psql("SELECT pg_sleep(2.5)")
            #expect(try client.rows("SELECT pg_backend_pid() FROM (SELECT count(*) FROM lasting WHERE user_id = 1) AS x") == process)

            try client.rows("BEGIN")
            try client.rows("INSERT INTO lasting VALUES (1)")
            let unowned = UncheckedReference(cluster)
            let end = Thread { unowned.object.stop() }
            end.start()
            try eventually("the proxy is shutting down") {
                guard case .failure(let error) = Result(catching: { try WireClient(port: cluster.port) }) else { return false }
                return "\(error)".contains("shutting down") || "\(error)".contains("cannot connect")
            }
            #expect(try client.run("COMMIT").tags == ["COMMIT"])
            try eventually("the proxy has ended") { end.isFinished }
        }

        /// Counted over all workers, refused as PostgreSQL does, and neither cancels nor operators are kept out.
        @Test(.timeLimit(.minutes(1))) func clientsBeyondTheLimitAreToldSo() throws {
            let cluster = try TestCluster(
                servers: try TestServers.shared.get().four, settings: ["proxy": ["workers = 2", "max_clients = 3"]], isWaiting: false)
            var clients: [WireClient] = []
            try eventually("three clients are let in") {
                clients.append(try WireClient(port: cluster.port))
                return clients.count == 3
            }
            // Whichever worker they come to.
            for _ in 0..<8 {
                let late = try WireClient(connectingTo: cluster.port)
                try late.send(FrontendFrame.request(code: 80_877_103))
                #expect(try late.bytes(1) == Array("N".utf8))
                try late.send(FrontendFrame.startup(parameters: [("user", "postgres"), ("database", "postgres")]))
                let answer = try late.next().map { Transcript.line(of: $0) } ?? "closed"
                #expect(answer.contains("53300") && answer.contains("sorry, too many clients already"), "\(answer)")
            }
            #expect(try WireClient(port: cluster.port, database: "pgbraid").rows("SHOW VERSION").count == 1)
            try clients[0].send(FrontendFrame.query("SELECT pg_sleep(30)"))
            var outcome: StatementOutcome?
            try eventually("the statement is cancelled") {
                try clients[0].requestCancel(port: cluster.port)
                outcome = try? clients[0].outcome(deadlineSeconds: 0.5)
                return outcome != nil
            }
            #expect(outcome?.state == "57014")
            clients.removeLast()
            try eventually("the place is free") { clients.append(try WireClient(port: cluster.port)); return true }
        }

        /// Sessions of the shards may not write by default, and are ended when they are idle.
        @Test(.timeLimit(.minutes(1))) func theProxysOwnSessionsAreAsItNeedsThem() throws {
            let odd = ["default_transaction_read_only": "on", "idle_session_timeout": "700ms"]
            let servers = try (0..<2).map { _ in try TemporaryPostgreSQL(settings: TestServers.settings.merging(odd) { $1 }) }
            let cluster = try TestCluster(servers: servers)
            try cluster.psql("SET default_transaction_read_only = off; CREATE TABLE odd (user_id int PRIMARY KEY); INSERT INTO odd SELECT generate_series(1, 20)")
            #expect(try cluster.psql("SELECT count(*) FROM odd") == [["20"]])
            #expect(try WireClient(port: cluster.port).run("INSERT INTO odd VALUES (21)").state == "25006")
            let keepers = "SELECT string_agg(pid::text, ',' ORDER BY pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
            let before = try cluster.onShards(keepers)
            try servers[0].psql("SELECT pg_sleep(2)")
            #expect(try cluster.onShards(keepers) == before)
            #expect(!cluster.log.contains("shard is down"), "\(cluster.log)")
        }

        @Test(.timeLimit(.minutes(1))) func theNameOfTheClusterStays() throws {
            let cluster = try TestCluster(servers: try TestServers.shared.get().two)
            try cluster.configure(["proxy": ["cluster = \"another\""]])
            try cluster.console("RELOAD")
            try eventually("the change is refused") { cluster.log.contains("the cluster's name cannot change while the proxy runs") }
        }

        @Test(.timeLimit(.minutes(1))) func whoWaitsForALinkHearsWhyThereIsNone() throws {
            let cluster = try TestCluster(servers: try TestServers.shared.get().two, settings: ["timeouts": ["query_wait = \"1s\""]])
            try cluster.psql("DROP TABLE IF EXISTS narrow; CREATE TABLE narrow (user_id int PRIMARY KEY); GRANT ALL ON narrow TO PUBLIC")
            try cluster.psql("DROP ROLE IF EXISTS lonely; CREATE ROLE lonely LOGIN CONNECTION LIMIT 1")
            let holder = try WireClient(port: cluster.port, user: "lonely")
            let waiter = try WireClient(port: cluster.port, user: "lonely")
            try holder.rows("BEGIN; INSERT INTO narrow VALUES (1)")
            let outcome = try waiter.run("SELECT * FROM narrow WHERE user_id = 1")
            #expect(outcome.state == "53300")
            #expect(outcome.error?.detail?.contains("too many connections for role \"lonely\"") == true, "\(outcome)")
            try holder.rows("COMMIT")
            #expect(try waiter.rows("SELECT * FROM narrow WHERE user_id = 1") == [["1"]])
        }
    }
}
