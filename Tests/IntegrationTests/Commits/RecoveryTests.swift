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

        // MARK: Locks that the proxy waits for

        /// A commit that moves rows holds the lock by which the proxy's workers plan.
        @Test(.timeLimit(.minutes(1)), arguments: [CommitPoint.prepareAnswered, .finishSent])
        func aProxyStartsThatDiedMovingRows(point: CommitPoint) throws {
            let commits = try CommitCluster()
            // The row of a table that is gone: the commit deletes it, and so does a start.
            try commits.cluster.onShards("INSERT INTO pgbraid.placement VALUES (3999999999, 'reference')")
            try kill(commits.cluster, commits.relay, at: point, in: "SELECT create_reference_table('account')")
            try commits.cluster.start()
            try commits.expectNothingPrepared()
            let counts = try commits.cluster.onShards("SELECT count(*) FROM account").map { $0[0][0] ?? "" }
            if point.isAfterDecision { #expect(counts == ["60", "60", "60"]) } else { #expect(counts.compactMap { Int($0) }.reduce(0, +) == 60) }
            #expect(try commits.cluster.psql("SELECT count(*) FROM account") == [["60"]])
        }

        /// The proxy lives, and so do its sessions; the shard takes part again with its rows where they belong.
        @Test(.timeLimit(.minutes(1))) func aShardReturnsThatDiedWhileRowsMoved() throws {
            let commits = try CommitCluster()
            let client = try commits.client()
            let (servers, isDead) = (commits.servers, Once())
            commits.relay.follow { frame in
                guard frame.shard == 1, frame.isQuery("COMMIT PREPARED"), isDead.claim() else { return .pass }
                do { try servers[1].stopServer(mode: "immediate") } catch { Issue.record(error) }
                return .cut
            }
            let outcome = try client.run("SELECT create_reference_table('account')", deadlineSeconds: 30)
            #expect(outcome.error == nil && isDead.isDone, "\(outcome)")
            try servers[1].start()
            try commits.expectNothingPrepared()
            try eventually("the shard is open") { try client.run("UPDATE account SET balance = 3").error == nil }
            #expect(try commits.balances() == [180, 180, 180])
        }

        /// Reading the catalog waits for who has locked a table that a view reads.
        @Test(.timeLimit(.minutes(1)), arguments: [CommitPoint.prepareAnswered, .finishSent])
        func aProxyStartsThatDiedTruncatingWhatAViewReads(point: CommitPoint) throws {
            let commits = try CommitCluster()
            try commits.cluster.psql("CREATE TABLE log (user_id int, entry text); CREATE VIEW entries AS SELECT entry FROM log; INSERT INTO log VALUES (1, 'x')")
            try kill(commits.cluster, commits.relay, at: point, in: "BEGIN; \(commits.update(1, 1)); TRUNCATE log; COMMIT")
            try commits.cluster.start()
            try commits.expectNothingPrepared()
            #expect(try commits.cluster.psql("SELECT count(*) FROM entries") == [[point.isAfterDecision ? "0" : "1"]])
        }

        /// The catalog is that of after recovery, which may commit DDL on the shard it is read from.
        @Test(.timeLimit(.minutes(1))) func aProxyKnowsTheTablesItDiedMaking() throws {
            let commits = try CommitCluster()
            try kill(commits.cluster, commits.relay, at: .finishSent, of: 0, in: "BEGIN; \(commits.update(1, 1)); CREATE TABLE late (user_id int PRIMARY KEY); COMMIT")
            try commits.cluster.start()
            #expect(try commits.cluster.psql("INSERT INTO late VALUES (1), (2), (3); SELECT count(*) FROM late") == [["3"]])
        }
    }
}
