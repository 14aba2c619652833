// Sagas: steps that carry their own undo, each in its transaction; what is not finished is undone by the proxy.
import Testing
import WireProtocol

extension IntegrationTests {
    @Suite struct SagaTests {
        private static func prepared() throws -> (TestCluster, WireClient) {
            let cluster = try SharedClusters.shared.get().four
            let client = try WireClient(port: cluster.port)
            try client.rows(
                """
                DROP TABLE IF EXISTS saga_order, saga_stock;
                CREATE TABLE saga_order (user_id int PRIMARY KEY, amount int NOT NULL);
                CREATE TABLE saga_stock (user_id int PRIMARY KEY, count int NOT NULL);
                INSERT INTO saga_stock SELECT g, 10 FROM generate_series(1, 50) g
                """)
            return (cluster, client)
        }

        private func state(_ saga: String, _ client: WireClient) throws -> String? {
            try client.rows("SELECT pgbraid.saga_state('\(saga)')").first?.first ?? nil
        }

        private func awaitState(_ wanted: String, of saga: String, _ client: WireClient) throws {
            try eventually("saga \(saga) is \(wanted)", withinSeconds: 30) { try self.state(saga, client) == wanted }
        }

        /// An order of one, taken from stock of another: two shards in most cases.
        private func order(_ saga: String, _ user: Int, _ client: WireClient) throws {
            try client.rows("SELECT pgbraid.saga_begin('\(saga)')")
            try client.rows("BEGIN")
            try client.rows("INSERT INTO saga_order VALUES (\(user), 1)")
            try client.rows("SELECT pgbraid.saga_step('\(saga)', 'order', undo => 'DELETE FROM saga_order WHERE user_id = \(user)')")
            try client.rows("COMMIT")
            try client.rows("BEGIN")
            try client.rows("UPDATE saga_stock SET count = count - 1 WHERE user_id = \(user + 1)")
            try client.rows("SELECT pgbraid.saga_step('\(saga)', 'stock', $$UPDATE saga_stock SET count = count + 1 WHERE user_id = \(user + 1)$$)")
            try client.rows("COMMIT")
        }

        private func sums(_ client: WireClient) throws -> [[String?]] {
            try client.rows("SELECT (SELECT count(*) FROM saga_order), (SELECT sum(count) FROM saga_stock)")
        }

