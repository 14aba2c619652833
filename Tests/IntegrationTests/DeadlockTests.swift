// Deadlocks over several shards, which none of them can see: one transaction fails with 40P01, the others go on.
import Foundation
import Testing

extension IntegrationTests {
    @Suite struct DeadlockTests {
        /// Keys of rows on different shards.
        private func keys(_ count: Int, _ cluster: TestCluster) throws -> [String] {
            let places = try cluster.onShards("SELECT min(user_id) FROM row_of").compactMap { $0[0][0] }
            return Array(places.prefix(count))
        }

        private func cluster(_ settings: [String: [String]] = [:]) throws -> TestCluster {
            let cluster = try TestCluster(servers: try TestServers.shared.get().four, settings: settings)
            try cluster.psql("DROP TABLE IF EXISTS row_of; CREATE TABLE row_of (user_id int PRIMARY KEY, n int)")
            try cluster.psql("INSERT INTO row_of VALUES " + (1...40).map { "(\($0), 0)" }.joined(separator: ","))
            return cluster
        }

        private func update(_ key: String) -> String { "UPDATE row_of SET n = n + 1 WHERE user_id = \(key)" }

        /// The clients lock a row each and then ask for the next one's; what each is answered, and after how many seconds.
        private func circle(_ clients: [WireClient], _ keys: [String]) throws -> (answers: [Result<Void, any Error>], seconds: Double) {
            for (client, key) in zip(clients, keys) { try client.rows("BEGIN; \(update(key))") }
            let begun = Date()
            for (place, client) in clients.enumerated() {
                try client.send(FrontendFrame.query(update(keys[(place + 1) % keys.count])))
            }
            // The last to begin is the one that fails; those before it go on one after the other.
            var answers: [Result<Void, any Error>] = []
            var seconds = 0.0
            for client in clients.reversed() {
                let answer = Result { _ = try client.answer(deadlineSeconds: 10) }
                if answers.isEmpty { seconds = Date().timeIntervalSince(begun) }
                answers.append(answer)
                try client.rows("ROLLBACK")
            }
            return (answers.reversed(), seconds)
        }

