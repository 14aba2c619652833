// Failures of sagas: which are mistakes of a step and which say nothing of it, what is told of them, and what an undo waits for.
import TestSupport
import Testing
import WireProtocol

extension IntegrationTests {
    @Suite struct SagaFailureTests {
        private static let table = "CREATE TABLE failing_row (user_id int PRIMARY KEY, what text)"

        private static func prepared() throws -> (TestCluster, WireClient) {
            let cluster = try SharedClusters.shared.get().four
            let client = try WireClient(port: cluster.port)
            try client.rows("DROP TABLE IF EXISTS failing_row; \(table)")
            return (cluster, client)
        }

        private func call(_ name: String, _ steps: [(work: String, undo: String)]) -> String {
            let script = steps.map { #"{"do": "\#($0.work)", "undo": "\#($0.undo)"}"# }.joined(separator: ", ")
            return "CALL pgbraid.saga_run('\(name)', $$[\(script)]$$)"
        }

        private func rows(_ client: WireClient) throws -> [[String?]] { try client.rows("SELECT user_id, what FROM failing_row ORDER BY user_id") }

        /// It would pass it each time: that of the proxy, and that of who carries it out.
        @Test(.timeLimit(.minutes(1))) func aStepThatPassesALimitFails() throws {
            let (_, client) = try Self.prepared()
            try client.rows(
                "CREATE OR REPLACE FUNCTION failing_limit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE configuration_limit_exceeded USING MESSAGE = 'a limit is passed'; END $$")
            try client.rows("CREATE TRIGGER failing_limit BEFORE UPDATE ON failing_row FOR EACH ROW EXECUTE FUNCTION failing_limit()")
            try client.rows("INSERT INTO failing_row VALUES (1, 'before')")
            for (name, work, reason) in [
                ("failing limit", "UPDATE failing_row SET what = 'made' WHERE user_id = 1", "a limit is passed"),
                ("failing row", "SELECT repeat('x', 70000000)", "is larger than"),
            ] {
                let first = (work: "INSERT INTO failing_row VALUES (2, 'made')", undo: "DELETE FROM failing_row WHERE user_id = 2")
                let said = try client.run(call(name, [first, (work: work, undo: "SELECT 1")]))
                #expect(said.state == "40000", "\(name): \(said)")
                #expect(said.error?.detail?.contains(reason) == true, "\(name): \(said)")
            }
            #expect(try rows(client) == [["1", "before"]])
        }

        /// A shard that has no connection left for the role says nothing of the step, however long that is so.
        @Test(.timeLimit(.minutes(3))) func whoWaitsForAConnectionMakesNoMistake() throws {
            // Nobody else's runner must find the saga.
            let servers = try (0..<2).map { _ in try TemporaryPostgreSQL(settings: TestServers.settings) }
            let cluster = try TestCluster(servers: servers, settings: ["proxy": ["workers = 1", "pool_size = 2"]])
            let client = try WireClient(port: cluster.port)
            try client.rows(Self.table)
            try client.rows("INSERT INTO failing_row SELECT g, 'before' FROM generate_series(1, 20) g")
            try client.rows("CREATE ROLE failing_narrow LOGIN; GRANT ALL ON failing_row TO failing_narrow")
            let keys = try cluster.onShards("SELECT min(user_id) FROM failing_row").map { $0[0][0] ?? "" }
            // A name whose shard is the first.
            for number in 1...20 { try client.rows("SELECT pgbraid.saga_begin('narrow \(number)')") }
            let name = try servers[0].psql("SELECT min(name) FROM pgbraid.saga")[0][0] ?? ""
            try servers[0].psql("DELETE FROM pgbraid.saga WHERE name = '\(name)'")

            let caller = try WireClient(port: cluster.port, user: "failing_narrow")
            let holders = try (0..<2).map { _ in try WireClient(port: cluster.port, user: "failing_narrow") }
            let work = "SELECT pg_sleep(5) FROM failing_row WHERE user_id = \(keys[0]); UPDATE failing_row SET what = 'made' WHERE user_id = \(keys[1])"
            try caller.send(FrontendFrame.query(call(name, [(work: work, undo: "SELECT 1")])))
            try eventually("the step is under way") {
                try servers[0].psql(
                    """
                    SELECT count(*) FROM pg_stat_activity
                    WHERE usename = 'failing_narrow' AND state = 'active' AND query LIKE '%pg_sleep(5)%' AND query NOT LIKE '%saga%'
                    """) == [["1"]]
            }
            for holder in holders { try holder.rows("BEGIN; SELECT what FROM failing_row WHERE user_id = \(keys[1])") }
            for _ in 0..<31 { try servers[0].psql("SELECT pg_sleep(2)") }
            #expect(try client.rows("SELECT pgbraid.saga_state('\(name)')") == [["running"]])
            for holder in holders { try holder.rows("COMMIT") }
            let said = try caller.outcome(deadlineSeconds: 60)
            #expect(said.tags == ["CALL"], "\(said)")
            #expect(try client.rows("SELECT what FROM failing_row WHERE user_id = \(keys[1])") == [["made"]])
        }

        /// Whatever kept it from being undone meanwhile.
        @Test(.timeLimit(.minutes(1))) func anUndoneScriptSaysWhyItFailed() throws {
            let (_, client) = try Self.prepared()
            try client.rows("DROP TABLE IF EXISTS failing_cure; INSERT INTO failing_row VALUES (1, 'before')")
            let text = call(
                "failing twice",
                [
                    (work: "INSERT INTO failing_row VALUES (2, 'made')", undo: "DELETE FROM failing_row WHERE user_id = 2; INSERT INTO failing_cure VALUES (2)"),
                    (work: "INSERT INTO failing_row VALUES (1, 'made')", undo: "SELECT 1"),
                ])
            try client.rows("SET statement_timeout TO '1s'")
            #expect(try client.run(text).state == "57014")
            try client.rows("RESET statement_timeout")
            let troubled = "reason LIKE 'step 2: duplicate key value%; not undone yet: undo of step \"step 1\": %failing_cure%'"
            try eventually("both are told") { try client.rows("SELECT count(*) FROM pgbraid.saga WHERE name = 'failing twice' AND \(troubled)") == [["1"]] }
            try client.rows("CREATE TABLE failing_cure (user_id int PRIMARY KEY)")
            let said = try client.run(text)
            #expect(said.state == "40000")
            #expect(said.error?.detail?.hasPrefix("step 2: duplicate key value") == true, "\(said)")
            #expect(said.error?.detail?.contains("not undone yet") == false, "\(said)")
            #expect(try rows(client) == [["1", "before"]])
        }

        /// An undo that is half committed, whoever's it is, is waited for by the undos before it, and by the saga's end.
        @Test(.timeLimit(.minutes(1))) func undosWaitForThoseBehindThem() throws {
            let (cluster, client) = try Self.prepared()
            try client.rows("DROP ROLE IF EXISTS failing_early, failing_late; CREATE ROLE failing_early LOGIN; CREATE ROLE failing_late LOGIN")
            try client.rows("GRANT failing_early TO failing_late; GRANT ALL ON failing_row TO failing_early, failing_late")
            let early = try WireClient(port: cluster.port, user: "failing_early")
            let late = try WireClient(port: cluster.port, user: "failing_late")
            try early.rows("SELECT pgbraid.saga_begin('failing halves')")
            try early.rows("SELECT pgbraid.saga_step('failing halves', 'first', 'INSERT INTO failing_row VALUES (1, $$undone$$)')")
            try late.rows("SELECT pgbraid.saga_step('failing halves', 'second', 'SELECT 1')")
            // The second's undo, as a proxy that has died leaves it.
            try cluster.onShards("UPDATE pgbraid.saga_step SET undone_at = clock_timestamp() WHERE owner = 'failing_late'::regrole")
            let shard = try cluster.servers[1].psql("SELECT shard FROM pgbraid.identity")[0][0] ?? ""
            let gid = "pgbraid:pgbraid:00112233aabbccdd:snowhere:0123456789abcdef0123456789abcdef:\(shard)"
            try cluster.servers[1].psql("BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION '\(gid)'", user: "failing_late")
            defer { _ = try? cluster.servers[1].psql("ROLLBACK PREPARED '\(gid)'") }
            try early.rows("SELECT pgbraid.saga_abort('failing halves')")
            try eventually("it is waited for", withinSeconds: 30) {
                try client.rows("SELECT count(*) FROM pgbraid.saga WHERE name = 'failing halves' AND reason LIKE 'aborted; %is not finished yet'") == [["1"]]
            }
            #expect(try rows(client) == [])
            try cluster.servers[1].psql("ROLLBACK PREPARED '\(gid)'")
            try eventually("the saga is undone", withinSeconds: 30) { try client.rows("SELECT pgbraid.saga_state('failing halves')") == [["compensated"]] }
            #expect(try rows(client) == [["1", "undone"]])
        }
    }
}
