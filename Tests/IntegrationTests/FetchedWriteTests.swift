// UPDATE and DELETE that need rows of other shards, while others change the same rows.
import Foundation
import Testing

extension IntegrationTests {
    @Suite struct FetchedWriteTests {
        /// How a client may run its statement.
        enum Form: String, CaseIterable {
            case alone, block

            func begin(_ client: WireClient) throws { if self == .block { try client.rows("BEGIN") } }
            func end(_ client: WireClient) throws { if self == .block { try client.rows("COMMIT") } }
        }

        private func cluster() throws -> TestCluster {
            let cluster = try SharedClusters.shared.get().four
            try cluster.psql("DROP TABLE IF EXISTS member; DROP TABLE IF EXISTS visit")
            try cluster.psql("CREATE TABLE member (user_id int PRIMARY KEY, n int, total int)")
            try cluster.psql("CREATE TABLE visit (user_id int, id int, member int, PRIMARY KEY (user_id, id))")
            try cluster.psql("INSERT INTO member SELECT i, i, 0 FROM generate_series(1, 20) i")
            try cluster.psql("INSERT INTO visit SELECT i + 7, i, i FROM generate_series(1, 20) i")
            return cluster
        }

        private func waitForLock(_ cluster: TestCluster, _ text: String) throws {
            try eventually("a statement waits for a lock: \(text)") {
                try cluster.onShards(
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%\(text)%' AND pid <> pg_backend_pid()"
                ).contains { $0 != [["0"]] }
            }
        }

        /// The row changes between fetch and write: the sum must be that of the new rows.
        @Test(.timeLimit(.minutes(1)), arguments: Form.allCases) func aChangedRowIsFetchedAgain(form: Form) throws {
            let cluster = try cluster()
            let (other, writer) = (try WireClient(port: cluster.port), try WireClient(port: cluster.port))
            try other.rows("BEGIN; UPDATE member SET n = 1000 WHERE user_id = 5")
            try form.begin(writer)
            try writer.send(FrontendFrame.query("UPDATE member SET total = (SELECT sum(n) FROM member) RETURNING total"))
            try waitForLock(cluster, "pgbraid_part")
            try other.rows("COMMIT")
            let outcome = try writer.outcome()
            #expect(outcome.tags == ["UPDATE 20"] && Set(outcome.rows) == [["1205"]], "\(outcome)")
            try form.end(writer)
            #expect(try cluster.psql("SELECT DISTINCT total, (SELECT sum(n) FROM member) FROM member") == [["1205", "1205"]])
        }

        /// A row that is locked, and then is not changed, is no reason to begin again.
        @Test(.timeLimit(.minutes(1)), arguments: Form.allCases) func aLockThatChangesNothingIsWaitedFor(form: Form) throws {
            let cluster = try cluster()
            let (other, writer) = (try WireClient(port: cluster.port), try WireClient(port: cluster.port))
            try other.rows("BEGIN; UPDATE member SET n = 1000 WHERE user_id = 5")
            try form.begin(writer)
            try writer.send(FrontendFrame.query("DELETE FROM member USING visit WHERE visit.member = member.user_id AND member.n < 10"))
            try waitForLock(cluster, "pgbraid_part")
            try other.rows("ROLLBACK")
            #expect(try writer.outcome().tags == ["DELETE 9"])
            try form.end(writer)
        }

        /// A block that keeps one snapshot fails, as on one PostgreSQL.
        @Test(.timeLimit(.minutes(1))) func aBlockWithOneSnapshotFails() throws {
            let cluster = try cluster()
            let (other, writer) = (try WireClient(port: cluster.port), try WireClient(port: cluster.port))
            try writer.rows("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM member")
            try other.rows("UPDATE member SET n = 1000 WHERE user_id = 5")
            #expect(try writer.run("UPDATE member SET total = (SELECT sum(n) FROM member)").state == "40001")
            try writer.rows("ROLLBACK")
        }

        /// While rows are fetched a member comes with a visit, in one transaction. No statement that sees the visit may miss the
        /// member.
        @Test(.timeLimit(.minutes(1)), arguments: Form.allCases) func rowsThatComeTogetherAreSeenTogether(form: Form) throws {
            let cluster = try cluster()
            try cluster.psql(
                """
                CREATE OR REPLACE FUNCTION is_open(int) RETURNS bool LANGUAGE plpgsql AS \
                $$ BEGIN PERFORM pg_advisory_xact_lock_shared(77); RETURN true; END $$
                """)
            try cluster.psql("COMMENT ON FUNCTION is_open(int) IS 'pgbraid: reads none'")
            let gates = try cluster.servers.map { try WireClient(port: $0.port) }
            for gate in gates { try gate.rows("BEGIN; SELECT pg_advisory_xact_lock(77)") }
            let writer = try WireClient(port: cluster.port)
            try form.begin(writer)
            try writer.send(FrontendFrame.query("DELETE FROM visit WHERE member NOT IN (SELECT user_id FROM member WHERE is_open(user_id))"))
            try waitForLock(cluster, "is_open")
            try cluster.psql("BEGIN; INSERT INTO member VALUES (500, 1, 1); INSERT INTO visit VALUES (500, 1, 500), (77, 1, 999); COMMIT")
            for gate in gates { try gate.rows("COMMIT") }
            let outcome = try writer.outcome()
            #expect(outcome.tags == ["DELETE 0"] || outcome.tags == ["DELETE 1"], "\(outcome)")
            try form.end(writer)
            #expect(try cluster.psql("SELECT count(*) FROM visit WHERE user_id = 500") == [["1"]])
            try cluster.psql("DROP FUNCTION is_open(int)")
        }