        @Test(.timeLimit(.minutes(1))) func aFinishedSagaStays() throws {
            let (_, client) = try Self.prepared()
            for user in 1...8 { try order("finished \(user)", user, client) }
            for user in 1...8 { #expect(try client.rows("SELECT pgbraid.saga_end('finished \(user)')") == [["completed"]]) }
            #expect(try client.rows("SELECT pgbraid.saga_end('finished 1')") == [["completed"]])
            #expect(try sums(client) == [["8", "492"]])
            #expect(try client.run("SELECT pgbraid.saga_step('finished 1', 'late')").state == "55000")
            #expect(try client.run("SELECT pgbraid.saga_abort('finished 1')").state == "55000")
            #expect(try client.rows("SELECT pgbraid.saga_begin('finished 1')") == [["completed"]])
        }

        @Test(.timeLimit(.minutes(1))) func anAbortedSagaIsUndone() throws {
            let (_, client) = try Self.prepared()
            for user in 1...8 { try order("aborted \(user)", user, client) }
            for user in 1...8 { try client.rows("SELECT pgbraid.saga_abort('aborted \(user)')") }
            for user in 1...8 { try awaitState("compensated", of: "aborted \(user)", client) }
            #expect(try sums(client) == [["0", "500"]])
            #expect(try client.rows("SELECT pgbraid.saga_abort('aborted 1')") == [["compensated"]])
        }

        @Test(.timeLimit(.minutes(1))) func aSagaWhoseTimeIsOverIsUndone() throws {
            let (_, client) = try Self.prepared()
            try client.rows("SELECT pgbraid.saga_begin('slow', timeout => '1 second')")
            try client.rows("BEGIN")
            try client.rows("INSERT INTO saga_order VALUES (3, 1)")
            try client.rows("SELECT pgbraid.saga_step('slow', 'order', 'DELETE FROM saga_order WHERE user_id = 3')")
            try client.rows("COMMIT")
            try awaitState("compensated", of: "slow", client)
            #expect(try sums(client) == [["0", "500"]])
        }

        /// A step that is not committed leaves nothing to undo, and one that is still open is waited for.
        @Test(.timeLimit(.minutes(1))) func stepsAreThoseThatAreCommitted() throws {
            let (cluster, client) = try Self.prepared()
            let other = try WireClient(port: cluster.port)
            try client.rows("SELECT pgbraid.saga_begin('open')")
            for (statement, isKept) in [("ROLLBACK", false), ("COMMIT", true)] {
                try client.rows("BEGIN")
                try client.rows("INSERT INTO saga_order VALUES (77, 1)")
                try client.rows("SELECT pgbraid.saga_step('open', 'order', 'DELETE FROM saga_order WHERE user_id = 77')")
                if isKept {
                    try other.rows("SELECT pgbraid.saga_abort('open')")
                    #expect(try state("open", other) == "undoing")
                }
                try client.rows(statement)
            }
            try awaitState("compensated", of: "open", client)
            #expect(try sums(client) == [["0", "500"]])
            #expect(try cluster.onShards("SELECT count(*) FROM pgbraid.saga_step WHERE undo LIKE '%user_id = 77' AND undone_at IS NOT NULL").flatMap { $0 }.compactMap { Int($0[0] ?? "") }.reduce(0, +) == 1)
        }

        /// Undos run in reverse order, each once, though one of them fails at first.
        @Test(.timeLimit(.minutes(1))) func aPoisonedUndoIsStuckAndCanBeRetried() throws {
            let (_, client) = try Self.prepared()
            try client.rows("DROP TABLE IF EXISTS saga_trace, saga_cure; CREATE TABLE saga_trace (user_id int, what text)")
            try client.rows("SELECT pgbraid.saga_begin('poisoned')")
            for step in ["first", "second", "third"] {
                let undo = step == "second" ? "INSERT INTO saga_trace SELECT 1, 'second' FROM saga_cure" : "INSERT INTO saga_trace VALUES (1, '\(step)')"
                try client.rows("SELECT pgbraid.saga_step('poisoned', '\(step)', $$\(undo)$$)")
            }
            try client.rows("SELECT pgbraid.saga_abort('poisoned', 'as a test')")
            try awaitState("stuck", of: "poisoned", client)
            #expect(try client.rows("SELECT what FROM saga_trace") == [["third"]])
            try client.rows("CREATE TABLE saga_cure (id int); INSERT INTO saga_cure VALUES (1)")
            #expect(try client.rows("SELECT pgbraid.saga_retry('poisoned')") == [["undoing"]])
            try awaitState("compensated", of: "poisoned", client)
            #expect(try client.rows("SELECT what, count(*) FROM saga_trace GROUP BY what ORDER BY what") == [["first", "1"], ["second", "1"], ["third", "1"]])
        }

        @Test(.timeLimit(.minutes(1))) func sagasBelongToWhoBeganThem() throws {
            let (cluster, client) = try Self.prepared()
            try client.rows("DROP ROLE IF EXISTS saga_role; CREATE ROLE saga_role LOGIN; GRANT ALL ON saga_order TO saga_role")
            try client.rows("SELECT pgbraid.saga_begin('mine')")
            let other = try WireClient(port: cluster.port, user: "saga_role")
            for call in ["saga_begin('mine')", "saga_step('mine', 's', 'SELECT 1')", "saga_end('mine')", "saga_abort('mine')"] {
                #expect(["42501", "42704"].contains(try other.run("SELECT pgbraid.\(call)").state), "\(call)")
            }
            #expect(try state("mine", other) == nil)
            for theft in [
                "SELECT undo FROM pgbraid.saga_step", "UPDATE pgbraid.saga SET owner = 10", "INSERT INTO pgbraid.saga_step (saga_id, number, name, owner) VALUES (gen_random_uuid(), 1, 'x', 10)",
                "/* pgbraid: shard=1 */ SELECT pgbraid.saga_close('bd87ef15-d6b3-4a33-8a3c-4c1de9b2ba8c')", "/* pgbraid: shard=1 */ SELECT pgbraid.saga_forget('{}')", "DELETE FROM pgbraid.saga",
            ] { #expect(try other.run(theft).state == "42501", "\(theft)") }
            #expect(try other.rows("SELECT count(*) FROM pgbraid.saga WHERE name = 'mine'") == [["0"]])
            try other.rows("SELECT pgbraid.saga_begin('theirs')")
            // Who may act for everybody does not take up another's saga unawares.
            #expect(try client.run("SELECT pgbraid.saga_begin('theirs')").state == "42501")
            #expect(try other.rows("SELECT pgbraid.saga_begin('theirs')") == [["running"]])
            try other.rows("BEGIN")
            try other.rows("INSERT INTO saga_order VALUES (9, 1)")
            try other.rows("SELECT pgbraid.saga_step('theirs', 's', 'INSERT INTO saga_order SELECT 10, length(current_user::text); DELETE FROM saga_order WHERE user_id = 9')")
            try other.rows("COMMIT")
            // A role that somebody has taken does not leave an undo for its login.
            try client.rows("SET ROLE saga_role")
            #expect(try client.run("SELECT pgbraid.saga_step('mine', 's', 'SELECT 1')").error != nil)
            try client.rows("RESET ROLE")
            try other.rows("SELECT pgbraid.saga_abort('theirs')")
            try awaitState("compensated", of: "theirs", other)
            #expect(try client.rows("SELECT * FROM saga_order") == [["10", "9"]])
        }

        /// A role made anew under a dropped one's name does not undo for it.
        @Test(.timeLimit(.minutes(1))) func anUndoIsNotRunAsAnotherRoleOfTheSameName() throws {
            let (cluster, client) = try Self.prepared()
            try client.rows("DROP ROLE IF EXISTS saga_gone; CREATE ROLE saga_gone LOGIN; GRANT ALL ON saga_order TO saga_gone")
            let gone = try WireClient(port: cluster.port, user: "saga_gone")
            try gone.rows("SELECT pgbraid.saga_begin('orphan')")
            try gone.rows("SELECT pgbraid.saga_step('orphan', 's', 'INSERT INTO saga_order VALUES (20, 20)')")
            try client.rows("REVOKE ALL ON saga_order FROM saga_gone; DROP ROLE saga_gone; CREATE ROLE saga_gone LOGIN; GRANT ALL ON saga_order TO saga_gone")
            try client.rows("SELECT pgbraid.saga_abort('orphan')")
            try awaitState("stuck", of: "orphan", client)
            #expect(try client.rows("SELECT count(*) FROM saga_order") == [["0"]])
        }

        /// Its installation must not wait for what only its recovery, or an operator, ends.
        @Test(.timeLimit(.minutes(1))) func aProxyStartsBesideAStepThatIsPrepared() throws {
            let cluster = try SharedClusters.shared.get().two
            try cluster.servers[1].psql(
                """
                BEGIN; INSERT INTO pgbraid.saga_step (saga_id, number, name) VALUES (gen_random_uuid(), 1, 'held');
                INSERT INTO pgbraid.saga (name) VALUES ('held by hand'); PREPARE TRANSACTION 'held step'
                """)
            defer { _ = try? cluster.servers[1].psql("ROLLBACK PREPARED 'held step'") }
            let other = try TestCluster(servers: cluster.servers)
            #expect(try other.psql("SELECT pgbraid.saga_state('nowhere')") == [[nil]])
        }

        @Test(.timeLimit(.minutes(1))) func callsThatMakeNoSenseAreRefused() throws {
            let (_, client) = try Self.prepared()
            for (text, state) in [
                ("SELECT pgbraid.saga_step('none', 's')", "42704"), ("SELECT pgbraid.saga_step('none')", "42883"),
                ("SELECT pgbraid.saga_step('none', 's', 'x'), 1", "0A000"), ("SELECT pgbraid.saga_end('none')", "42704"), ("SELECT pgbraid.saga_begin(NULL)", "22004"),
                ("SELECT pgbraid.saga_retry('none')", "42704"), ("SELECT pgbraid.saga_step(NULL, 's')", "22004"), ("SELECT pgbraid.saga_step('none', 's', 'COMMIT')", "0A000"),
                ("SELECT pgbraid.saga_step('none', 's', 'SELECT 1; BEGIN')", "0A000"), ("SELECT pgbraid.saga_step('none', 's', 'SELEC 1')", "42601"),
            ] {
                let said = try client.run(text)
                #expect(said.state == state, "\(text): \(said)")
            }
            #expect(try client.rows("SELECT pgbraid.saga_state('none')") == [[nil]])
        }
    }
}
