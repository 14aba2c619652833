// What a crash has left prepared is ended whatever it holds: a lock that the proxy itself waits for, or a place in another database.
import Foundation
import Testing
import TestSupport

extension IntegrationTests {
    @Suite struct RecoveryTests {
        /// Runs a block, and kills the proxy at a step of its commit; something is prepared then.
        /// - Parameter shard: whose step it is; nil: whichever shard comes first.
        private func kill(_ cluster: TestCluster, _ relay: FaultRelay, at point: CommitPoint, of shard: Int? = nil, in block: String) throws {
            let client = try WireClient(port: cluster.port)
            let (proxy, struck) = (UncheckedReference(cluster), Once())
            relay.follow { frame in
                guard point.matches(frame, finished: 0), shard == nil || shard == frame.shard, struck.claim() else { return .pass }
                proxy.object.kill()
                return .cut
            }
            let outcome = try client.run(block, deadlineSeconds: 20)
            #expect(struck.isDone && outcome.isCutOff, "\(outcome)")
            relay.follow { _ in .pass }
            #expect(try prepared(cluster) > 0, "nothing to recover at \(point)")
        }

        private func prepared(_ cluster: TestCluster) throws -> Int {
            try cluster.onShards("SELECT count(*) FROM pg_prepared_xacts").reduce(0) { $0 + (Int($1[0][0] ?? "") ?? 0) }
        }

        @Test(.timeLimit(.minutes(1)), arguments: [CommitPoint.prepareAnswered, .finishSent])
        func theDatabaseMayHaveAnotherNameOnEachShard(point: CommitPoint) throws {
            let servers = try CommitServers.shared.get().three
            let names = ["postgres", "elsewhere", "far"]
            for (server, name) in zip(servers, names) {
                try server.psql("DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO PUBLIC")
                if name != "postgres" { try server.psql("DROP DATABASE IF EXISTS \(name) WITH (FORCE)"); try server.psql("CREATE DATABASE \(name)") }
            }
            let relay = try FaultRelay(servers: servers)
            defer { relay.stop() }
            let entries = zip(relay.entries(for: servers), names).map { $0 + ["dbname = \"\($1)\""] }
            let cluster = try TestCluster(servers: servers, settings: CommitCluster.settings, shardEntries: entries)
            defer { cluster.kill() }
            try cluster.psql("CREATE TABLE spread (user_id int PRIMARY KEY, n int); INSERT INTO spread SELECT i, 0 FROM generate_series(1, 60) i")
            try kill(cluster, relay, at: point, in: "UPDATE spread SET n = 1")
            try cluster.start()
            #expect(try prepared(cluster) == 0)
            #expect(try cluster.psql("SELECT sum(n) FROM spread") == [[point.isAfterDecision ? "60" : "0"]])
        }
    }
}
