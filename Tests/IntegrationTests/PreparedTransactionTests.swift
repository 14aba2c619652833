// What the operator sees and does about prepared transactions that recovery leaves alone.
import Testing

extension IntegrationTests {
    @Suite struct PreparedTransactionTests {
        private static let hash = "0123456789abcdef0123456789abcdef"

        /// A cluster with a table, and a transaction on its second shard prepared under a gid.
        private func prepared(_ gid: (_ participant: String) -> String) throws -> (cluster: TestCluster, gid: String) {
            let servers = try TestServers.shared.get().four
            let settings = ["timeouts": ["recovery_interval = \"300ms\""], "transactions": ["prepared_alert = \"1s\""]]
            let cluster = try TestCluster(servers: servers, settings: settings)
            try cluster.psql("DROP TABLE IF EXISTS parcel; CREATE TABLE parcel (user_id int PRIMARY KEY)")
            let participant = try servers[1].psql("SELECT shard FROM pgbraid.identity")[0][0] ?? ""
            let gid = gid(participant)
            try servers[1].psql("BEGIN; INSERT INTO parcel VALUES (-1); PREPARE TRANSACTION '\(gid)'")
            try eventually("the transaction is seen") { try cluster.console("SHOW TRANSACTIONS").contains { $0[0] == gid } }
            return (cluster, gid)
        }

        private func left(_ cluster: TestCluster) throws -> [[String?]] { try cluster.servers[1].psql("SELECT gid FROM pg_prepared_xacts") }

        @Test(.timeLimit(.minutes(1)), arguments: [("COMMIT", "1"), ("ROLLBACK", "0")])
        func theOperatorEndsWhatNobodyKnowsTheOutcomeOf(word: String, rows: String) throws {
            let (cluster, gid) = try prepared { "pgbraid:pgbraid:00112233aabbccdd:snowhere:\(Self.hash):\($0)" }
            let shown = try cluster.console("SHOW TRANSACTIONS").first { $0[0] == gid }
            #expect(shown?[1] == "1" && shown?[2] == "postgres" && shown?[4] == "unknownDecider" && shown?[5] == "snowhere")
            try cluster.console("RESOLVE '\(gid)' \(word)")
            #expect(try left(cluster) == [])
            #expect(try cluster.servers[1].psql("SELECT count(*) FROM parcel") == [[rows]])
            #expect(cluster.log.contains("an operator ends a prepared transaction"))
            try eventually("it is not shown any more") { try !cluster.console("SHOW TRANSACTIONS").contains { $0[0] == gid } }
        }

        /// Recovery would take it for a part of the proxy's own.
        @Test(.timeLimit(.minutes(1))) func clientsDoNotPrepareUnderTheProxysNames() throws {
            let cluster = try SharedClusters.shared.get().four
            let client = try WireClient(port: cluster.port)
            try client.rows("BEGIN; SELECT 1")
            let said = try client.run("PREPARE TRANSACTION 'pgbraid:x'")
            #expect(said.state == "0A000" && said.tags.isEmpty, "\(said)")
            #expect(try cluster.onShards("SELECT count(*) FROM pg_prepared_xacts WHERE gid = 'pgbraid:x'").allSatisfy { $0 == [["0"]] })
            #expect(try client.run("ROLLBACK").tags == ["ROLLBACK"])
        }

        @Test(.timeLimit(.minutes(1))) func foreignTransactionsAreShownAndLeftAlone() throws {
            let (cluster, gid) = try prepared { _ in "billing-7" }
            defer { _ = try? cluster.servers[1].psql("ROLLBACK PREPARED '\(gid)'") }
            #expect(try cluster.console("SHOW TRANSACTIONS").first { $0[0] == gid }?[4] == "foreign")
            let answer = Result { try cluster.console("RESOLVE '\(gid)' ROLLBACK") }
            guard case .failure(let error) = answer else {
                Issue.record("a foreign transaction was resolved")
                return
            }
            #expect("\(error)".contains("is not a transaction of this cluster"))
            #expect(try left(cluster) == [[gid]])
            try eventually("the log has a line about its age") { cluster.log.contains("a prepared transaction is old") }
        }

        @Test(.timeLimit(.minutes(1))) func resolveSaysWhatItDoesNotUnderstand() throws {
            let cluster = try TestCluster(servers: try TestServers.shared.get().four)
            let unknown = "pgbraid:pgbraid:00112233aabbccdd:snowhere:\(Self.hash):snowhere"
            for (command, complaint) in [("RESOLVE", "needs a gid"), ("RESOLVE 'x' MAYBE", "needs a gid"), ("RESOLVE '\(unknown)' COMMIT", "is not known")] {
                let answer = Result { try cluster.console(command) }
                guard case .failure(let error) = answer else {
                    Issue.record("\(command) was carried out")
                    continue
                }
                #expect("\(error)".contains(complaint))
            }
        }
    }
}