        /// What the block itself wrote, in a savepoint too, is not in its way.
        @Test(.timeLimit(.minutes(1))) func rowsOfTheBlockItselfMayBeChanged() throws {
            let cluster = try cluster()
            let client = try WireClient(port: cluster.port)
            try client.rows("BEGIN; UPDATE member SET n = 2 WHERE user_id < 8; SAVEPOINT a; INSERT INTO member SELECT i, 3 FROM generate_series(100, 110) i")
            try client.rows("SAVEPOINT b; UPDATE member SET n = 4 WHERE user_id > 104; RELEASE b")
            #expect(try client.run("UPDATE member SET total = (SELECT count(*) FROM visit)").tags == ["UPDATE 31"])
            #expect(try client.run("DELETE FROM member WHERE n NOT IN (SELECT member FROM visit WHERE id > 2)").tags == ["DELETE 7"])
            try client.rows("COMMIT")
            #expect(try cluster.psql("SELECT count(*), sum(total) FROM member") == [["24", "480"]])
        }

        /// A transaction that stays open is in the way of rows that others wrote since it began: an error, and nothing is written.
        @Test(.timeLimit(.minutes(1))) func aBlockGivesUpInTheEnd() throws {
            let cluster = try cluster()
            let olds = try cluster.servers.map { try WireClient(port: $0.port) }
            for old in olds { try old.rows("BEGIN; SELECT pg_current_xact_id()") }
            try cluster.psql("UPDATE member SET n = 0")
            let client = try WireClient(port: cluster.port)
            try client.rows("BEGIN")
            let outcome = try client.run("UPDATE member SET total = (SELECT count(*) FROM visit)")
            #expect(outcome.state == "40001" && outcome.error?.detail?.contains("20 times") == true, "\(outcome)")
            try client.rows("ROLLBACK")
            // One snapshot has no such trouble.
            #expect(try client.run("UPDATE member SET total = (SELECT count(*) FROM visit)").tags == ["UPDATE 20"])
            for old in olds { try old.rows("ROLLBACK") }
        }

        /// Writers of all rows lock them in another order on each shard. One PostgreSQL would let them take turns.
        @Test(.timeLimit(.minutes(1))) func writersOfTheSameRowsTakeTurns() throws {
            let cluster = try cluster()
            let clients = try (0..<3).map { _ in try WireClient(port: cluster.port) }
            for _ in 0..<4 {
                for client in clients { try client.send(FrontendFrame.query("UPDATE member SET n = n + 1, total = (SELECT sum(n) FROM member)")) }
                for client in clients {
                    let outcome = try client.outcome()
                    #expect(outcome.tags == ["UPDATE 20"], "\(outcome)")
                }
            }
            // The last one saw all that the others had added.
            #expect(try cluster.psql("SELECT DISTINCT total, (SELECT sum(n) FROM member) FROM member") == [["430", "450"]])
        }

        /// A row that moves is the row as it is when its lock is got.
        @Test(.timeLimit(.minutes(1))) func aMovedRowIsTheNewestOne() throws {
            let cluster = try cluster()
            let (other, writer) = (try WireClient(port: cluster.port), try WireClient(port: cluster.port))
            try other.rows("BEGIN; UPDATE member SET n = n + 1000")
            try writer.send(FrontendFrame.query("UPDATE member SET user_id = user_id + 100, total = n WHERE user_id <> 3"))
            try waitForLock(cluster, "DELETE FROM member")
            try other.rows("COMMIT")
            #expect(try writer.outcome().tags == ["UPDATE 19"])
            #expect(try cluster.psql("SELECT count(*), sum(n), sum(total), min(user_id) FROM member") == [["20", "20210", "19207", "3"]])
        }

        /// A row that moves keeps what it has in columns that were added while its table's lock was awaited.
        @Test(.timeLimit(.minutes(1)), arguments: [
            ("UPDATE member SET user_id = user_id + 100", "DELETE FROM member"), ("UPDATE member SET user_id = user_id + 100 WHERE user_id <> 3", "DELETE FROM member"),
            ("SELECT create_reference_table('member')", "pgbraid.begin_placement"),
        ]) func aMovedRowKeepsItsNewColumns(statement: String, waiting: String) throws {
            let cluster = try cluster()
            let (other, writer) = (try WireClient(port: cluster.port), try WireClient(port: cluster.port))
            try other.rows("BEGIN; ALTER TABLE member ADD COLUMN note text; UPDATE member SET note = 'kept'")
            try writer.send(FrontendFrame.query(statement))
            try waitForLock(cluster, waiting)
            try other.rows("COMMIT")
            let outcome = try writer.outcome()
            #expect(outcome.state == "40001", "\(outcome)")
            #expect(try writer.rows("SELECT count(note), count(*) FROM member") == [["20", "20"]])
            #expect(try writer.run(statement).error == nil)
            #expect(try writer.rows("SELECT count(note), count(*) FROM member") == [["20", "20"]])
        }
    }
}