        private func expectOneVictim(_ answers: [Result<Void, any Error>]) {
            for answer in answers.dropLast() { #expect(throws: Never.self) { try answer.get() } }
            guard case .failure(let error as ServerError)? = answers.last else {
                Issue.record("the youngest transaction was not ended: \(answers)")
                return
            }
            #expect(error.message.sqlState == .deadlockDetected)
            #expect(error.message.message == "deadlock detected")
            let lines = error.message.detail?.split(separator: "\n") ?? []
            #expect(lines.count == answers.count && lines.allSatisfy { $0.contains("waits for a lock on shard") })
        }

        @Test(.timeLimit(.minutes(1)), arguments: [2, 3]) func aCircleOfLocksEnds(count: Int) throws {
            let cluster = try cluster()
            let keys = try keys(count, cluster)
            let clients = try keys.map { _ in try WireClient(port: cluster.port) }
            let (answers, seconds) = try circle(clients, keys)
            expectOneVictim(answers)
            #expect(seconds >= 1, "a wait was taken for a deadlock before deadlock_timeout")
            #expect(try cluster.console("SHOW STATS").contains(["deadlocks", "1"]))
            #expect(try cluster.psql("SELECT sum(n) FROM row_of") == [["0"]])
        }

        @Test(.timeLimit(.minutes(1))) func theVictimsSessionGoesOn() throws {
            let cluster = try cluster()
            let keys = try keys(2, cluster)
            let clients = try keys.map { _ in try WireClient(port: cluster.port) }
            expectOneVictim(try circle(clients, keys).answers)
            try clients[1].rows("BEGIN; \(update(keys[0])); \(update(keys[1])); COMMIT")
            // What is cancelled later is not taken for a deadlock.
            try clients[1].send(FrontendFrame.query("BEGIN; SELECT pg_sleep(10)"))
            try eventually("it sleeps") { try cluster.onShards("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(10)' AND state = 'active' AND pid <> pg_backend_pid()").contains([["1"]]) }
            try cluster.onShards("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(10)' AND pid <> pg_backend_pid()")
            let answer = Result { try clients[1].answer() }
            guard case .failure(let error as ServerError) = answer else {
                Issue.record("the statement was not cancelled")
                return
            }
            #expect(error.message.sqlState == .queryCanceled)
        }

        @Test(.timeLimit(.minutes(1))) func aWaitForALinkOfAFullPoolCanBePartOfIt() throws {
            let cluster = try cluster(["proxy": ["pool_size = 1"]])
            // Not the admin user, whose pool has links for the proxy's own work too.
            try cluster.psql("DROP ROLE IF EXISTS crosser; CREATE ROLE crosser LOGIN SUPERUSER")
            let keys = try keys(2, cluster)
            let clients = try keys.map { _ in try WireClient(port: cluster.port, user: "crosser") }
            for (client, key) in zip(clients, keys) { try client.rows("BEGIN; \(update(key))") }
            try clients[0].send(FrontendFrame.query(update(keys[1])))
            try clients[1].send(FrontendFrame.query(update(keys[0])))
            let victim = Result { try clients[1].answer(deadlineSeconds: 10) }
            guard case .failure(let error as ServerError) = victim else {
                Issue.record("nobody was ended: \(victim)")
                return
            }
            #expect(error.message.sqlState == .deadlockDetected)
            #expect(error.message.detail?.contains("waits for a link to shard") == true)
            try clients[1].rows("ROLLBACK")
            _ = try clients[0].answer(deadlineSeconds: 10)
            try clients[0].rows("COMMIT")
        }

        @Test(.timeLimit(.minutes(1))) func longWaitsAreNotDeadlocks() throws {
            let cluster = try cluster(["transactions": ["deadlock_timeout = \"200ms\""]])
            let keys = try keys(3, cluster)
            let clients = try (0..<4).map { _ in try WireClient(port: cluster.port) }
            try clients[0].rows("BEGIN; \(update(keys[0]))")
            try clients[1].rows("BEGIN; \(update(keys[1]))")
            try clients[2].rows("BEGIN; \(update(keys[2]))")
            // A chain: 3, outside a block, waits for 2, 2 waits for 1, 1 waits for 0.
            try clients[1].send(FrontendFrame.query(update(keys[0])))
            try clients[2].send(FrontendFrame.query(update(keys[1])))
            try clients[3].send(FrontendFrame.query(update(keys[2])))
            try eventually("several looks were taken") {
                (try cluster.console("SHOW STATS").first { $0[0] == "deadlock_looks" }?[1]).flatMap { Int($0) } ?? 0 >= 5
            }
            try clients[0].rows("COMMIT")
            _ = try clients[1].answer()
            try clients[1].rows("COMMIT")
            _ = try clients[2].answer()
            try clients[2].rows("COMMIT")
            _ = try clients[3].answer()
            #expect(try cluster.console("SHOW STATS").contains(["deadlocks", "0"]))
            #expect(try cluster.psql("SELECT sum(n) FROM row_of") == [["6"]])
        }

        /// Clients that log in as the proxy's own role, more of them than links, lock the same rows in another order on each shard.
        @Test(.timeLimit(.minutes(1))) func clientsOfTheProxysOwnRoleDoNotBlindItsWatch() throws {
            let cluster = try cluster(["proxy": ["pool_size = 3"]])
            let clients = try (0..<8).map { _ in try WireClient(port: cluster.port) }
            for _ in 0..<5 {
                for client in clients { try client.send(FrontendFrame.query("UPDATE row_of SET n = n + 1")) }
                for client in clients {
                    do {
                        _ = try client.answer(deadlineSeconds: 25)
                    } catch let error as ServerError where error.message.sqlState == .deadlockDetected {
                        continue
                    }
                }
            }
            #expect(try cluster.psql("SELECT count(DISTINCT n) FROM row_of") == [["1"]])
        }

        /// What is prepared holds its locks, and whose commit waits elsewhere may be waited for by the same session.
        @Test(.timeLimit(.minutes(1)), arguments: [true, false]) func aPreparedPartCanBePartOfIt(isCommitYounger: Bool) throws {
            let cluster = try cluster()
            let keys = try keys(2, cluster)
            try cluster.psql("DROP TABLE IF EXISTS late; CREATE TABLE late (user_id int PRIMARY KEY, n int)")
            try cluster.psql("INSERT INTO late VALUES " + keys.map { "(\($0), 0)" }.joined(separator: ", "))
            for server in try TestServers.shared.get().four {
                try server.psql("""
                    CREATE OR REPLACE FUNCTION count_late() RETURNS trigger LANGUAGE plpgsql AS
                        $$BEGIN UPDATE late SET n = n + 1 WHERE user_id = NEW.user_id; RETURN NULL; END$$;
                    CREATE CONSTRAINT TRIGGER late_count AFTER UPDATE ON row_of DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
                        WHEN (NEW.user_id = \(keys[0])) EXECUTE FUNCTION count_late()
                    """)
            }
            let (committer, other) = (try WireClient(port: cluster.port), try WireClient(port: cluster.port))
            let begin = [{ try other.rows("BEGIN; UPDATE late SET n = n - 1 WHERE user_id = \(keys[0])") }, { try committer.rows("BEGIN; \(update(keys[0])); \(update(keys[1]))") }]
            for step in isCommitYounger ? begin : begin.reversed() { _ = try step() }
            // On the first shard, which decides, its trigger waits for the other; on the second it is prepared.
            try committer.send(FrontendFrame.query("COMMIT"))
            try eventually("it is prepared") { try cluster.onShards("SELECT count(*) FROM pg_prepared_xacts").contains([["1"]]) }
            try other.send(FrontendFrame.query(update(keys[1])))
            let (victim, survivor) = isCommitYounger ? (committer, other) : (other, committer)
            let answer = Result { try victim.answer(deadlineSeconds: 10) }
            guard case .failure(let error as ServerError) = answer else {
                Issue.record("nobody was ended: \(answer)")
                return
            }
            #expect(error.message.sqlState == .deadlockDetected, "\(error)")
            try victim.rows("ROLLBACK")
            _ = try survivor.answer(deadlineSeconds: 10)
            if isCommitYounger { try other.rows("COMMIT") }
            #expect(try cluster.psql("SELECT sum(n) FROM row_of") == [[isCommitYounger ? "1" : "2"]])
        }

        /// A worker without clients ends at once; the others do not wait for what it would say.
        @Test(.timeLimit(.minutes(1))) func whileTheProxyShutsDownDeadlocksStillEnd() throws {
            let cluster = try cluster(["proxy": ["workers = 4"]])
            let keys = try keys(3, cluster)
            let clients = try keys.map { _ in try WireClient(port: cluster.port) }
            for (client, key) in zip(clients, keys) { try client.rows("BEGIN; \(update(key))") }
            let isOver = DispatchSemaphore(value: 0)
            nonisolated(unsafe) let stopping = cluster
            Thread.detachNewThread { stopping.stop(); isOver.signal() }
            try eventually("nobody is let in") { (try? WireClient(port: cluster.port)) == nil }
            for (place, client) in clients.enumerated() { try client.send(FrontendFrame.query(update(keys[(place + 1) % keys.count]))) }
            expectOneVictim(Array(try clients.reversed().map { client in
                let answer = Result { _ = try client.answer(deadlineSeconds: 10) }
                try client.send(FrontendFrame.query("ROLLBACK"))
                return answer
            }.reversed()))
            isOver.wait()
        }

        @Test(.timeLimit(.minutes(1))) func workersSeeEachOthersSessions() throws {
            let cluster = try cluster(["proxy": ["workers = 3"]])
            let keys = try keys(3, cluster)
            // Whichever worker serves which client, with what the workers know of each other from the circle before.
            for _ in 0..<8 {
                let clients = try keys.map { _ in try WireClient(port: cluster.port) }
                expectOneVictim(try circle(clients, keys).answers)
            }
        }
    }
}
